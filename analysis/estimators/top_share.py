"""The best few of many: the study's top 5 %, and what it would be had a cell had fewer runs."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from analysis.estimators.log_choose import log_choose

Array = NDArray[np.float64]

SHARE = 0.05  # the study's


def top_count(n: int, share: float = SHARE) -> int:
    """How many of n runs, diverged ones included, are the top `share`: rounded up, so that one is always there."""
    return math.ceil(round(share * n, 9))


def top(values: Array, share: float = SHARE) -> Array:
    """The lowest `share` of `values`, ascending; infinite ones only where so many diverged."""
    return np.sort(np.asarray(values, float))[: top_count(len(values), share)]


def expected_lowest(values: Array, n: int, count: int) -> Array:
    """The expected lowest, second lowest, ... of n of the `values` drawn without replacement: exact, `count` numbers.

    E[j-th lowest] = sum over i of x_(i) C(i-1, j-1) C(N-i, n-j) / C(N, n). Infinite where a diverged run can be in that
    place. It makes cells of different size comparable, since the top of many runs is lower than that of few. Raises
    `ValueError` unless 1 <= count <= n <= N.
    """
    ordered = np.sort(np.asarray(values, float))
    every = len(ordered)
    if not 1 <= count <= n <= every:
        raise ValueError(f"the lowest {count} of {n} of {every} values: not possible")
    i, j = np.arange(1, every + 1)[None, :], np.arange(1, count + 1)[:, None]
    logs = log_choose(i - 1, j - 1) + log_choose(every - i, n - j) - log_choose(every, n)
    weights = np.exp(logs)
    return np.asarray(np.where(weights > 0, weights * np.where(weights > 0, ordered, 0.0), 0.0).sum(1))
