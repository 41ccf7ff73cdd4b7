"""How far a distribution function can lie from n draws of it: bounds that hold at all of them at once, exactly.

Learned-Miller and DeStefano (2008), as package opda uses them with equal tails: the i-th lowest of n draws lies between
two quantiles of a beta distribution, all i at one local level, and the level is such that all n bounds hold at once
with the confidence asked for. opda finds the level by simulation (seconds at n = 100); here it is computed: between two
neighbouring bounds the number of draws below is a binomial step, and the steps are multiplied out.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

Array = NDArray[np.float64]

# Above, the bounds of Dvoretzky, Kiefer and Wolfowitz: they cost nothing, and no reader could tell them apart.
EXACT_UP_TO = 300


@lru_cache(maxsize=256)
def bounds(n: int, confidence: float) -> tuple[Array, Array]:
    """Lower and upper bounds, each of length n + 1, on the distribution function after the i-th lowest of n draws.

    Entry i holds between the i-th and the next draw, i = 0..n; all hold at once with probability `confidence` for any
    continuous distribution, and with more where draws can tie. Raises `ValueError` for n < 1 or a confidence outside
    (0, 1).
    """
    if n < 1 or not 0 < confidence < 1:
        raise ValueError(f"no bounds for {n} draws with confidence {confidence}")
    if n > EXACT_UP_TO:
        reach = np.sqrt(np.log(2 / (1 - confidence)) / (2 * n))
        steps = np.arange(n + 1) / n
        return np.clip(steps - reach, 0, 1), np.clip(steps + reach, 0, 1)
    # The local level lies between that of Bonferroni and the level of one bound alone.
    share = 1 - confidence
    if n == 1:
        level = share
    else:
        low, high = np.log(share / n) - 0.1, np.log(share)
        level = np.exp(optimize.brentq(lambda x: holds(*quantiles(n, np.exp(x))) - confidence, low, high, xtol=1e-10))
    lower, upper = quantiles(n, level)
    return np.concatenate([[0.0], lower]), np.concatenate([upper, [1.0]])


def quantiles(n: int, level: float) -> tuple[Array, Array]:
    """Of each of n ordered uniform draws the quantiles `level`/2 and 1 - `level`/2, each an array of length n."""
    i = np.arange(1, n + 1)
    return special.betaincinv(i, n + 1 - i, level / 2), special.betainccinv(i, n + 1 - i, level / 2)


def holds(lower: Array, upper: Array) -> float:
    """The chance that n ordered uniform draws all lie within [lower_i, upper_i]; both ascending, of length n.

    The number of draws below t is a Markov chain in t: at lower_i it must still be below i, at upper_i have reached i.
    """
    n = len(lower)
    times = np.concatenate([lower, upper])
    factorial = special.gammaln(np.arange(n + 1) + 1)
    opened = closed = 0  # how many lower and upper bounds lie behind
    first, now, chances = 0, 0.0, np.ones(1)  # chances of `first`, `first` + 1, ... draws below `now`
    for event in np.argsort(times, kind="stable"):
        if event < n:
            least, most, opened = closed, opened, opened + 1
        else:
            closed += 1
            least, most = closed, opened
        step = (float(times[event]) - now) / (1 - now) if now < 1 else 1.0
        before, after = np.arange(first, first + len(chances)), np.arange(least, most + 1)
        more, left = after[None, :] - before[:, None], n - before[:, None]
        legal = (more >= 0) & (more <= left)
        more = np.where(legal, more, 0)
        logs = factorial[left] - factorial[more] - factorial[left - more]
        logs = logs + special.xlogy(more, step) + special.xlog1py(left - more, -step)
        chances = chances @ np.where(legal, np.exp(logs), 0.0)
        first, now = least, float(times[event])
    return float(chances.sum())
