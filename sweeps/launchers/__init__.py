"""Who trains a plan: a pool on this machine, the workers of a search, or SLURM; and how long it will take."""
