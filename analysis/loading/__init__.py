"""A store or a CSV file as tidy frames: runs, evaluations, cells, protocols and filters."""
