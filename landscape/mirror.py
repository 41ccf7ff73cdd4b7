"""Old name of `landscape.tracking.process`. Workers of version 0.1 still start it. Remove in 0.3."""

import sys

from landscape.tracking.process import main

if __name__ == "__main__":
    sys.exit(main())
