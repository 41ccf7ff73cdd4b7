"""`python -m landscape.sweep [-m] KEY=VALUE ...`: the command is `sweeps.cli.sweep`; help is Hydra's."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0, 1 where runs failed, 2 for invalid usage, 130 when interrupted."""
    try:
        from landscape.config.cli import is_version
        from sweeps.cli import hydra_help, sweep

        arguments = list(sys.argv[1:] if argv is None else argv)
        if is_version(arguments):
            return 0
        return hydra_help.show(arguments) if hydra_help.is_asked(arguments) else sweep.main(arguments)
    except KeyboardInterrupt:  # while modules load; later the command itself answers
        return 130


if __name__ == "__main__":
    sys.exit(main())
