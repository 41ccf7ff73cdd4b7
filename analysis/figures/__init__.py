"""The report's figures: style, plots on one axis, whole figures, the paper's figures, and their rendering."""
