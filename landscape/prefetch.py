"""`python -m landscape.prefetch KEY=VALUE ...`: the command is `sweeps.cli.prefetch`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from landscape.config.cli import run_cli


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code."""
    from sweeps.cli.arguments import COMMANDS

    return run_cli(lambda: COMMANDS["prefetch"](sys.argv[1:] if argv is None else argv), interrupted="")


if __name__ == "__main__":
    sys.exit(main())
