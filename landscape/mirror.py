"""The old name of `landscape.tracking.process`, which workers of version 0.1 still start; to be removed in 0.3."""

import sys

from landscape.tracking.process import main

if __name__ == "__main__":
    sys.exit(main())
