"""Ticket order: which runs a look may count.

The runs of a cell are numbered before they are drawn, and this order alone counts. Counting runs as they come would
be wrong: where the good runs of one cell take longer than its bad ones, its first ten to end are not ten of its runs,
and a race that counts them names a wrong cell nearly always.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sweeps.race.evidence import Floats
from sweeps.race.thresholds import PER_ROUND


def counted(outcomes: Sequence[float | None]) -> list[float]:
    """The distances of a cell's tickets, in order, up to the first that has not ended (None). What is not a number is
    infinite, as is what has crashed for good or run out of its time."""
    found: list[float] = []
    for outcome in outcomes:
        if outcome is None:
            break
        found.append(math.inf if math.isnan(outcome) else float(outcome))
    return found


def as_arrays(cells: Sequence[Sequence[float]]) -> tuple[Floats, NDArray[np.int64]]:
    """One race of cells with unlike numbers of tickets, for `eliminate`: values of shape (1, cells, tickets), and how
    many tickets of each count. What is beyond is never looked at."""
    have = np.array([[len(cell) for cell in cells]])
    values = np.full((1, len(cells), max(int(have.max()), PER_ROUND)), np.inf)
    for number, cell in enumerate(cells):
        values[0, number, : len(cell)] = cell
    return values, have
