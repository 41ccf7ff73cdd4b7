"""Command line of the report: `python -m analysis.report store=outputs --out report` writes an offline page."""

from __future__ import annotations

import argparse
import gc
import itertools
import logging
import multiprocessing
import os
import struct
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread

import numpy as np
from markupsafe import Markup

from analysis.estimators.time_budget import measured_apart
from analysis.figures.render import MANIFEST, FigureRenderer
from analysis.html.page import content, first_lines
from analysis.html.races import shown_quantile
from analysis.html.small_page import templates
from analysis.loading.cache import gc_disabled
from analysis.loading.csv_runs import read_csv
from analysis.loading.filters import filter_runs
from analysis.loading.measure import score_key
from analysis.loading.pooling import POOLS, pool_cells
from analysis.loading.runs import Collected, collect
from analysis.loading.table_files import opened
from analysis.tables.provenance import code_text, packages_text, shell_command
from landscape.config.cli import Deprecated, Parser, run_cli
from landscape.config.errors import ExitCode, UserError
from landscape.config.text import plural, printable
from landscape.config.where import HELP, METAVAR
from landscape.store import Store
from landscape.store.leftovers import remove_dead
from landscape.store.processes import myself, tag
from landscape.store.provenance import code, packages

logger = logging.getLogger(__name__)

MARK = '<meta name="generator" content="landscape analysis.report">'  # marks reports, which may be overwritten
FOLDERS = ("figures", "samples", "tables", "data")
SUFFIXES = (".png", ".svg", ".pdf", ".csv", ".tex", ".js")  # of an older report's files, which are removed
MIN_RUNS_FOR_POOL = 1000  # with fewer runs, starting processes takes longer than they save
PRELOAD = ["analysis.html.preload"]  # modules that processes of the pool need


def make_report(store: Store | str | Path, out: str | Path, pool: Executor | None = None) -> list[str]:
    """Write the report of `store` into the folder `out`; returns a sentence for each file that could not be read.

    `out` gets index.html, runs.csv, cells.csv, figures.json (hashes of the figures' data), figures/ (PNG, SVG, PDF),
    tables/ (CSV, LaTeX), data/ (single runs, loaded by the page on demand) and samples/, replacing an older report. The
    processes of `pool`, if given, read runs and draw figures. The page is written last, so that all its links exist.

    Raises `UserError` for a store without runs, or an `out` that cannot be written or whose index.html is not a report.
    """
    store = store if isinstance(store, Store) else Store(store)
    found = collect(store, pool)
    write_report(found, store, Path(out), pool)
    return found.problems


def write_report(
    found: Collected, store: Store, out: Path, pool: Executor | None = None, options: Sequence[str] = ()
) -> list[str]:
    """`make_report` for the result of `collect`; an error leaves an older report intact. Returns the page's answer and
    its table of cells as lines for a terminal.

    `options` are the command-line options that the page names under "How to reproduce".
    """
    if found.runs.empty:
        raise UserError(_nothing(found, store))
    try:
        older = _older_report(out)
        remove_dead(out)
        with tempfile.TemporaryDirectory(prefix=f".new-{tag(myself())}-", dir=out) as folder:
            new = Path(folder)
            for name in FOLDERS:
                (new / name).mkdir()
            with np.errstate(over="ignore"):  # absurd scores overflow to infinity
                page = content(found, store, FigureRenderer(new, out, pool))
            page["written_by"], page["written_with"] = shell_command(options, "analysis.report"), _with()
            # Written by `python -m analysis.dirac` and `python -m analysis.lab`.
            page["beside"] = [name for name in ("dirac", "lab") if (out / name / "index.html").is_file()]
            (new / "index.html").write_text(_render(page, new), encoding="utf-8")
            _move(new, out, older)
            return first_lines(page)
    except OSError as e:
        raise UserError(
            f"the report cannot be written to {out} ({e.strerror or e}); give another folder with --out FOLDER"
        ) from e


def _with() -> str:
    """The code and packages that write this page, as text."""
    return ", ".join(text for text in (code_text(code()), packages_text(packages())) if text)


def _nothing(found: Collected, store: Store) -> str:
    """The error message for a store without runs."""
    how = "train some first: python -m landscape.sweep -m loss=ns,wgan reg=gp,sn"
    if found.problems:
        return "\n".join([f"the store at {store.root} holds no readable run; {how}", *found.problems])
    if not store.runs.is_dir():
        return f"there is no store at {store.root}; give another with store=FOLDER, or {how}"
    return f"the store at {store.root} holds no runs; {how}"


def _older_report(out: Path) -> bool:
    """Make the folder `out`; whether it holds an older report. Raises `UserError` if its page is not a report."""
    out.mkdir(parents=True, exist_ok=True)
    index = out / "index.html"
    if not index.exists():
        return False
    if MARK not in index.read_text(encoding="utf-8", errors="replace")[:4096]:
        raise UserError(f"{index} was not written by this program; give another folder with --out FOLDER")
    return True


