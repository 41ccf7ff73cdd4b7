"""The trials of a search: samplers, storage, queue, workers and confirmation."""
