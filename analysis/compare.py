"""`python -m analysis.compare MINE THEIRS`: cells of two stores or tables beside each other, where that is fair."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from analysis.loading.csv_files import write_csv
from analysis.loading.runs import Collected, collect
from analysis.loading.table_files import opened
from analysis.tables.formatting import format_score
from analysis.tables.two_sources import sentences, two_sources
from landscape.config.cli import Parser, run_cli
from landscape.config.errors import ExitCode, UserError
from landscape.config.text import printable

logger = logging.getLogger(__name__)

ABOUT = """Put the cells of two sources beside each other: stores, or tables of python -m sweeps export.

Compared is what was scored under one protocol, on one set of images, after the same number of steps; of all else the
reason is given. A claim takes the tests of the report (docs/statistics.md), for all cells together."""
HEADS = ("cell", "mine", "theirs", "runs", "ratio (95 %)", "claim")


def parser() -> Parser:
    """The argument parser of `python -m analysis.compare`."""
    made = Parser("python -m analysis.compare", ABOUT)
    made.positional("mine", "a store or a table", None)
    made.positional("theirs", "another one", None)
    made.add_argument("--out", metavar="FILE", help="also write the whole comparison as CSV")
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code: 0, or 2 for a user error or corrupt files (the rest is compared)."""
    given = sys.argv[1:] if argv is None else argv
    return run_cli(lambda: _compare(parser().parse(given)), interrupted="")


def _compare(args: argparse.Namespace) -> int:
    mine, theirs = (_collected(source) for source in (args.mine, args.theirs))
    found = two_sources(mine, theirs)
    for line in [*_table(found[found["why"] == ""]), *sentences(found)]:
        print(printable(line))
    if args.out:
        try:
            write_csv(found, args.out)
        except OSError as e:
            raise UserError(f"--out {args.out} cannot be written ({e.strerror})") from e
    problems = [*mine.problems, *theirs.problems]
    for problem in problems:
        logger.error(f"{problem}; the rest is compared")
    return ExitCode.USER if problems else ExitCode.DONE


def _collected(source: str) -> Collected:
    if not Path(source).expanduser().exists():
        raise UserError(f"there is no store and no table at {source}")
    with opened(source) as store:
        found = collect(store)
    if found.runs.empty:
        raise UserError(f"{source} holds no readable run")
    return found


def _table(found: pd.DataFrame) -> list[str]:
    """The compared cells as lines in columns."""
    if found.empty:
        return []
    several = found[["data", "arch"]].drop_duplicates().shape[0] > 1
    rows: list[tuple[str, ...]] = [HEADS]
    for row in found.to_dict("records"):
        ratio = (
            "" if pd.isna(row["ratio"]) else f"{row['ratio']:.2f} ({row['ratio_low']:.2g} to {row['ratio_high']:.2g})"
        )
        said = {"mine": "mine is better", "theirs": "theirs is better", "differ": "they differ"}.get(row["said"], "")
        rows.append(
            (
                " ".join([row["data"], row["arch"], row["cell"]]) if several else row["cell"],
                *(format_score("fid", row[f"median_{source}"]) for source in ("mine", "theirs")),
                f"{row['runs_mine']}, {row['runs_theirs']}",
                ratio,
                said or "none claimed",
            )
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEADS))]
    return ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]


if __name__ == "__main__":
    sys.exit(main())
