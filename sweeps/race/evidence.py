"""The evidence that one cell is better than another at k, as a bet on two quantiles.

A cell is as good as its p-quantile theta, p = 1 - 2^(-1/k): the median of the best of k of its runs. Smaller is
better; a run that diverged or crashed is infinite. If A is *not* better than B, then at x = theta(B) a run of A lies
below x with a chance of at most p, and a run of B lies at or below x with a chance of at least p. `log_evidence` is
the logarithm of what a fair bet against this has won: a mixture of products of two supermartingales, which multiplies
by c with a chance of at most 1/c, however often one looks (Ville). theta(B) is not known, so the evidence is the
least over all x.

Strict counts of A and weak counts of B make it exact with ties and infinite runs. It takes no distribution.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Bets = tuple[tuple[float, float, float], ...]

# What is bet on A lying below x and on B lying above it, and the share of the stake: both, or one of the two alone.
_BOTH = tuple((d, d, 0.5 * w / 13.5) for d, w in ((0.2, 6), (0.35, 4), (0.6, 2), (1.0, 1), (1.6, 0.5)))
_ONE = tuple((d * on_a, d * (1 - on_a), 1 / 12) for on_a in (1, 0) for d in (0.9, 1.8, 3.0))
BETS = _BOTH + _ONE
# The same for cells with unlike numbers of runs: the one with fewer can be bet on more steeply.
UNEQUAL_BETS = tuple((d * q**0.5, e / q**0.5, w / 3) for q in (0.5, 1.0, 2.0) for d, e, w in _BOTH) + _ONE
CHUNK = 256  # pairs at a time: their counts stay in the processor's cache


def level(k: int) -> float:
    """The quantile that is the median of the best of k."""
    return float(1 - 2 ** (-1 / k))


def quantile(runs: Sequence[float], p: float) -> float:
    """The least value that a share p of the runs is at or below; nan without any."""
    return sorted(runs)[max(math.ceil(p * len(runs) - 1e-9), 1) - 1] if len(runs) else math.nan


def log_evidence(below: ArrayLike, upto: ArrayLike, n_a: int, n_b: int, p: float, bets: Bets = BETS) -> Floats:
    """At one x: `below` of n_a runs of A are below it, `upto` of n_b runs of B at or below it."""
    sa, sb = np.broadcast_arrays(np.asarray(below, float), np.asarray(upto, float))
    d, e, share = np.array(bets).T.reshape(3, -1, *(1,) * sa.ndim)
    fair = n_a * np.log1p(p * np.expm1(d)) + n_b * np.log1p(p * np.expm1(-e))
    return np.asarray(np.logaddexp.reduce(np.log(share) + d * sa - e * sb - fair, axis=0))


def evidence(a: ArrayLike, b: ArrayLike, p: float, bets: Bets = BETS) -> float:
    """That A is better than B, from all their runs: the least of `log_evidence` over x = -inf and the runs of B."""
    a, b = np.sort(np.asarray(a, float)), np.sort(np.asarray(b, float))
    below = np.append(0, np.searchsorted(a, b, "left"))
    upto = np.append(0, np.searchsorted(b, b, "right"))
    return float(log_evidence(below, upto, len(a), len(b), p, bets).min())


@lru_cache(maxsize=512)
def table(n: int, p: float) -> Floats:
    """`log_evidence` of n runs each, by both counts."""
    counts = np.arange(n + 1)
    return log_evidence(counts[:, None], counts, n, n, p)


@lru_cache(maxsize=512)
def _enough(n: int, p: float, least: float) -> NDArray[np.uint16]:
    """The fewest runs of A below an x that are enough evidence there, by how many of B are up to it."""
    return np.asarray((table(n, p) < least).sum(axis=0), dtype=np.uint16)


def evidence_paths(
    a: Floats, b: Floats, looks: Sequence[int], levels: Sequence[float], least: float = -np.inf
) -> Floats:
    """`evidence` of many pairs at once, at each look, for each level: shape (levels, pairs, looks).

    `a`, `b`: shape (pairs, tickets), in ticket order. A look is a number of tickets, which both cells have; they rise.
    Evidence below `least` is given as -inf, which is several times as fast where most of it is.
    """
    made = np.empty((len(levels), len(a), len(looks)))
    for first in range(0, len(a), CHUNK):
        part = slice(first, first + CHUNK)
        made[:, part] = _paths(a[part], b[part], looks, levels, least)
    return made


def _paths(a: Floats, b: Floats, looks: Sequence[int], levels: Sequence[float], least: float) -> Floats:
    """Counts at each run of B, the runs of B in order, grow with the tickets."""
    last, rows = looks[-1], range(len(a))
    small = np.uint8 if last <= np.iinfo(np.uint8).max else np.uint16
    a, order = a[:, :last], np.argsort(b[:, :last], axis=1)
    ordered = np.take_along_axis(b[:, :last], order, axis=1)
    tied = bool((ordered[:, 1:] == ordered[:, :-1]).any())
    # The first run of B that counts a run of A as below it, and the first one that is as low as a run of B.
    from_a: NDArray[Any] = np.array([np.searchsorted(ordered[i], a[i], "right") for i in rows], dtype=small)
    if tied:
        from_b: NDArray[Any] = np.array([np.searchsorted(ordered[i], b[i, :last], "left") for i in rows], dtype=small)
    places: NDArray[Any] = np.arange(last, dtype=small)
    below, upto = np.zeros((len(a), last), dtype=small), np.zeros((len(a), last), dtype=small)
    made, before = np.full((len(levels), len(a), len(looks)), -np.inf), 0
    for number, n in enumerate(looks):
        for ticket in range(before, n):
            below += from_a[:, ticket, None] <= places
            if tied:
                upto += from_b[:, ticket, None] <= places
        before, come = n, order < n
        lower = below[come].reshape(len(a), n)
        higher: NDArray[Any] = np.arange(1, n + 1, dtype=small)
        if tied:
            higher = upto[come].reshape(len(a), n)
        for which, p in enumerate(levels):
            of_counts = table(n, p)
            enough = _enough(n, p, least)
            if enough[0]:  # at x = -inf, where none is below
                continue
            some = np.flatnonzero((lower >= enough[higher]).all(axis=1))
            index = lower[some].astype(np.intp) * (n + 1) + (higher[some] if tied else higher)
            made[which, some, number] = np.minimum(of_counts.ravel()[index].min(axis=1), of_counts[0, 0])
    return made
