"""Between which of n draws the lower half of a distribution's quantiles lie, all of them at once, exactly.

Each of n ordered uniform draws lies between two quantiles of a beta distribution (Learned-Miller and DeStefano, 2008),
all at one local level, and the level is such that all bounds hold at once with the confidence asked for. A curve of the
median of the best of k reads quantiles up to one half alone, so that bounds are asked to hold there alone: the local
level is then about twice as large. The chance that they hold is computed as Noe (1972) did, with Poisson steps
(Moscovich and Nadler, 2017): no simulation.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special, stats

Array = NDArray[np.float64]

# Local levels at 95 %, by `solve`; from the first n on they are interpolated, since each costs n^2 (0.7 s at 2,000).
# Beyond the last one the line goes on, which is on the safe side.
SOLVED = {
    100: 0.002222,
    200: 0.001751,
    500: 0.001341,
    1000: 0.001129,
    2000: 0.000970,
}


def ranks(n: int, p: Array, confidence: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of n draws the ranks a and b for each p up to one half, such that the p-quantile lies between the a-th and the
    b-th lowest draw: for all p at once with probability `confidence`, for any distribution.

    a is 0 and b is n + 1 where nothing is said on that side. Raises `ValueError` for n < 1, a confidence outside (0, 1)
    or a p above one half.
    """
    if n < 1 or not 0 < confidence < 1 or np.max(p) > 0.5:
        raise ValueError(f"no bounds for {n} draws with confidence {confidence} at {np.max(p)}")
    lower, upper = quantiles(n, level(n, confidence))
    return np.searchsorted(upper, p, "right"), np.searchsorted(lower, p, "left") + 1


def level(n: int, confidence: float) -> float:
    """The local level at which the bounds of n draws hold all at once up to one half."""
    if confidence != 0.95 or n < min(SOLVED):
        return solve(n, confidence)
    at, known = np.log(list(SOLVED)), np.log(list(SOLVED.values()))
    i = int(np.clip(np.searchsorted(at, np.log(n), "right"), 1, len(at) - 1))
    slope = (known[i] - known[i - 1]) / (at[i] - at[i - 1])
    return float(np.exp(known[i] + slope * (np.log(n) - at[i])))


@lru_cache(maxsize=256)
def solve(n: int, confidence: float) -> float:
    """`level` by solving for it."""
    share = 1 - confidence

    def gap(log_level: float) -> float:
        lower, upper = quantiles(n, float(np.exp(log_level)))
        return holds(np.minimum(lower, 0.5), np.where(upper <= 0.5, upper, 1.0)) - confidence

    # Between Bonferroni's level and the largest at which a bound says something.
    low, high = np.log(share / (2 * n)) - 0.1, np.log(0.5)
    return float(np.exp(optimize.brentq(gap, low, high, xtol=1e-8))) if gap(high) < 0 else 0.5


def quantiles(n: int, level: float) -> tuple[Array, Array]:
    """Of each of n ordered uniform draws the quantiles `level` and 1 - `level`, each an array of length n."""
    i = np.arange(1, n + 1)
    return special.betaincinv(i, n + 1 - i, level), special.betainccinv(i, n + 1 - i, level)


def holds(lower: Array, upper: Array) -> float:
    """The chance that n ordered uniform draws all lie within [lower_i, upper_i]; both ascending, of length n.

    The number of draws below t is, given that there are n up to 1, a Poisson process: at lower_i it must still be below
    i, at upper_i have reached i.
    """
    n = len(lower)
    times = np.concatenate([lower, upper])
    opened = closed = 0  # how many lower and upper bounds lie behind
    first, now, chances = 0, 0.0, np.ones(1)  # chances of `first`, `first` + 1, ... draws below `now`
    for event in np.argsort(times, kind="stable"):
        t = float(times[event])
        if t >= 1:
            break
        least, most = closed, opened
        if event < n:
            opened += 1
        else:
            closed += 1
            least = closed
        if t > now:
            steps = stats.poisson.pmf(np.arange(max(most - first, 0) + 1), n * (t - now))
            chances = np.convolve(chances, steps)
        chances = chances[max(0, least - first) : max(0, most + 1 - first)]
        first, now = max(first, least), t
        if not len(chances):
            return 0.0
    left = n - first - np.arange(len(chances))
    return float((chances * stats.poisson.pmf(left, n * (1 - now))).sum() / stats.poisson.pmf(n, n))
