"""How large a difference is: the ratio of two cells' medians with an interval, and a share with its interval.

The ratio is Hodges and Lehmann's: the median of all ratios of a run of A to a run of B. Its interval holds every shift
of logarithms that the rank-sum test does not refuse (Bauer, 1972) or, where the cells differ in size, that the test of
`pairwise` does not: the rank sum is too sure of the smaller cell there. Both take diverged runs as infinite.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from analysis.estimators.pairwise import compare

Array = NDArray[np.float64]

EXACT = 20_000  # pairs of runs up to which the rank sum's law is exact; a normal one above


class Ratio(NamedTuple):
    """Of A's distances to B's; below 1 where A is the better one. The interval is of 95 %, this pair taken alone."""

    estimate: float
    lower: float
    upper: float


def ratio_of_medians(a: Array, b: Array, level: float = 0.05) -> Ratio | None:
    """None with fewer than four runs a cell, where no interval of 95 % exists, and where a distance is zero."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    n, m = len(a), len(b)
    if min(n, m) < 4 or min(a.min(), b.min()) <= 0:
        return None
    x, y = np.log(a)[:, None], np.log(b)[None]
    both = np.isinf(x) & np.isinf(y)
    with np.errstate(invalid="ignore"):
        gaps = x - y
    # Of two diverged runs any ratio may be the true one.
    low, high = (np.sort(np.where(both, end, gaps).ravel()) for end in (-np.inf, np.inf))
    middle = np.sort(np.where(both, 0.0, gaps).ravel())
    estimate = _middle(middle)
    if n == m:
        c = critical(n, m, level / 2)
        if c < 0:
            return None
        return Ratio(math.exp(estimate), *np.exp([low[c], high[n * m - c - 1]]).tolist())
    return Ratio(math.exp(estimate), *np.exp(_inverted(x[:, 0], y[0], low, high, level)).tolist())


def _middle(ordered: Array) -> float:
    one, other = float(ordered[(len(ordered) - 1) // 2]), float(ordered[len(ordered) // 2])
    return one if one == other else (one + other) / 2


def _inverted(x: Array, y: Array, low: Array, high: Array, level: float) -> tuple[float, float]:
    """The lowest and highest shift that `compare` does not refuse, found by halving."""

    def refused(shift: float, below: bool) -> bool:
        with np.errstate(invalid="ignore"):
            pair = compare(np.where(np.isinf(x), np.inf, x - shift), y)
        return pair.p <= level and (pair.theta < 0.5) == below

    def end(gaps: Array, below: bool) -> float:
        """Of the gaps from the middle outward the first past which shifts are refused; infinite where none are."""
        places = np.unique(gaps[np.isfinite(gaps)])
        way = -1.0 if below else 1.0
        if not len(places):
            return way * math.inf
        outward = places[::-1] if below else places
        outward = outward[len(outward) // 2 :]
        past = way * 1e-9 * max(1.0, float(np.ptp(places)))
        at = bisect_left(outward, True, key=lambda gap: refused(float(gap) + past, below))
        return float(outward[at]) if at < len(outward) else way * math.inf

    return end(low, True), end(high, False)


def critical(n: int, m: int, tail: float) -> int:
    """The largest c with P(U <= c) <= `tail` for the rank sum's U of n and m runs without ties; -1 for none."""
    if n * m > EXACT:
        sd = math.sqrt(n * m * (n + m + 1) / 12)
        return math.floor(n * m / 2 - 0.5 + float(stats.norm.ppf(tail)) * sd)
    return int(np.searchsorted(np.cumsum(rank_sums(n, m)), tail * (1 + 1e-12), "right")) - 1


@lru_cache(maxsize=64)
def rank_sums(n: int, m: int) -> Array:
    """The chances of U = 0..nm: of the highest of all runs, A's with chance n/(n+m), U counts the B below it."""
    column = [np.ones(1) for _ in range(m + 1)]  # of 0 runs of A and 0..m of B
    for i in range(1, n + 1):
        new = [np.ones(1)]
        for j in range(1, m + 1):
            made = np.zeros(i * j + 1)
            made[j:] += i / (i + j) * column[j]
            made[: i * (j - 1) + 1] += j / (i + j) * new[j - 1]
            new.append(made)
        column = new
    return column[m]


def share_interval(hits: int, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share, as that of the runs that diverge."""
    found = stats.binomtest(hits, n).proportion_ci(0.95, method="wilson")
    return float(found.low), float(found.high)


def above_by_chance(u: int, n: int, m: int) -> float:
    """Two-sided p of the rank-sum test where A won `u` of the nm pairs of runs, a tie counting for B."""
    if n * m > EXACT:
        sd = math.sqrt(n * m * (n + m + 1) / 12)
        return float(min(1.0, 2 * stats.norm.sf((u - 0.5 - n * m / 2) / sd)))
    return min(1.0, 2 * float(rank_sums(n, m)[: n * m - u + 1].sum()))
