"""Mirrors of a run (wandb), kept by a process of their own that reads the run's folder. No torch."""
