"""Who trains a plan: processes on this machine, the command itself, or SLURM; and how long it will take."""
