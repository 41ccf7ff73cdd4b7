"""`python -m sweeps plan -m ...` shows what a command would do, `python -m sweeps status` what a store holds;
`python -m sweeps confirm NAME` trains a sweep's best settings again, on what did not choose them."""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter

from rich.console import Console
from rich.table import Table
from rich.text import Text

from landscape.claims import Observer, claim_in_force
from landscape.errors import EXIT_USER, UserError
from landscape.files import CorruptFile
from landscape.store import DONE, QUEUED, RUNNING, STATES, Store
from sweeps import confirm, slurm
from sweeps.again import retry, submit
from sweeps.cancel import cancel
from sweeps.command import MULTIRUN
from sweeps.passwords import redact
from sweeps.plan import CELL, cells, describe, make_plan, survey
from sweeps.progress import score

LOST = "lost"


def plan(arguments: list[str]) -> int:
    """Plan a command as landscape.sweep would, print it, write nothing."""
    multirun = any(flag in arguments for flag in MULTIRUN)
    made = make_plan([argument for argument in arguments if argument not in MULTIRUN], multirun)
    survey(made)
    for line in describe(made):
        print(line)
    if made.runs[0].config["launcher"]["kind"] == "slurm":
        for line in slurm.describe(made):
            print(line)
    found = cells(made)
    table = Table(box=None, pad_edge=False, header_style="dim")
    searched: Counter[tuple[str, ...]] = Counter()
    for search in made.searches:
        searched[tuple(str(search.cell[key]) for key in CELL)] += search.trials
    for name in (*CELL, "settings", "runs", *["searched"] * bool(searched)):
        table.add_column(name, justify="left" if name in CELL[:-1] else "right")
    for cell in found:
        table.add_row(*cell.name, str(cell.settings), str(cell.runs), *[str(searched[cell.name])] * bool(searched))
    if len(found) > 1:
        table.add_section()
        sums = [sum(c.settings for c in found), len(made.runs), *[searched.total()] * bool(searched)]
        table.add_row("all", *[""] * (len(CELL) - 1), *map(str, sums))
    console().print(table)
    print()
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name, width in (("id", 16), ("state", 9), ("needs", 7)):
        table.add_column(name, no_wrap=True, min_width=width)
    table.add_column("run", overflow="fold")
    shown = made.runs[:40]
    for run in shown:
        table.add_row(run.id, run.state, run.need, Text(run.label))
    console().print(table)
    if len(made.runs) > len(shown):
        print(f"and {len(made.runs) - len(shown)} more")
    return 0


def status(arguments: list[str]) -> int:
    """Count runs by cell and state; one small file a run, and a claim for those that are under way."""
    parser = argparse.ArgumentParser(prog="python -m sweeps status")
    parser.add_argument("--store", default="outputs", help="the store's folder (default: outputs)")
    store = Store(parser.parse_args(arguments).store)
    cells: dict[tuple[str, ...], Counter[str]] = {}
    best: dict[tuple[str, ...], dict[str, float]] = {}  # by protocol: two of them are never compared
    unreadable, observer = [], Observer()
    for run in store.run_folders():
        try:
            found = run.status()
        except (CorruptFile, OSError) as e:
            unreadable.append(str(e))
            continue
        state = found["status"]
        if state in (RUNNING, QUEUED):
            claim = claim_in_force(run)
            if observer.is_lost(run, claim) if claim is not None else state == RUNNING:
                state = LOST
        cell = tuple(str(found.get("axes", {}).get(axis, "?")) for axis in CELL)
        cells.setdefault(cell, Counter())[state] += 1
        scores = found.get("scores", {})
        if state == DONE and scores.get("fid") is not None:
            lowest = best.setdefault(cell, {})
            lowest[scores["protocol"]] = min(scores["fid"], lowest.get(scores["protocol"], scores["fid"]))
    if not cells and not unreadable:
        raise UserError(f"no runs in {store.root}; give another store with --store FOLDER")
    states = [state for state in (*STATES, LOST) if any(counts[state] for counts in cells.values())]
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in (*CELL, *states, "lowest distance"):
        table.add_column(name, justify="left" if name in CELL[:-1] else "right")
    for cell, counts in sorted(cells.items()):
        table.add_row(*cell, *(str(counts[state] or "") for state in states), _lowest(best.get(cell, {})))
    console().print(table)
    for sentence in unreadable:
        print(sentence, file=sys.stderr)
    return EXIT_USER if unreadable else 0


def console() -> Console:
    """Where tables go: as wide as the terminal, and wide in a pipe, where nothing need be cut."""
    return Console(width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else 200)


def _lowest(by_protocol: dict[str, float]) -> str:
    """The lowest final distance of a cell, where all its runs were last scored under one protocol."""
    if len(by_protocol) > 1:
        return f"{len(by_protocol)} protocols"
    return score(next(iter(by_protocol.values()), None), 1)


VERBS = {
    "plan": plan,
    "status": status,
    "submit": submit,
    "retry": retry,
    "cancel": cancel,
    "confirm": confirm.verb,
}


def main() -> int:
    """Returns the exit code."""
    verb, *arguments = sys.argv[1:] or ["--help"]
    if verb not in VERBS:
        print(f"usage: python -m sweeps {{{','.join(VERBS)}}} ...\n\n{__doc__}")
        return 0 if verb in ("-h", "--help") else EXIT_USER
    try:
        code = VERBS[verb](arguments)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # piped into head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (UserError, CorruptFile) as e:
        print(redact(str(e)), file=sys.stderr)
        return EXIT_USER


if __name__ == "__main__":
    sys.exit(main())
