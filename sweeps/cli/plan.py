"""`python -m sweeps plan`: what a command would do, in which state its runs are, and what they will take."""

from __future__ import annotations

import sys
from collections import Counter

from rich.table import Table

from landscape.config.errors import ExitCode
from landscape.config.text import plural, printable
from sweeps.cli.status import console, shown
from sweeps.cli.sweep import MULTIRUN, check_shared
from sweeps.launchers import estimate
from sweeps.launchers.local_search import trials_left
from sweeps.launchers.slurm import launcher
from sweeps.planning.describe import cells, describe, what_can_be_told_apart
from sweeps.planning.labels import CELL
from sweeps.planning.needs import survey
from sweeps.planning.plan import TRAIN, make_plan
from sweeps.search.confirmation import confirmation

HELP = """usage: python -m sweeps plan [-m] KEY=VALUE ... [--store FOLDER]

Count the runs of a command, by what they need, by state and by cell, and estimate hours from the finished runs of the
store. It takes what python -m landscape.sweep takes (its --help lists groups and keys) and writes nothing.
launcher.price=P, the price of an hour of a GPU or core, adds the cost."""


def plan(arguments: list[str]) -> int:
    """Plan a command as landscape.sweep would, print it, write nothing."""
    if {"-h", "--help"} & set(arguments):
        print(HELP)
        return 0
    multirun = any(flag in arguments for flag in MULTIRUN)
    made = make_plan([argument for argument in arguments if argument not in MULTIRUN], multirun)
    survey(made)
    if made.stage == "confirm":
        left = sum(run.need == TRAIN for run in made.runs) + trials_left(made)
        made = confirmation(made).plan
        if left:
            print(f"chosen among what is finished: {plural(left, 'run')} of the sweep are not")
    check_shared(made)
    for sentence in made.unreadable.values():
        print(printable(sentence), file=sys.stderr)
    for line in describe(made):
        print(printable(line))
    if made.runs[0].config["launcher"]["kind"] == "slurm":
        for line in launcher.describe(made):
            print(printable(line))
    for line in estimate.describe(made):
        print(printable(line))
    found = cells(made)
    table = Table(box=None, pad_edge=False, header_style="dim")
    searched: Counter[tuple[str, ...]] = Counter()
    for search in made.searches:
        searched[tuple(str(search.cell[key]) for key in CELL)] += search.trials
    for name in (*CELL, "settings", "runs", *["trials"] * bool(searched)):
        table.add_column(name, justify="left" if name in CELL[:-1] else "right")
    for cell in found:
        table.add_row(
            *map(shown, cell.name), str(cell.settings), str(cell.runs), *[str(searched[cell.name])] * bool(searched)
        )
    if len(found) > 1:
        table.add_section()
        sums = [sum(c.settings for c in found), len(made.runs), *[searched.total()] * bool(searched)]
        table.add_row("all", *[""] * (len(CELL) - 1), *map(str, sums))
    console().print(table)
    if made.stage != "confirm":
        for line in what_can_be_told_apart(made):
            print(printable(line))
    print()
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name, width in (("id", 16), ("state", 9), ("needs", 7)):
        table.add_column(name, no_wrap=True, min_width=width)
    table.add_column("run", overflow="fold")
    some = made.runs[:40]
    for run in some:
        table.add_row(run.id, run.state, run.need, shown(run.label))
    console().print(table)
    if len(made.runs) > len(some):
        print(f"and {len(made.runs) - len(some)} more")
    return ExitCode.USER if made.unreadable else 0
