"""Simulations: a practitioner's tuning by grid and search, and the best distance over hours.

Neither has a closed form for all cases; each reports its Monte-Carlo error. Distances are lower-is-better. The caller
provides the random generators.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Practitioner(NamedTuple):
    """The mean of the best after k settings, k = 1..n, and its Monte-Carlo standard error."""

    ks: NDArray[np.int64]
    mean: Array
    error: Array


def practitioner(
    grid: Array, rounds: Sequence[Array], generator: np.random.Generator, simulations: int = 1000
) -> Practitioner:
    """The paper's curve: the grid in random order, then the rounds of a search in order, shuffled within a round.

    Values are finite (a diverged setting counts with the score of an untrained generator). The curve describes these
    results in this order, not another search. Raises `ValueError` for no values or infinite ones.
    """
    parts = [np.asarray(part, float) for part in (grid, *rounds) if len(part)]
    if not parts or not all(np.isfinite(part).all() for part in parts):
        raise ValueError("the practitioner's curve takes finite values, at least one")
    shuffled = [generator.permuted(np.tile(part, (simulations, 1)), axis=1) for part in parts]
    best = np.minimum.accumulate(np.concatenate(shuffled, axis=1), axis=1)
    error = best.std(axis=0, ddof=1) / math.sqrt(simulations)
    return Practitioner(np.arange(1, best.shape[1] + 1), best.mean(axis=0), error)


class OverTime(NamedTuple):
    """The median of the best so far at each of `times`, and its 95 % Monte-Carlo interval."""

    times: Array
    median: Array
    lower: Array
    upper: Array


def random_orders(n: int, generator: np.random.Generator, orders: int = 1000) -> NDArray[np.int32]:
    """`orders` rows, each a random permutation of 0..n-1."""
    return generator.permuted(np.tile(np.arange(n, dtype=np.int32), (orders, 1)), axis=1)


def best_over_time(
    costs: Array, values: Array, order: NDArray[np.int32] | NDArray[np.int64], points: int = 100
) -> OverTime:
    """The median of the best distance so far over time, if the runs are trained one at a time in the given orders.

    costs   seconds (or any unit) that each run takes, above 0
    values  the distance at the end of each run, infinite if it diverged; a run counts once it is finished
    order   an order per row: of `random_orders`, or the order of a search, padded with -1

    The median is infinite until half of the orders have a finite distance. The curve ends with the shortest order. It
    describes these n runs, not future runs. Raises `ValueError` for costs that are not positive, and for NaN.
    """
    costs, values = np.asarray(costs, float), np.asarray(values, float)
    if not len(costs) or len(costs) != len(values) or not (costs > 0).all() or np.isnan(values).any():
        raise ValueError("each run needs a cost above 0 and a value")
    orders = len(order)
    there = order >= 0
    total = float(np.where(there, costs[order], 0.0).sum(1).min())
    ends = np.cumsum(np.where(there, costs[order], np.inf), axis=1)
    drawn = np.where(there, values[order], np.inf)
    best = np.concatenate([np.full((orders, 1), np.inf), np.minimum.accumulate(drawn, axis=1)], axis=1)
    first = float(costs[order[there]].min())
    times = np.geomspace(first, total, points) if first < total else np.array([total])
    times[-1] = total
    late = times * (1 + 1e-12)  # sums differ by rounding
    known = np.stack([row[np.searchsorted(end, late, "right")] for end, row in zip(ends, best, strict=True)])
    known.sort(axis=0)
    reach = 1.96 * math.sqrt(orders) / 2  # a median's order statistics, by the normal approximation of the binomial
    low, high = max(0, math.floor(orders / 2 - reach)), min(orders - 1, math.ceil(orders / 2 + reach))
    return OverTime(times, known[(orders - 1) // 2], known[low], known[high])
