"""`python -m sweeps plan`: what a command would do, the states of its runs, and the estimated hours."""

from __future__ import annotations

import logging
from collections import Counter

from rich.table import Table

from landscape.config.axes import cell_name, shown_axes
from landscape.config.errors import ExitCode
from landscape.config.text import plural, printable
from sweeps.cli import arguments
from sweeps.cli.status import console, shown
from sweeps.launchers.registry import launcher_of
from sweeps.planning.describe import cells, describe, describe_power
from sweeps.planning.needs import survey
from sweeps.planning.plan import TRAIN, make_plan
from sweeps.search.confirmation import confirmation

logger = logging.getLogger(__name__)


def plan(argv: list[str]) -> int:
    """Plan a command as landscape.sweep would and print the plan; writes nothing to the store."""
    given = arguments.plan().parse(argv)
    if given.power:
        from sweeps.cli.power import power

        return power(given)
    made = make_plan(given.overrides, given.multirun)
    survey(made)
    if made.stage == "confirm":
        left = sum(run.need == TRAIN for run in made.runs) + made.trials_left
        made = confirmation(made).plan
        if left:
            logger.warning(
                f"settings are chosen among finished runs only: {plural(left, 'run')} of the sweep unfinished"
            )
    launcher = launcher_of(made.runs[0].config["launcher"])
    launcher.check(made)
    for sentence in made.unreadable.values():
        logger.warning(sentence)
    for line in [*describe(made), *launcher.warnings(made), *launcher.describe(made), *launcher.estimate(made)]:
        print(printable(line))
    found = cells(made)
    table = Table(box=None, pad_edge=False, header_style="dim")
    searched: Counter[tuple[str, ...]] = Counter()
    for search in made.searches:
        searched[cell_name(search.cell)] += search.trials
    columns = shown_axes([cell.name for cell in found])
    for _, axis in columns:
        table.add_column(axis.name, justify="left" if axis.kind is str else "right")
    for name in ("settings", "runs", *["trials"] * bool(searched)):
        table.add_column(name, justify="right")
    for cell in found:
        table.add_row(
            *(shown(cell.name[i]) for i, _ in columns),
            str(cell.settings),
            str(cell.runs),
            *[str(searched[cell.name])] * bool(searched),
        )
    if len(found) > 1:
        table.add_section()
        sums = [sum(c.settings for c in found), len(made.runs), *[searched.total()] * bool(searched)]
        table.add_row("all", *[""] * (len(columns) - 1), *map(str, sums))
    console().print(table)
    if made.stage != "confirm":
        for line in describe_power(made):
            print(printable(line))
    print()
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name, width in (("id", 16), ("state", 9), ("needs", 7)):
        table.add_column(name, no_wrap=True, min_width=width)
    table.add_column("run", overflow="fold")
    some = made.runs[:40]
    for run in some:
        table.add_row(run.id, run.state, f"{run.need} from {run.done}" if run.done else run.need, shown(run.label))
    console().print(table)
    if len(made.runs) > len(some):
        print(f"and {len(made.runs) - len(some)} more")
    return ExitCode.USER if made.unreadable else ExitCode.DONE
