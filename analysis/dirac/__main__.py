"""Command line of the Dirac-GAN: `python -m analysis.dirac --out report/dirac` draws it and prints a table."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from analysis.dirac.dynamics import Steps, distance, multipliers, trajectory
from analysis.dirac.figure import COUNT, format_eigenvalues, games, momentum, portraits
from analysis.dirac.games import Game
from analysis.figures.panels import save
from analysis.html.small_page import write_page
from landscape.config.cli import Parser, run_cli

TINY = 1e-12  # distances below are rounding errors
HEADERS = ["method", "eigenvalues of v′", "\\|μ\\| sim.", "\\|μ\\| alt.", "distance sim.", "distance alt."]


def table() -> list[list[str]]:
    """A row per vector field with the columns `HEADERS`: eigenvalues, then moduli and distances after `COUNT` steps."""
    return [
        [name, format_eigenvalues(game.eigenvalues), *_moduli(game), *_distances(game)]
        for name, game in games().items()
    ]


def _moduli(game: Game) -> list[str]:
    if game.eigenvalues is None:
        return ["–", "–"]
    return [f"{abs(multipliers(game, Steps(alternating=way))[0]):.4f}" for way in (False, True)]


def _distances(game: Game) -> list[str]:
    ends = [distance(game, trajectory(game, Steps(alternating=way), COUNT))[-1] for way in (False, True)]
    return [f"{end:.4g}" if end >= TINY else f"< {TINY:g}" for end in ends]


def markdown(rows: list[list[str]]) -> str:
    """The rows of `table` as a Markdown table."""
    lines = [HEADERS, ["---", "---", *["--:"] * (len(HEADERS) - 2)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def write(out: Path) -> list[list[str]]:
    """Write index.html and both figures (PNG, SVG, PDF) into the folder `out`, the page last; returns the table.

    Raises `UserError` if `out` cannot be written, or if its index.html is not a page of this program.
    """
    rows: list[list[str]] = []

    def fill() -> dict[str, Any]:
        save(portraits(), out / "portraits")
        save(momentum(), out / "momentum")
        rows.extend(table())
        return {"heads": [head.replace("\\", "") for head in HEADERS], "rows": rows, "count": COUNT, "h": Steps().h}

    write_page(out, "dirac.html", "analysis.dirac", fill)
    return rows


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code: 0, or 2 for a user error, with a sentence on stderr."""
    about = "Draw the training dynamics of each method on the Dirac-GAN, and print them as a Markdown table."
    parser = Parser("python -m analysis.dirac", about)
    parser.add_argument(
        "--out", metavar="FOLDER", default="report/dirac", help="the folder to write (default: %(default)s)"
    )

    def work() -> None:
        out = Path(parser.parse(sys.argv[1:] if argv is None else argv).out).expanduser()
        rows = write(out)
        print(markdown(rows))
        print(f"\n{out / 'index.html'}: {len(rows)} phase portraits, and the effect of momentum")

    return run_cli(work, interrupted="")


if __name__ == "__main__":
    sys.exit(main())
