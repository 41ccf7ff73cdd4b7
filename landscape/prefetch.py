"""`python -m landscape.prefetch KEY=VALUE ...`: the command is `sweeps.cli.prefetch`."""

from __future__ import annotations

import sys


def main(argv: list[str] | None = None) -> int:
    """Returns the exit code."""
    from sweeps.cli import prefetch

    return prefetch.main(sys.argv[1:] if argv is None else argv)


if __name__ == "__main__":
    sys.exit(main())
