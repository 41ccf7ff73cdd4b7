"""How many seeds tell cells apart: what a design could claim at all, and what it finds with a chance of 80 %.

The numbers are those of the report's tests (`analysis.estimators.families`): a permutation test of two cells at the
level that so many cells leave it, and of a difference in standard deviations of the logarithm of a distance between
equal runs. Planning asks before a sweep, the report after it.
"""

from __future__ import annotations

import math
from statistics import NormalDist

from landscape.config.text import plural

FOUND = 0.8  # the chance with which a difference is found


def least(cells: int) -> int:
    """The fewest seeds a cell with which two of so many cells can be told apart, however far apart they are."""
    level, n = _level(cells), 4
    while 2 / math.comb(2 * n, n) > level:
        n += 1
    return n


def seeds_for(sd: float, cells: int) -> int:
    """How many seeds a cell find one cell `sd` standard deviations from another with a chance of 80 %."""
    z = NormalDist().inv_cdf(1 - _level(cells) / 2)
    power = NormalDist().inv_cdf(FOUND)
    return max(least(cells), round(1 + 2.1 * (z + power) ** 2 / sd**2 + z**2 / 4))


def findable(seeds: int, cells: int) -> float:
    """The difference in standard deviations that so many seeds a cell find with a chance of 80 %; infinite for none."""
    if seeds < least(cells):
        return math.inf
    z = NormalDist().inv_cdf(1 - _level(cells) / 2)
    left = seeds - 1 - z**2 / 4
    return (z + NormalDist().inv_cdf(FOUND)) * math.sqrt(2.1 / left) if left > 0 else math.inf


def what_can_be_told(cells: int, seeds: int, unit: str = "seed") -> str:
    """A sentence on a design: so many cells of so many seeds (or settings), the fewest that any of them has; "" for one
    cell."""
    if cells < 2:
        return ""
    found, (three, two) = findable(seeds, cells), (seeds_for(sd, cells) for sd in (3, 2))
    if math.isinf(found):
        none = "no two can be told apart" if cells > 2 else "they cannot be told apart"
        enough = f"{three} {unit}s find a difference of 3 sd, {two} one of 2 sd, with a chance of 80 %"
        return f"{cells} cells of {plural(seeds, unit)}: {none}; {enough}"
    more = "" if found <= 2 else f"; {two} find one of 2 sd"
    return f"{cells} cells of {plural(seeds, unit)} find a difference of {found:.1f} sd with a chance of 80 %{more}"


def _level(cells: int) -> float:
    """At which two of so many cells are compared; more than twelve share the five per cent out among their pairs."""
    if cells <= 3:
        return 0.05
    return 0.05 * 2 / cells if cells <= 12 else 0.05 / math.comb(cells, 2)
