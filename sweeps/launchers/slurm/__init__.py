"""The SLURM launcher: resources, batch scripts, submissions, and the job on its node."""
