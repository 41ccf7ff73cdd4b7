"""Variance components of distances, between settings and between seeds, by REML.

A value is a mean plus an effect of its setting plus an effect of its seed within the setting. Means of settings over
few seeds vary by both, so their plain variance is not that of settings. Restricted maximum likelihood separates the
two, also with unequal numbers of seeds. An interval holds every value whose profile likelihood is close enough to the
best.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

Array = NDArray[np.float64]

FAR = 5.0  # twice the drop of the log likelihood at the ends of an interval; covers 95 to 100 % with few settings


class Component(NamedTuple):
    """A variance and its interval."""

    variance: float
    lower: float
    upper: float


class Components(NamedTuple):
    """The variance between settings, and between seeds within a setting."""

    settings: Component
    seeds: Component


def components(values: Array, setting: NDArray[np.int64], cell: NDArray[np.int64] | None = None) -> Components | None:
    """The variance components of `values`, given the index of each value's setting (and cell, whose mean is removed).

    None if no setting has two values, or no cell has two settings: the two components cannot be separated then.
    """
    cell = np.zeros(len(values), np.int64) if cell is None else cell
    groups, at = np.unique(setting, return_inverse=True)
    fixed = (cell[:, None] == np.unique(cell)).astype(float)
    if len(groups) == len(values) or len(groups) <= fixed.shape[1]:
        return None
    # Contrasts free of the mean; along the eigenvectors of the setting effect, both parts are plain sums.
    left = np.linalg.svd(fixed)[0][:, fixed.shape[1] :]
    acts = left.T @ (at[:, None] == np.arange(len(groups))).astype(float)
    weights, directions = np.linalg.eigh(acts @ acts.T)
    weights, squares = np.maximum(weights, 0.0), (directions.T @ left.T @ values) ** 2
    if squares.max() <= 0:
        return None
    scale = float(squares.mean())
    squares = squares / scale

    def loss(settings: float, seeds: float) -> float:
        spread = settings * weights + seeds
        return float((np.log(spread) + squares / spread).sum())

    def best(of: Callable[[float], float]) -> tuple[float, float]:
        """The variance (zero included) that minimizes a loss, and the loss there; the search is on a log scale."""
        grid = np.linspace(-12, 8, 81)
        start = grid[int(np.argmin([of(float(np.exp(x))) for x in grid]))]
        found = optimize.minimize_scalar(
            lambda x: of(float(np.exp(x))), bounds=(start - 0.3, start + 0.3), method="bounded", options={"xatol": 1e-7}
        )
        return float(np.exp(found.x)), float(found.fun)

    def given_settings(settings: float) -> float:
        return best(lambda seeds: loss(settings, seeds))[1]

    def given_seeds(seeds: float) -> float:
        return min(best(lambda settings: loss(settings, seeds))[1], loss(0.0, seeds))

    settings, least = best(given_settings)
    if given_settings(0.0) <= least + 1e-9:
        settings, least = 0.0, given_settings(0.0)
    seeds = best(lambda one: loss(settings, one))[0]
    made = []
    for middle, of in ((settings, given_settings), (seeds, given_seeds)):
        low, high = (_end(of, middle, least + FAR, way) for way in (-1, 1))
        made.append(Component(scale * middle, scale * low, scale * high))
    return Components(*made)


def _end(of: Callable[[float], float], middle: float, far: float, way: int) -> float:
    """Where a profile loss crosses `far`, below or above its minimum; zero or infinity if it does not."""
    edge = np.log(max(middle, 1e-6))
    for _ in range(24):
        edge += way
        if edge < -14:
            return 0.0
        if of(float(np.exp(edge))) > far:
            inner = edge - way
            if of(float(np.exp(inner))) > far:  # the minimum is at zero
                return float(np.exp(inner))
            end = optimize.brentq(lambda x: of(float(np.exp(x))) - far, *sorted((inner, edge)), xtol=1e-4)
            return float(np.exp(end))
    return np.inf if way > 0 else 0.0
