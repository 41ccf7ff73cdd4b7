"""The evidence that one cell is better than another where ticket n of both has the same setting and seed.

Runs of a pair depend on each other, so the product of two bets is not fair. A sum is: if A is not better than B, then
at x = theta(B) the mean of 1 + l (1[A < x] - p) - m (1[B <= x] - p) is at most 1, whatever joins the two. The more
alike the two runs of a pair are, the less its terms vary and the faster the bet grows. It holds by Ville alone
(threshold V).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from sweeps.race.evidence import BETS, Floats

MOST = 0.9  # of the stake can be lost in one pair


def bets_of_pairs(p: float) -> list[tuple[float, float, float]]:
    """(l, m, share): those of `evidence` as factors of what is seen, scaled down where a pair could lose all."""
    found = []
    for d, e, share in BETS:
        on_a, on_b = np.expm1(d) / (1 + p * np.expm1(d)), -np.expm1(-e) / (1 + p * np.expm1(-e))
        at_most = min(1.0, MOST / (on_a * p + on_b * (1 - p)))
        found.append((float(on_a * at_most), float(on_b * at_most), share))
    return found


def matched_evidence(a: ArrayLike, b: ArrayLike, p: float) -> float:
    """From all their runs, which are as many of both, in ticket order."""
    a, b = np.asarray(a, float)[None], np.asarray(b, float)[None]
    return float(matched_paths(a, b, [a.shape[1]], p)[0, 0])


def matched_paths(a: Floats, b: Floats, looks: Sequence[int], p: float) -> Floats:
    """`matched_evidence` of many pairs at each look, which is a number of tickets: shape (pairs, looks)."""
    last = looks[-1]
    made = np.empty((len(a), len(looks)))
    for pair in range(len(a)):
        x = np.unique(b[pair, :last])
        in_a, in_b = a[pair, :last, None] < x, b[pair, :last, None] <= x
        ends = np.array(looks)
        both, one, other = (
            np.vstack([np.zeros((1, len(x)), int), which.cumsum(axis=0)])[ends]
            for which in (in_a & in_b, in_a & ~in_b, in_b & ~in_a)
        )
        none = ends[:, None] - both - one - other
        total = np.full((len(looks), len(x)), -np.inf)
        nowhere = np.full(len(looks), -np.inf)  # x = -inf: below it are none
        for on_a, on_b, share in bets_of_pairs(p):
            left = 1 - on_a * p + on_b * p
            won = (
                np.log(share)
                + both * np.log(left + on_a - on_b)
                + one * np.log(left + on_a)
                + other * np.log(left - on_b)
                + none * np.log(left)
            )
            total = np.logaddexp(total, won)
            nowhere = np.logaddexp(nowhere, np.log(share) + ends * np.log(left))
        made[pair] = np.minimum(total.min(axis=1), nowhere)
    return made
