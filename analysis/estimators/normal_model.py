"""Comparison of cells under a model: log distances are normal, with a variance per cell.

Games and Howell's test can claim more than rank tests with few runs, and is wrong if its assumption is; the check of
the assumption is reported with it. It is for cells without diverged runs only: dropping those would select among the
runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Array = NDArray[np.float64]

TABLES = 2_000  # simulated normal data sets in the check
SEED = 0


class Check(NamedTuple):
    """How often normal cells of these sizes look less normal, and have variances less equal, than these do."""

    normal: float
    alike: float


def games_howell(logs: Sequence[Array]) -> dict[tuple[int, int], float]:
    """p of each pair (i < j), adjusted for all pairs. Each cell needs two different values at least."""
    means, sizes = [float(one.mean()) for one in logs], [len(one) for one in logs]
    errors = [float(one.var(ddof=1)) / n for one, n in zip(logs, sizes, strict=True)]
    found = {}
    for i, j in combinations(range(len(logs)), 2):
        error = errors[i] + errors[j]
        freedom = error**2 / (errors[i] ** 2 / (sizes[i] - 1) + errors[j] ** 2 / (sizes[j] - 1))
        q = abs(means[i] - means[j]) / np.sqrt(error / 2)
        found[i, j] = float(stats.studentized_range.sf(q, len(logs), freedom))
    return found


def check(logs: Sequence[Array]) -> Check:
    """Shapiro and Wilk's W of the residuals of all cells, and the ratio of the largest to the smallest variance.

    Both are compared with simulated normal cells of these sizes.
    """
    w, ratio = _figures(logs)
    ws, ratios = _simulated(tuple(len(one) for one in logs))
    share = 1 + len(ws)
    return Check((1 + int((ws <= w).sum())) / share, (1 + int((ratios >= ratio).sum())) / share)


def _figures(logs: Sequence[Array]) -> tuple[float, float]:
    variances = [float(one.var(ddof=1)) for one in logs]
    w = stats.shapiro(np.concatenate([one - one.mean() for one in logs])).statistic
    return float(w), max(variances) / min(variances)


@lru_cache(maxsize=32)
def _simulated(sizes: tuple[int, ...]) -> tuple[Array, Array]:
    rng = np.random.default_rng(SEED)
    found = np.array([_figures([rng.normal(size=n) for n in sizes]) for _ in range(TABLES)])
    return found[:, 0], found[:, 1]
