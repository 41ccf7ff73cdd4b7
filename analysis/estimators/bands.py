"""Simultaneous, exact confidence bands for the quantiles up to one half of any distribution.

Each of n ordered uniform draws lies between two quantiles of a beta distribution (Learned-Miller and DeStefano, 2008),
all at one local level, chosen so that all bounds hold at once with the requested confidence. The median of the best of
k reads quantiles up to one half only, so the bounds have to hold only there, which about doubles the local level. The
coverage is computed without simulation, as by Noe (1972) with Poisson steps (Moscovich and Nadler, 2017).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special, stats

Array = NDArray[np.float64]

# Local levels at 95 %, by `solve`, interpolated from the first n on, as solving costs n^2 (0.7 s at 2,000).
# Beyond the last one they are extrapolated, which is conservative.
SOLVED = {
    100: 0.002222,
    200: 0.001751,
    500: 0.001341,
    1000: 0.001129,
    2000: 0.000970,
}


def ranks(n: int, p: Array, confidence: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Ranks a and b for each p up to one half: the p-quantile lies between the a-th and the b-th lowest of n draws.

    This holds for all p at once with probability `confidence`, for any distribution. a is 0 and b is n + 1 if there is
    no bound on that side. Raises `ValueError` for n < 1, a confidence outside (0, 1) or a p above one half.
    """
    if n < 1 or not 0 < confidence < 1 or np.max(p) > 0.5:
        raise ValueError(f"no bounds for {n} draws with confidence {confidence} at {np.max(p)}")
    lower, upper = quantiles(n, level(n, confidence))
    return np.searchsorted(upper, p, "right"), np.searchsorted(lower, p, "left") + 1


def level(n: int, confidence: float) -> float:
    """The local level at which the bounds of n draws hold simultaneously up to one half."""
    if confidence != 0.95 or n < min(SOLVED):
        return solve(n, confidence)
    at, known = np.log(list(SOLVED)), np.log(list(SOLVED.values()))
    i = int(np.clip(np.searchsorted(at, np.log(n), "right"), 1, len(at) - 1))
    slope = (known[i] - known[i - 1]) / (at[i] - at[i - 1])
    return float(np.exp(known[i] + slope * (np.log(n) - at[i])))


@lru_cache(maxsize=256)
def solve(n: int, confidence: float) -> float:
    """`level`, solved for numerically."""
    share = 1 - confidence

    def gap(log_level: float) -> float:
        lower, upper = quantiles(n, float(np.exp(log_level)))
        return holds(np.minimum(lower, 0.5), np.where(upper <= 0.5, upper, 1.0)) - confidence

    # Between Bonferroni's level and the largest at which there is a bound.
    low, high = np.log(share / (2 * n)) - 0.1, np.log(0.5)
    return float(np.exp(optimize.brentq(gap, low, high, xtol=1e-8))) if gap(high) < 0 else 0.5


def quantiles(n: int, level: float) -> tuple[Array, Array]:
    """The quantiles `level` and 1 - `level` of each of n ordered uniform draws, two arrays of length n."""
    i = np.arange(1, n + 1)
    return special.betaincinv(i, n + 1 - i, level), special.betainccinv(i, n + 1 - i, level)


def holds(lower: Array, upper: Array) -> float:
    """The chance that n ordered uniform draws all lie within [lower_i, upper_i]; both ascending, of length n.

    Given n draws in total, the number of draws below t is a Poisson process: at lower_i it must be below i, at upper_i
    it must have reached i.
    """
    n = len(lower)
    times = np.concatenate([lower, upper])
    opened = closed = 0  # lower and upper bounds passed so far
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
