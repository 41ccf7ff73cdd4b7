"""A race as its record tells it, for the terminal: the points with their runs and quantiles, who left when, what is
known besides."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from landscape.config.errors import CorruptFile
from landscape.config.text import printable
from landscape.scores import DISTANCE
from landscape.store import SweepFolder
from landscape.store.races import ORDER, WAITING, Claim, Race
from sweeps.formatting import score

MOST_PAIRS = 20  # in a line of them


def race_table(race: Race, claim: Claim) -> Table:
    """A line a point: those that are left, then the others, the last to leave first."""
    k = race.asked.k
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("point", overflow="fold")
    for head in ("runs", race.measure if k == 1 else f"{race.measure}, best of {k}"):
        table.add_column(head, justify="right")
    table.add_column("race", overflow="fold")
    out = {one.cell: one for one in claim.out}
    left = [cell for cell in range(len(race.cells)) if cell not in out]
    order = list(claim.ranking) if claim.state == ORDER else [*left, *(one.cell for one in reversed(claim.out))]
    runs = race.counted()
    middle = {cell: value for look in claim.looks for cell, value in look.quantiles}
    for cell in order:
        value = middle.get(cell, math.nan)
        table.add_row(
            Text(printable(race.names[cell])),
            str(runs[cell]),
            score(DISTANCE, math.inf if value is None else value),
            Text(printable(standing(race, claim, cell))),
        )
    return table


def standing(race: Race, claim: Claim, cell: int) -> str:
    """Where a point stands, in words."""
    one = next((one for one in claim.out if one.cell == cell), None)
    if one is None:
        return "left"
    if one.by is not None:
        return f"out in round {one.round}: {race.names[one.by]} is better ({one.kind})"
    top = race.asked.top
    what = "its place is known"
    if top is not None:
        what = f"{'among' if cell in claim.ranking else 'not among'} the best {top}"
    return f"{what} since round {one.round} ({one.kind})"


def race_lines(race: Race, claim: Claim) -> Iterator[str]:
    """The weaker things that are known: the smallest factor of the best, and the pairs that stand."""
    names = race.names
    for factor in claim.near:
        close = max(math.ceil(1000 * factor.factor) / 1000, 1.0)
        yield f"{names[factor.cell]} is within a factor {close:g} of the best ({factor.kind})"
    certified = {(a, b) for a, b in claim.pairs}
    calibrated = [(a, b) for a, b in claim.stands if (a, b) not in certified]
    for kind, pairs in (("certified", [(a, b) for a, b in claim.pairs]), ("calibrated", calibrated)):
        if pairs:
            told = "; ".join(f"{names[a]} is better than {names[b]}" for a, b in pairs[:MOST_PAIRS])
            more = f"; and {len(pairs) - MOST_PAIRS} more" if len(pairs) > MOST_PAIRS else ""
            yield f"{kind}, all of them together: {told}{more}"


def race_of(folder: SweepFolder) -> Race | None:
    """The race that a sweep is, if it has looked at its runs; None where it cannot be read, too."""
    with suppress(FileNotFoundError, CorruptFile):
        found = folder.race()
        return found if found.claim is not None else None
    return None


def race_view(race: Race) -> RenderableType:
    """The answer so far, and the points."""
    assert race.claim is not None
    return Group(Text(printable(race_line(race.claim))), race_table(race, race.claim))


def race_line(claim: Claim) -> str:
    """The answer so far in a sentence."""
    return claim.sentence + ("; the same command continues the race" if claim.state == WAITING else "")
