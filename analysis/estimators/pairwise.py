"""Which of two cells wins at a budget of k runs, and which rank that leaves: numbers with intervals that hold together.

The chance that the best of k runs of A beats the best of k of B, ties counted half, is a U-statistic: its estimate is
exact over all ways to take k of the runs there are, and Hoeffding's bound for such averages (1963, section 5a) gives an
interval for runs to come that holds for any distribution and any n. No bootstrap: one of the best of k covers far less
than it claims where k nears n, and where one side has won every time it gives an interval of no width at all.

Distances are lower-is-better and may be infinite (diverged). Ranks follow from the intervals of all pairs, as in
package csranks (arXiv 2401.15205): a cell's rank is one more than the number of cells that beat it with a chance above
one half.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from analysis.estimators.log_choose import log_choose

Array = NDArray[np.float64]


def beats(a: Array, b: Array, k: int) -> float:
    """The chance that the best of k of `a` beats the best of k of `b`, drawn apart, without replacement; ties half.

    Exact for these values; unbiased for runs to come. Raises `ValueError` for NaN, or a k outside 1..len of either.
    """
    values = np.unique(np.concatenate([a, b]))
    return beats_by_tails(tails(a, values, k), tails(b, values, k))


def tails(a: Array, at: Array, k: int) -> Array:
    """The chances that the best of k of `a` is at least (first row), or above (second), each of the ascending `at`.

    Means of such rows over several draws of `a` are such chances too.
    """
    a = np.sort(_checked(a, k))
    return np.stack([_all_of(len(a) - np.searchsorted(a, at, side), len(a), k) for side in ("left", "right")])


def beats_by_tails(a: Array, b: Array) -> float:
    """`beats` from the `tails` of both cells at the same places, among them every value of either."""
    return float(0.5 * np.sum((a[0] - a[1]) * (b[0] + b[1])))


def beats_matched(a: Array, b: Array, k: int) -> float:
    """`beats` where `a[i]` and `b[i]` are of one setting, and the same k settings are taken for both."""
    a, b = _checked(a, k), _checked(b, k)
    if len(a) != len(b):
        raise ValueError(f"matched values come in pairs, not {len(a)} and {len(b)}")
    values, ranks = np.unique(np.concatenate([a, b]), return_inverse=True)
    at_least, above = 2 * ranks + 1, 2 * ranks  # from 2 v + 1 on where a value is at least, or above, the v-th

    def chance(of_a: NDArray[np.int64], of_b: NDArray[np.int64]) -> float:
        lower = np.bincount(np.minimum(of_a[: len(a)], of_b[len(a) :]), minlength=2 * len(values))
        settings = np.cumsum(lower[::-1])[::-1]  # how many there are from each number on
        return float(np.sum(_all_of(settings[1::2], len(a), k)))

    # As in `beats`; the chance that both bests are at least, or above, a value is now of the settings jointly.
    wins_or_ties = chance(at_least, at_least) - chance(above, at_least)
    wins = chance(at_least, above) - chance(above, above)
    return 0.5 * (wins_or_ties + wins)


def interval(estimate: float, n: int, k: int, share: float) -> tuple[float, float]:
    """Where the true chance lies, from `estimate` of `beats` or `beats_matched` with n runs (the fewer of the two
    cells).

    Each end misses with probability `share`/2 at most. n // k draws of k runs share none, and the estimate is at least
    as sure as their average (Hoeffding 1963, theorem 1 and section 5a): an x is left out where
    exp(-(n // k) KL(estimate, x)) <= share/2.
    """
    draws, most = n // k, math.log(2 / share)

    def high(p: float) -> float:
        # KL(p, x) rises with x above p: the end is where it is `most` / `draws`.
        def gap(x: float) -> float:
            return draws * float(special.rel_entr(p, x) + special.rel_entr(1 - p, 1 - x)) - most

        return float(optimize.brentq(gap, p, 1.0 - 1e-12)) if p < 1 - 1e-9 and gap(1.0 - 1e-12) > 0 else 1.0

    p = min(max(estimate, 0.0), 1.0)
    return 1 - high(1 - p), high(p)


def ranks(lower: Array, upper: Array) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The lowest and highest rank (1 is best) that each of m cells can have, from m by m interval ends.

    `lower[i, j]` and `upper[i, j]` bound the chance that i beats j; the diagonal is passed over. Where all intervals
    hold, so do all ranks.
    """
    count = len(lower)
    off = ~np.eye(count, dtype=bool)
    surely_wins = (lower > 0.5) & off
    surely_loses = (upper < 0.5) & off
    return 1 + surely_loses.sum(1), count - surely_wins.sum(1)


def resolvable(n: int, pairs: int, confidence: float) -> int:
    """The largest k at which n runs could order two cells at all, were one to win every time; 0 for none."""
    if not pairs:
        return 0
    # Winning all of m draws has a lower end of (share / 2) ** (1 / m).
    return n // math.ceil(math.log2(2 * pairs / (1 - confidence)))


def _all_of(count: NDArray[np.int64], n: int, k: int) -> Array:
    """The chance that k of n, drawn without replacement, are all among `count` of them."""
    return _all_among(n, k)[count]


@lru_cache(maxsize=64)
def _all_among(n: int, k: int) -> Array:
    """The chances of `_all_of` for counts 0..n."""
    return np.exp(log_choose(np.arange(n + 1), k) - log_choose(n, k))


def _checked(values: Array, k: int) -> Array:
    values = np.asarray(values, float)
    if np.isnan(values).any() or not 1 <= k <= len(values):
        raise ValueError(
            f"k = {k} of {len(values)} values, {int(np.isnan(values).sum())} of them missing: not possible"
        )
    return values
