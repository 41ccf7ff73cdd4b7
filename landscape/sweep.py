"""Command-line entry point: `python -m landscape.sweep [-m] KEY=VALUE ...`. The implementation is
`sweeps.cli.sweep`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from landscape.config.cli import run_cli


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command. Returns the exit code: 0, 1 if runs failed, 2 for invalid usage, 130 when interrupted."""
    from sweeps.cli.arguments import COMMANDS

    return run_cli(lambda: COMMANDS["sweep"](sys.argv[1:] if argv is None else argv), interrupted="")


if __name__ == "__main__":
    sys.exit(main())
