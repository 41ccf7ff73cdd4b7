"""The old name of `sweeps.search.worker`, which controllers of version 0.1 still start; to be removed in 0.3."""

import sys

from sweeps.search.worker import main

if __name__ == "__main__":
    sys.exit(main())
