"""The paper's top 5 % of runs, and its expected values if a cell had fewer runs."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from analysis.estimators.log_choose import log_choose

Array = NDArray[np.float64]

SHARE = 0.05  # the paper's


def top_count(n: int, share: float = SHARE) -> int:
    """The number of runs in the top `share` of n, diverged ones included in n; rounded up."""
    return math.ceil(round(share * n, 9))


def top(values: Array, share: float = SHARE) -> Array:
    """The lowest `share` of `values`, ascending; infinite values only if that many runs diverged."""
    return np.sort(np.asarray(values, float))[: top_count(len(values), share)]


def expected_lowest(values: Array, n: int, count: int) -> Array:
    """Expected lowest, second lowest, ... of n of the `values` drawn without replacement: exact, `count` numbers.

    E[j-th lowest] = sum over i of x_(i) C(i-1, j-1) C(N-i, n-j) / C(N, n). Infinite if a diverged run can be in that
    place. It makes cells of different sizes comparable, as the top of many runs is lower than that of few. Raises
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
