"""A run as a process: it is claimed, trained and scored; the fork server, and the ranks of several devices."""
