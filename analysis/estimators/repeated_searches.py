"""Adaptive searches of one cell by one sampler: the best after k trials, and a band for the median of several.

The trials of an adaptive search depend on one another, so that no band holds over them. Searches that differ in
`search.seed` alone are independent. The best after k trials is one curve per search. For every k the values of the
curves are independent draws from one distribution. Its median lies between two of their order statistics with a
probability that is exact for any distribution.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from analysis.loading.trials import ADAPTIVE
from landscape.store import FAILED, STOPPED
from landscape.store.trials import SEARCH

Array = NDArray[np.float64]

KNOTS = 6  # values of k at which the simultaneous band is computed; between them the curve can only fall


class Between(NamedTuple):
    """Bounds of the median after k trials, arrays over k; infinite if too many searches have no result yet."""

    lower: Array
    upper: Array


class Several(NamedTuple):
    """The searches of one cell that differ in their seed alone.

    name     the sampler, and n_dis if the cell is pooled over it
    paths    the best after k = 1, 2, ... trials, an array per search; infinite until there is a finite value
    median   over all searches, up to the length of the shortest
    each_k   pointwise band; None for fewer than `needed()` searches
    all_k    simultaneous band for all k; None for fewer than `needed(knots=KNOTS)` searches
    missing  how many more searches `each_k` needs
    """

    name: str
    paths: list[Array]
    median: Array
    each_k: Between | None
    all_k: Between | None
    missing: int


def of_searches(runs: pd.DataFrame, trials: pd.DataFrame) -> pd.DataFrame:
    """The trials of adaptive searches, with columns `cell` and `value`.

    The value is infinite for a trial that diverged, was stopped or failed. If `search` is missing, it is the sweep; if
    `alike` is missing, it is the search, which is then like no other.
    """
    known = runs.drop_duplicates("id").set_index("id")
    mine = trials[
        (trials["stage"] == SEARCH) & trials["sampler"].isin(ADAPTIVE) & trials["id"].isin(known.index)
    ].copy()
    values = known["worth"].where(~known["status"].isin((STOPPED, FAILED)), np.inf)
    mine["value"] = mine["id"].map(values).astype(float).where(~mine["failed"].astype(bool), np.inf)
    mine["cell"] = mine["id"].map(known["cell"])
    mine["search"] = mine["search"].fillna(mine["sweep"])
    mine["alike"] = mine["alike"].fillna(mine["search"])
    seeds = mine.groupby(["sweep", "search", "order"])["value"]  # a trial is worth the median of its seeds
    mine["value"] = seeds.transform("median").where(seeds.transform("count") == seeds.transform("size"))
    return mine


def several_searches(
    runs: pd.DataFrame, trials: pd.DataFrame, confidence: float = 0.95, fewest: int = 2
) -> dict[str, list[Several]]:
    """By cell, the adaptive searches in groups that differ in their seed alone, of at least `fewest` searches each.

    `runs` is one section, stopped runs included; `trials` is as in `Collected.trials`. A search counts up to its first
    unfinished trial.
    """
    known, mine = runs.drop_duplicates("id").set_index("id"), of_searches(runs, trials)
    found: dict[str, list[Several]] = {}
    for (label, sampler, _), group in mine.groupby(["cell", "sampler", "alike"], sort=True):
        # A search that two sweeps asked for counts once.
        paths = [
            max((path(one) for _, one in search.groupby("sweep", sort=True)), key=len)
            for _, search in group.groupby("search", sort=True)
        ]
        paths = [one for one in paths if len(one)]
        if len(paths) >= fewest:
            counts = known.loc[group["id"], "n_dis"]
            apart = (known.loc[known["cell"] == label, "n_dis"] != counts.iloc[0]).any()
            name = f"{sampler}, n_dis {counts.iloc[0]}" if apart else str(sampler)
            found.setdefault(str(label), []).append(compared(name, paths, confidence))
    return found


def trajectories(found: Mapping[str, list[Several]]) -> dict[str, Array]:
    """By cell, the best after k = 1, 2, ... trials: the median over its largest group of searches.

    It describes these searches and does not predict others.
    """
    return {label: max(each, key=lambda one: len(one.paths)).median for label, each in found.items()}


def path(search: pd.DataFrame) -> Array:
    """The best after 1, 2, ... trials of one search, up to the first trial that is missing or has no result yet."""
    ordered = search.sort_values("order", kind="stable").drop_duplicates("order")
    there = (ordered["order"].to_numpy(float) == np.arange(len(ordered))) & ordered["value"].notna().to_numpy()
    length = len(there) if there.all() else int(there.argmin())
    return np.minimum.accumulate(ordered["value"].to_numpy(float)[:length])


def compared(name: str, paths: list[Array], confidence: float = 0.95) -> Several:
    """The median of decreasing curves, with the bands that their number allows."""
    n, length = len(paths), min(map(len, paths))
    every = np.sort(np.stack([one[:length] for one in paths]), axis=0)
    each_k, rank = None, inner(n, 1 - confidence)
    if rank:
        each_k = Between(every[rank - 1], every[n - rank])
    knots = np.unique(np.geomspace(1, length, KNOTS).round().astype(int)) - 1
    all_k, rank = None, inner(n, (1 - confidence) / KNOTS)
    if rank:
        # The true curve only falls: it is below a bound from there on, and was above one until then.
        k = np.arange(length)
        before, after = knots[np.searchsorted(knots, k, "right") - 1], knots[np.searchsorted(knots, k)]
        all_k = Between(every[rank - 1][after], every[n - rank][before])
    middle = every[[(n - 1) // 2, n // 2]].mean(0)
    return Several(name, paths, middle, each_k, all_k, max(0, needed(confidence) - n))


def inner(n: int, error: float) -> int:
    """The largest r such that the r-th lowest and r-th highest of n draws miss the median with chance at most `error`.

    0 if even the lowest and the highest miss it more often.
    """
    return int(np.count_nonzero(2 * stats.binom.cdf(np.arange((n + 1) // 2), n, 0.5) <= error))


def needed(confidence: float = 0.95, knots: int = 1) -> int:
    """The number of searches that a 95 % band needs: 6 for a pointwise one, 8 for all k at once."""
    n = 1
    while not inner(n, (1 - confidence) / knots):
        n += 1
    return n
