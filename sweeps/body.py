"""The old name of `sweeps.launchers.slurm.job`, in queued scripts of version 0.1; to be removed in 0.3."""

import sys

from sweeps.launchers.slurm.job import main

if __name__ == "__main__":
    sys.exit(main())
