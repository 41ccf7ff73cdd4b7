"""The old name of `landscape.runtime.worker`, which controllers of version 0.1 still start; to be removed in 0.3."""

import sys

from landscape.runtime.worker import main

if __name__ == "__main__":
    sys.exit(main())
