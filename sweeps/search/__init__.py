"""Searches: samplers, trial storage, the trial queue, workers and confirmation."""
