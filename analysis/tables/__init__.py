"""The report's tables as frames and sentences, and how numbers are written in them."""