def _move(new: Path, out: Path, older: bool) -> None:
    """Move the new report's files into `out`, the page last, and remove files that only the older report had."""
    for name in FOLDERS:
        (out / name).mkdir(exist_ok=True)
        made = set(os.listdir(new / name))
        for file in made:
            os.replace(f"{new}/{name}/{file}", f"{out}/{name}/{file}")
        for file in set(os.listdir(out / name)) - made:
            if older and file.endswith(SUFFIXES):
                os.unlink(f"{out}/{name}/{file}")
    for name in ("runs.csv", "cells.csv", MANIFEST, "index.html"):
        (new / name).replace(out / name)


def _render(page: dict[str, object], new: Path) -> str:
    env = templates()
    env.policies["json.dumps_kwargs"] = {"sort_keys": False}  # keep the order of curves: the distance comes first
    env.filters["quantile"] = shown_quantile
    env.filters["size"] = lambda file: _size(new / file)
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return env.get_template("report.html").render(page, now=now, mark=MARK)


def _size(file: Path) -> str:
    """A PNG's width and height as attributes, which keep the layout stable while pictures load."""
    try:
        with open(file, "rb") as f:
            width, height = struct.unpack(">II", f.read(24)[16:])
    except (OSError, struct.error):
        return ""
    return Markup(f'width="{width}" height="{height}"')


@contextmanager
def _pool(store: Store) -> Iterator[Executor | None]:
    """A process pool with one process per core, at most 8; None for a store of fewer than `MIN_RUNS_FOR_POOL` runs."""
    cores = len(os.sched_getaffinity(0))
    if cores < 2 or sum(1 for _ in itertools.islice(store.run_folders(), MIN_RUNS_FOR_POOL)) < MIN_RUNS_FOR_POOL:
        yield None
        return
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    with ProcessPoolExecutor(min(cores, 8), context, initializer=gc.disable) as pool:
        start = Thread(target=pool.submit, args=(int,))  # starting the fork server blocks until its imports are done
        start.start()
        try:
            yield pool
        finally:
            start.join()


def parser() -> Parser:
    """The argument parser of `python -m analysis.report`."""
    about = "Write a report of a store's runs into a folder, as a page that opens offline."
    made = Parser("python -m analysis.report", about, ("store",), [Deprecated("--store", "store=")])
    made.add_argument("--out", metavar="FOLDER", default="report", help="the folder to write (default: %(default)s)")
    made.add_argument("--csv", metavar="FILE", help="read runs from a CSV file, in the columns of runs.csv, instead")
    made.add_argument(
        "--where",
        metavar=METAVAR,
        action="extend",
        nargs="+",
        default=[],
        help=HELP,
    )
    made.add_argument(
        "--step-costs",
        metavar="FILE",
        help="a CSV of seconds per D update (columns of a cell, and step_s), for curves over hours",
    )
    made.add_argument(
        "--score",
        metavar="NAME",
        help="compare cells by this score (is, kid, ms_ssim, prd, ...) in place of the distance",
    )
    made.add_argument("--pool", choices=POOLS, help="pool cells that differ in this key alone (default: no pooling)")
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code: 0, or 2 for a user error or corrupt files (the rest is reported)."""
    given = sys.argv[1:] if argv is None else argv
    return run_cli(lambda: _report(parser().parse(given)), interrupted="")


def _report(args: argparse.Namespace) -> int:
    out = Path(args.out).expanduser()
    with opened(args.store) as store, gc_disabled(), _pool(store) as pool:
        found = filter_runs(read_csv(args.csv) if args.csv else collect(store, pool), args.where)
        found = pool_cells(found) if args.pool else found
        found.score = score_key(args.score, found) if args.score else None
        if args.step_costs:
            found.runs = measured_apart(found.runs, args.step_costs)
        first = write_report(found, store, out, pool, _options(args))
    states = found.runs.drop_duplicates("id")["status"].value_counts()
    counts = ", ".join(f"{n} {state}" for state, n in states.items())
    for line in first:
        print(printable(line))
    print(f"{out / 'index.html'}: {plural(int(states.sum()), 'run')} ({counts})")
    for problem in found.problems:
        logger.error(f"{problem}; the rest is in the report")
    return ExitCode.USER if found.problems else ExitCode.DONE


def _options(args: argparse.Namespace) -> list[str]:
    """The options that the page names; of files the name alone, as their folders are of this machine."""
    files = [
        (flag, file and Path(file).name) for flag, file in (("--csv", args.csv), ("--step-costs", args.step_costs))
    ]
    given = [*files, *(("--where", one) for one in args.where), ("--score", args.score), ("--pool", args.pool)]
    return [part for flag, value in given if value for part in (flag, value)]


if __name__ == "__main__":
    ended = main()
    gc.freeze()  # saves the last garbage collection of a process that ends here
    sys.exit(ended)
