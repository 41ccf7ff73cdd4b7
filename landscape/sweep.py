"""`python -m landscape.sweep [-m] KEY=VALUE ...`: the command is `sweeps.cli.sweep`; help is Hydra's."""

from __future__ import annotations

import sys

from landscape.config.errors import ExitCode


def main(argv: list[str] | None = None) -> int:
    """Returns the exit code: 0, 1 where runs failed, 2 for invalid usage, 130 when interrupted."""
    try:
        from sweeps.cli import hydra_help, sweep

        arguments = sys.argv[1:] if argv is None else argv
        return hydra_help.show(arguments) if hydra_help.is_asked(arguments) else sweep.main(arguments)
    except KeyboardInterrupt:  # while modules load; later the command itself answers
        return ExitCode.INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
