"""Command-line entry point: `python -m landscape.evaluate [RUN ...] [--where KEY=VALUE] [--sweep NAME] [KEY=VALUE
...]`.

The implementation is `sweeps.cli.evaluate`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from landscape.config.cli import run_cli


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command. Returns the exit code: 0, 1 if a run could not be scored, 2 for invalid usage, 130 when
    interrupted."""
    from sweeps.cli.arguments import COMMANDS

    return run_cli(lambda: COMMANDS["evaluate"](sys.argv[1:] if argv is None else argv), interrupted="")


if __name__ == "__main__":
    sys.exit(main())
