"""How much of the spread of distances is of settings and how much of seeds: variance components by REML.

A value of a setting is a mean, plus what the setting adds, plus what the seed adds within it. Means of settings over
few seeds spread by both, so that their plain deviation is not that of settings. Restricted maximum likelihood tells the
two apart, with unequal numbers of seeds; an interval is every value whose profile likelihood is near enough.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

Array = NDArray[np.float64]

FAR = 5.0  # twice the drop of the log likelihood at an interval's ends: 95 to 100 % coverage with few settings


class Component(NamedTuple):
    """A variance and its interval."""

    variance: float
    lower: float
    upper: float


class Components(NamedTuple):
    """Between settings, and between seeds within them."""

    settings: Component
    seeds: Component


def components(values: Array, setting: NDArray[np.int64], cell: NDArray[np.int64] | None = None) -> Components | None:
    """From values with the number of their setting (and of their cell, whose means are taken off).

    None where no setting has two values or there are not two settings in a cell: then the two cannot be told apart.
    """
    cell = np.zeros(len(values), np.int64) if cell is None else cell
    groups, at = np.unique(setting, return_inverse=True)
    fixed = (cell[:, None] == np.unique(cell)).astype(float)
    if len(groups) == len(values) or len(groups) <= fixed.shape[1]:
        return None
    # Contrasts that hold no mean; in the directions where settings act on their own, both parts are plain sums.
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
        """Where a loss over a variance is the least (zero included), and the loss there; the search is on the log."""
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
    """Where a profile loss passes `far`, below or above its least; zero or infinity where it does not."""
    edge = np.log(max(middle, 1e-6))
    for _ in range(24):
        edge += way
        if edge < -14:
            return 0.0
        if of(float(np.exp(edge))) > far:
            inner = edge - way
            if of(float(np.exp(inner))) > far:  # the least is at zero
                return float(np.exp(inner))
            end = optimize.brentq(lambda x: of(float(np.exp(x))) - far, *sorted((inner, edge)), xtol=1e-4)
            return float(np.exp(end))
    return np.inf if way > 0 else 0.0
