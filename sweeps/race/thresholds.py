"""The evidence that a claim needs: thresholds V, F and S at an error of 5 % over all looks of a race.

| rule | holds | for |
|---|---|---|
| V | for any distribution, at any time, however many runs each cell has | any error: log(pairs / error), Ville |
| F | for any distribution, at the looks of a race in rounds | 5 %; tabulated |
| S | calibrated on equal cells, at the same looks; not for every shape | 5 %; tabulated |

A claim that meets F or V is *certified*, one that meets S alone *calibrated*. S can fail where one cell is better
than another on both sides of the quantile and tied with it there. With two cells, where that is worst, it is never
taken below `GUARD`.

The table is drawn by tests/benchmarks/make_race_thresholds.py.
"""

from __future__ import annotations

import csv
import math
from functools import cache
from pathlib import Path

PER_ROUND = 5  # runs of a cell
FIRST = 2  # the round of the first look
KS = (1, 2, 3, 5, 10)
MOST_CELLS, MOST_ROUNDS = 12, 48
MOST_PAIRED = 8  # cells of which S is known for all pairs
ERROR = 0.05  # of the tabulated ones
GUARD = 1.5
FILE = Path(__file__).with_name("thresholds.csv")


@cache
def _table() -> dict[tuple[str, int, int], tuple[float, ...]]:
    with FILE.open() as f:
        next(f)  # how it was made
        _, *rows = csv.reader(f)
    return {(rule, int(cells), int(k)): tuple(map(float, rest)) for rule, cells, k, *rest in rows}


def tabulated(cells: int, k: int, rounds: int) -> bool:
    """Whether S and F are known for such a race."""
    return 2 <= cells <= MOST_CELLS and k in KS and FIRST <= rounds <= MOST_ROUNDS


def v(cells: int, error: float = ERROR) -> float:
    """For the best cell. A best one is wrongly beaten in one of cells - 1 pairs; one more covers two tied ones."""
    return math.log(cells / error)


def v_pairs(cells: int, error: float = ERROR) -> float:
    """For all ordered pairs at once."""
    return math.log(cells * (cells - 1) / error)


def f(cells: int, k: int, rounds: int) -> float:
    """For the best cell; raises `KeyError` where it is not `tabulated`."""
    return _table()["F", cells, k][rounds - FIRST]


def f_pairs(cells: int, k: int, rounds: int) -> float:
    """For all ordered pairs at once; raises `KeyError`."""
    return _table()["F-pairs", cells, k][rounds - FIRST]


def s_pairs(cells: int, k: int, rounds: int) -> float:
    """For all ordered pairs at once; what is certified where it is not tabulated."""
    sure = f_pairs(cells, k, rounds)
    found = _table().get(("S-pairs", cells, k))
    return sure if found is None else min(max(found[rounds - FIRST], GUARD), sure)


def s(cells: int, k: int, rounds: int) -> float:
    """For the best cell; raises `KeyError`."""
    found = _table()["S", cells, k][rounds - FIRST]
    guarded = max(found, GUARD) if cells == 2 else found
    return min(guarded, f(cells, k, rounds))  # what is certified needs no guard
