"""Effect sizes: the ratio or difference of two cells' medians, and the share of diverged runs, with intervals.

They are Hodges and Lehmann's: the median of all ratios of a run of A to a run of B, which is a difference of logs, or
of all differences. The interval holds every shift (of the logs) that the rank-sum test does not reject (Bauer, 1972),
or, for cells of different sizes, that the test of `pairwise` does not reject (the rank-sum test is too confident about
the smaller cell there). Diverged runs are infinite.
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

EXACT = 20_000  # pairs of runs up to which the distribution of the rank sum is exact; else it is normal


class Effect(NamedTuple):
    """The difference of A from B, below 0 if A is better, with its 95 % interval for this pair alone."""

    estimate: float
    lower: float
    upper: float


def difference_of_medians(a: Array, b: Array, level: float = 0.05) -> Effect | None:
    """A's values minus B's; of logs, the log of their ratio.

    None for fewer than four runs per cell, or if a value is -inf (the log of zero).
    """
    a, b = np.asarray(a, float), np.asarray(b, float)
    n, m = len(a), len(b)
    if min(n, m) < 4 or min(a.min(), b.min()) == -np.inf:
        return None
    x, y = a[:, None], b[None]
    both = np.isinf(x) & np.isinf(y)
    with np.errstate(invalid="ignore"):
        gaps = x - y
    # The difference of two diverged runs is unknown.
    low, high = (np.sort(np.where(both, end, gaps).ravel()) for end in (-np.inf, np.inf))
    middle = np.sort(np.where(both, 0.0, gaps).ravel())
    estimate = _middle(middle)
    if n == m:
        c = critical(n, m, level / 2)
        if c < 0:
            return None
        return Effect(estimate, float(low[c]), float(high[n * m - c - 1]))
    return Effect(estimate, *_inverted(a, b, low, high, level))


def _middle(ordered: Array) -> float:
    one, other = float(ordered[(len(ordered) - 1) // 2]), float(ordered[len(ordered) // 2])
    return one if one == other else (one + other) / 2


def _inverted(x: Array, y: Array, low: Array, high: Array, level: float) -> tuple[float, float]:
    """The lowest and highest shift that `compare` does not reject, by bisection."""

    def refused(shift: float, below: bool) -> bool:
        with np.errstate(invalid="ignore"):
            pair = compare(np.where(np.isinf(x), np.inf, x - shift), y)
        return pair.p <= level and (pair.theta < 0.5) == below

    def end(gaps: Array, below: bool) -> float:
        """From the middle outward, the first gap beyond which shifts are rejected; infinite if there is none."""
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
    """The largest c with P(U <= c) <= `tail` for the rank-sum statistic U of n and m runs without ties, or -1."""
    if n * m > EXACT:
        sd = math.sqrt(n * m * (n + m + 1) / 12)
        return math.floor(n * m / 2 - 0.5 + float(stats.norm.ppf(tail)) * sd)
    return int(np.searchsorted(np.cumsum(rank_sums(n, m)), tail * (1 + 1e-12), "right")) - 1


@lru_cache(maxsize=64)
def rank_sums(n: int, m: int) -> Array:
    """P(U = 0..nm): the highest of all runs is A's with chance n / (n + m), and U counts the B below it."""
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
    """Wilson's 95 % interval of a proportion, such as the share of diverged runs."""
    found = stats.binomtest(hits, n).proportion_ci(0.95, method="wilson")
    return float(found.low), float(found.high)


def above_by_chance(u: int, n: int, m: int) -> float:
    """Two-sided p of the rank-sum test if A won `u` of the nm pairs of runs; a tie counts for B."""
    if n * m > EXACT:
        sd = math.sqrt(n * m * (n + m + 1) / 12)
        return float(min(1.0, 2 * stats.norm.sf((u - 0.5 - n * m / 2) / sd)))
    return min(1.0, 2 * float(rank_sums(n, m)[: n * m - u + 1].sum()))
