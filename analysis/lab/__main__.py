"""Command line of the laboratory: `python -m analysis.lab --out report/lab` draws all panels and checks them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from analysis.figures.panels import save
from analysis.html.small_page import write_page
from analysis.lab.panel import Check, Panel
from analysis.lab.registry import PANELS
from landscape.config.cli import Parser, run_cli
from landscape.config.errors import ExitCode, UserError, nearest

EXACT = 1e-15  # differences below are rounding errors


def row(check: Check) -> dict[str, Any]:
    """A check as text."""
    deviation = check.deviation
    return {
        "what": check.what,
        "n": f"{np.broadcast(np.asarray(check.found), np.asarray(check.exact)).size:,}",
        "deviation": "0" if deviation < EXACT else f"{deviation:.2g}",
        "tolerance": f"{check.tolerance:g}",
        "holds": check.holds,
    }


def write(out: Path, panels: Sequence[Panel]) -> list[dict[str, Any]]:
    """Write index.html and the figure of each panel (PNG, SVG, PDF) into `out`, the page last; returns its content.

    Raises `UserError` if `out` cannot be written, or if its index.html is not a page of this program.
    """
    made: list[dict[str, Any]] = []

    def fill() -> dict[str, Any]:
        for panel in panels:
            data = panel.simulate()
            made.append({"panel": panel, "rows": [row(check) for check in panel.checks(data)]})
            save(panel.draw(data), out / panel.key)
        held = [one["holds"] for part in made for one in part["rows"]]
        return {"panels": made, "held": sum(held), "count": len(held)}

    write_page(out, "lab.html", "analysis.lab", fill)
    return made


def chosen(keys: Sequence[str] | None) -> list[Panel]:
    """The panels of these keys, all for None. Raises `UserError` for an unknown one."""
    for key in keys or ():
        if key not in PANELS:
            raise UserError(f"unknown panel {key!r}{nearest(key, PANELS)}; there are {', '.join(PANELS)}")
    return [panel for key, panel in PANELS.items() if not keys or key in keys]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code: 0, 1 if a check does not hold, 2 for a user error."""
    about = "Draw a laboratory of closed forms on one page, and check simulated points against exact curves."
    parser = Parser("python -m analysis.lab", about)
    parser.add_argument(
        "--out", metavar="FOLDER", default="report/lab", help="the folder to write (default: %(default)s)"
    )
    parser.add_argument("--only", metavar="PANEL", nargs="+", help=f"some panels: {', '.join(PANELS)}")

    def work() -> int:
        arguments = parser.parse(sys.argv[1:] if argv is None else argv)
        out = Path(arguments.out).expanduser()
        made = write(out, chosen(arguments.only))
        rows = [(part["panel"].key, one) for part in made for one in part["rows"]]
        for key, one in rows:
            mark = "ok  " if one["holds"] else "OFF "
            print(f"{mark}{key}: {one['what']}: {one['deviation']} (tolerance {one['tolerance']})")
        held = sum(one["holds"] for _, one in rows)
        print(f"\n{out / 'index.html'}: {len(made)} panels, {held} of {len(rows)} checks hold")
        return ExitCode.DONE if held == len(rows) else ExitCode.UNFINISHED

    return run_cli(work, interrupted="")


if __name__ == "__main__":
    sys.exit(main())
