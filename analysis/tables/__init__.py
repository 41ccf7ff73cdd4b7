"""The report's tables and sentences, and the formatting of numbers."""
