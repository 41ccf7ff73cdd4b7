"""The Dirac-GAN's door: `python -m analysis.dirac --out report/dirac` draws it, and prints its table as Markdown."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from analysis.dirac.dynamics import Steps, distance, multipliers, trajectory
from analysis.dirac.figure import COUNT, games, momentum, portraits, spell
from analysis.dirac.games import Game
from analysis.figures.panels import save
from landscape.config.cli import Parser, run_cli
from landscape.config.errors import UserError

MARK = '<meta name="generator" content="landscape analysis.dirac">'  # by it a page knows its own kind
TINY = 1e-12  # below it a distance is rounding
HEADS = ["method", "eigenvalues of v′", "\\|μ\\| sim.", "\\|μ\\| alt.", "distance sim.", "distance alt."]


def table() -> list[list[str]]:
    """A row a field: name, eigenvalues, largest modulus of a multiplier and distance after `COUNT` steps, both ways."""
    return [[name, spell(game.eigenvalues), *_moduli(game), *_distances(game)] for name, game in games().items()]


def _moduli(game: Game) -> list[str]:
    if game.eigenvalues is None:
        return ["–", "–"]
    return [f"{abs(multipliers(game, Steps(alternating=way))[0]):.4f}" for way in (False, True)]


def _distances(game: Game) -> list[str]:
    ends = [distance(game, trajectory(game, Steps(alternating=way), COUNT))[-1] for way in (False, True)]
    return [f"{end:.4g}" if end >= TINY else f"< {TINY:g}" for end in ends]


def markdown(rows: list[list[str]]) -> str:
    """`table` in Markdown."""
    lines = [HEADS, ["---", "---", *["--:"] * (len(HEADS) - 2)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def write(out: Path) -> list[list[str]]:
    """Write index.html and both figures (PNG and SVG) into the folder `out`, the page last; returns the table.

    Raises `UserError` for a folder that cannot be written, or one whose index.html is somebody else's.
    """
    index = out / "index.html"
    try:
        out.mkdir(parents=True, exist_ok=True)
        if index.exists() and MARK not in index.read_text(encoding="utf-8", errors="replace")[:4096]:
            raise UserError(f"{index} was not written by this program and stays; give another folder with --out PATH")
        save(portraits(), out / "portraits")
        save(momentum(), out / "momentum")
        rows = table()
        env = Environment(loader=PackageLoader("analysis.html"), autoescape=True, undefined=StrictUndefined)
        heads = [head.replace("\\", "") for head in HEADS]
        page = env.get_template("dirac.html").render(mark=MARK, heads=heads, rows=rows, count=COUNT, h=Steps().h)
        index.write_text(page, encoding="utf-8")
    except OSError as e:
        raise UserError(f"nothing can be written to {out} ({e.strerror or e}); give another folder with --out") from e
    return rows


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 0, or 2 with a sentence on stderr for a user's error."""
    about = "Draw what each method does on the smallest of GANs, and print it as a table in Markdown."
    parser = Parser("python -m analysis.dirac", about)
    parser.add_argument(
        "--out", metavar="FOLDER", default="report/dirac", help="the folder to write (default: %(default)s)"
    )

    def work() -> None:
        out = Path(parser.parse(sys.argv[1:] if argv is None else argv).out).expanduser()
        rows = write(out)
        print(markdown(rows))
        print(f"\n{out / 'index.html'}: {len(rows)} phase portraits, and what momentum does")

    return run_cli(work, interrupted="")


if __name__ == "__main__":
    sys.exit(main())
