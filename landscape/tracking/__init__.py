"""Experiment trackers (wandb). A separate process reads the run's folder and uploads it. No torch."""
