"""`python -m landscape.evaluate [run=ID,...] [--where KEY=VALUE] [--sweep NAME] [metrics.KEY=VALUE ...]`.

Scores finished runs from their kept generators and trains nothing; what it does stands in `sweeps.cli.evaluate`.
"""

from __future__ import annotations

import sys

from landscape.config.errors import ExitCode


def main(argv: list[str] | None = None) -> int:
    """Returns the exit code: 0, 1 where a run could not be scored, 2 for what cannot be meant, 130 interrupted."""
    try:
        from sweeps.cli.evaluate import main as evaluate

        return evaluate(sys.argv[1:] if argv is None else argv)
    except KeyboardInterrupt:  # while modules load; later the command itself answers
        return ExitCode.INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
