"""A run as a process: the worker, its training and scoring, the fork server, and further ranks."""
