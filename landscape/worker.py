"""Old name of `landscape.runtime.worker`. Controllers of version 0.1 still start it. Remove in 0.3."""

import sys

from landscape.runtime.worker import main

if __name__ == "__main__":
    sys.exit(main())
