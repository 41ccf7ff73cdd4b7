"""What may be said of cells beside their curves: who beats whom, ranks, agreement of scores, spread. Frames."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from analysis.estimators import pairwise
from analysis.loading.cells import VARIED, cell_order, countable
from analysis.loading.read_run import SCORES
from analysis.loading.trials import ADAPTIVE
from landscape.config.axes import VARIED_AXES
from landscape.scores import COLUMNS, DIAGNOSTICS
from landscape.store import DIVERGED, DONE
from landscape.store.trials import CONFIRM

PAIR_COLUMNS = ("a", "b", "k", "taken", "n", "chance", "lower", "upper", "said")
RANK_COLUMNS = ("cell", "k", "n", "rank", "lowest", "highest")
# Runs of two cells are of one setting where these agree; a penalty's strength belongs to the cell.
# So does what sets cells apart, unless they are pooled over it.
MATCHED = tuple(axis.name for axis in VARIED_AXES if axis.matched and not axis.pools)
DRAWS = 32  # of one seed and strength a setting; each draw is a whole estimate, and their mean is shown

Array = NDArray[np.float64]


def pair_table(
    runs: pd.DataFrame,
    budgets: Sequence[int],
    generator: np.random.Generator,
    confidence: float = 0.95,
    chosen_of: int = 0,
) -> pd.DataFrame:
    """For each pair of cells and budget k the chance that the best of k runs of `a` beats that of `b`, with intervals.

    All intervals of the table hold at once with the probability `confidence` (Bonferroni over its rows). A budget is
    k runs, each of another setting (of another seed, where a cell has one setting). Where the cells share at least half
    of the settings of the smaller one ("matched"), the same k are taken for both, on equal learning rates, betas and
    seed; else apart ("apart"). Left out: runs that a search proposed by looking at results, stopped runs, confirming
    ones.

    n is the number of settings (or seeds), of the smaller cell; `said` is "a" or "b" where the interval excludes one
    half, else "". A row needs n >= k.
    Where these cells were chosen by their results from `chosen_of` of them, the intervals hold for all pairs that there
    were to choose from.
    """
    known = _known(runs)
    cells = {str(label): cell for label, cell in known.groupby("cell")}
    order = [label for label in cell_order(runs) if label in cells]
    units = {label: _units(cells[label]) for label in order}
    designs = []
    for a, b in itertools.combinations(order, 2):
        # A cell pooled over n_dis is matched as a whole or not at all: a part of it would stand for all.
        alike = set(cells[a]["pooled"]) == set(cells[b]["pooled"])
        blocks = _matched(cells[a], cells[b]) if alike else []
        n = len(blocks) or min(len(units[a]), len(units[b]))
        designs += [(a, b, k, blocks, n) for k in budgets if k <= n]
    places = np.unique(known["worth"].to_numpy(float))
    tails = {
        (label, k): np.mean([pairwise.tails(values, places, k) for values in _draws(units[label], generator)], axis=0)
        for label in order
        for k in budgets
        if any(not design[3] and k == design[2] and label in design[:2] for design in designs)
    }
    tested = len(designs) * max(1.0, math.comb(chosen_of, 2) / max(1, math.comb(len(order), 2)))
    rows = []
    for a, b, k, blocks, n in designs:
        if blocks:
            chance = float(np.mean([pairwise.beats_matched(d[:, 0], d[:, 1], k) for d in _draws(blocks, generator)]))
        else:
            chance = pairwise.beats_by_tails(tails[a, k], tails[b, k])
        lower, upper = pairwise.interval(chance, n, k, (1 - confidence) / tested)
        said = "a" if lower > 0.5 else "b" if upper < 0.5 else ""
        rows.append((a, b, k, "matched" if blocks else "apart", n, chance, lower, upper, said))
    return pd.DataFrame(rows, columns=list(PAIR_COLUMNS))


def _known(runs: pd.DataFrame) -> pd.DataFrame:
    """One row a cell, setting and seed that has a result and was not proposed by looking at others.

    `pooled` is its n_dis where any cell is pooled over that, else 0.
    """
    use = countable(runs)
    use = use[use["worth"].notna() & ~use["sampler"].isin(ADAPTIVE)]
    pooled = (use.groupby("cell")["n_dis"].nunique() > 1).any()
    keys = [*MATCHED, "n_dis"] if pooled else list(MATCHED)
    use = use.assign(_key=["|".join(map(str, row)) for row in use[keys].itertuples(index=False)])
    use = use.assign(pooled=use["n_dis"] if pooled else 0)
    one = use.groupby(["cell", "setting", "seed", "_key", "pooled"], sort=True)["worth"]
    return one.median().reset_index()


def _matched(a: pd.DataFrame, b: pd.DataFrame) -> list[Array]:
    """The settings (or, of one setting, the seeds) that two cells share, each with the pairs of values it may give.

    A pair is of one setting and seed: rows of an array of two columns. Empty where the cells share less than half of
    the settings of the smaller one, or no seed of those.
    """
    keys = set(a["_key"]) & set(b["_key"])
    if 2 * len(keys) < min(a["_key"].nunique(), b["_key"].nunique()):
        return []
    both = a[a["_key"].isin(keys)].merge(b[b["_key"].isin(keys)], on=["_key", "seed"], suffixes=("_a", "_b"))
    if both.empty:
        return []
    unit = "_key" if len(keys) > 1 else "seed"
    return _split(both, unit, ["worth_a", "worth_b"])


def _units(cell: pd.DataFrame) -> list[Array]:
    """The settings of a cell (or, of one setting, its seeds), each with the values it may give."""
    return _split(cell, "setting" if cell["setting"].nunique() > 1 else "seed", "worth")


def _split(frame: pd.DataFrame, unit: str, values: str | list[str]) -> list[Array]:
    """`values` of the rows of each `unit`, as arrays."""
    ordered = frame.sort_values(unit, kind="stable")
    last = np.flatnonzero((ordered[unit] != ordered[unit].shift())[1:]) + 1
    return np.split(ordered[values].to_numpy(float), last)


def _draws(units: list[Array], generator: np.random.Generator) -> list[Array]:
    """Draws of one value (or pair) a unit: an array each; one draw where no unit leaves a choice."""
    sizes = np.array([len(unit) for unit in units])
    every, first = np.concatenate(units), np.cumsum(sizes) - sizes
    return [every[first + generator.integers(sizes)] for _ in range(DRAWS if sizes.max() > 1 else 1)]


def rank_table(table: pd.DataFrame) -> pd.DataFrame:
    """Ranks of the cells of a `pair_table`, 1 for the best, for each k at which all cells were compared.

    `rank` is one more than the number of cells whose estimated chance to beat this one is above one half; the true
    rank, by true chances, lies within `lowest`..`highest` for all rows at once with the confidence of the pairs.
    """
    rows = []
    for k in sorted(int(k) for k in table["k"].unique()):
        at_k = table[table["k"] == k]
        cells = list(dict.fromkeys([*at_k["a"], *at_k["b"]]))
        if len(at_k) != len(cells) * (len(cells) - 1) // 2 or len(cells) < len({*table["a"], *table["b"]}):
            continue
        place = {cell: i for i, cell in enumerate(cells)}
        chance, lower, upper = (np.full((len(cells), len(cells)), 0.5) for _ in range(3))
        smallest = dict.fromkeys(cells, 10**9)
        for row in at_k.to_dict("records"):
            i, j = place[row["a"]], place[row["b"]]
            chance[i, j], lower[i, j], upper[i, j] = row["chance"], row["lower"], row["upper"]
            chance[j, i], lower[j, i], upper[j, i] = 1 - row["chance"], 1 - row["upper"], 1 - row["lower"]
            for cell in (row["a"], row["b"]):
                smallest[cell] = min(smallest[cell], int(row["n"]))
        lowest, highest = pairwise.ranks(lower, upper)
        point = 1 + (chance < 0.5).sum(1)
        rows += [(c, k, smallest[c], int(point[i]), int(lowest[i]), int(highest[i])) for i, c in enumerate(cells)]
    return pd.DataFrame(rows, columns=list(RANK_COLUMNS))


def agreement_table(runs: pd.DataFrame) -> pd.DataFrame:
    """Spearman's rank correlation of each two scores, and of FID and IS with each diagnostic, over runs that are done.

    columns: one, other, runs (with both), diverged (left out), overall (all runs together), within (the median over
    cells of at least 5 runs) and within_cells (how many), across (between the cells' medians, from 4 cells on) and
    cells.
    """
    use = countable(runs).drop_duplicates("id")
    done = use[use["status"] == DONE]
    measured = [key for key in SCORES if not COLUMNS[key].spread and key in done]
    measured = [key for key in measured if done[key].notna().sum() >= 3]
    scores = [key for key in measured if key not in DIAGNOSTICS]
    # Diagnostics explain scores; with one another there would be hundreds of rows.
    explained = [(score, key) for score in ("fid", "is") if score in scores for key in measured if key in DIAGNOSTICS]
    rows = []
    for one, other in [*itertools.combinations(scores, 2), *explained]:
        both = done[done[one].notna() & done[other].notna()]
        cells = [cell for _, cell in both.groupby("cell")]
        within = [_spearman(cell, one, other) for cell in cells if len(cell) >= 5]
        within = [value for value in within if np.isfinite(value)]
        medians = pd.DataFrame([cell[[one, other]].median() for cell in cells])
        rows.append(
            {
                "one": one,
                "other": other,
                "runs": len(both),
                "diverged": int((use["status"] == DIVERGED).sum()),
                "overall": _spearman(both, one, other),
                "within": float(np.median(within)) if within else np.nan,
                "within_cells": len(within),
                "across": _spearman(medians, one, other) if len(medians) >= 4 else np.nan,
                "cells": len(medians),
            }
        )
    names = ("one", "other", "runs", "diverged", "overall", "within", "within_cells", "across", "cells")
    return pd.DataFrame(rows, columns=list(names))


def _spearman(frame: pd.DataFrame, one: str, other: str) -> float:
    """Between two columns; NaN where one of them does not vary or there are fewer than three rows."""
    if len(frame) < 3 or frame[one].nunique() < 2 or frame[other].nunique() < 2:
        return float("nan")
    return float(stats.spearmanr(frame[one], frame[other]).statistic)


def spread_table(runs: pd.DataFrame) -> pd.DataFrame:
    """How far the final distance differs between settings, between seeds of one setting, and between equal runs.

    One row a cell: `between` is the standard deviation of the settings' medians (`settings` of them); `seeds_sd` that
    of seeds within a setting, pooled over the `seed_settings` that have several; `repeats_sd` that of repeats of one
    seed, pooled over `repeated`. Diverged runs are left out of all three; `split` counts settings of which some seeds
    diverged and others did not.
    """
    rows = []
    use = countable(runs)
    for label in cell_order(use):
        cell = use[(use["cell"] == label) & use["worth"].notna()]
        done = cell[np.isfinite(cell["worth"])]
        lost = np.isinf(cell["worth"]).groupby(cell["setting"])
        seeds = done.groupby(["setting", "seed"])["worth"].median().reset_index()
        medians = seeds.groupby("setting")["worth"].median()
        seeds_sd, seed_settings = _pooled(seeds.groupby("setting")["worth"])
        repeats_sd, repeated = _pooled(done.groupby(["setting", "seed"])["worth"])
        rows.append(
            {
                "cell": label,
                "median": float(medians.median()),
                "settings": len(medians),
                "between": float(medians.std()) if len(medians) > 1 else np.nan,
                "seed_settings": seed_settings,
                "seeds_sd": seeds_sd,
                "repeated": repeated,
                "repeats_sd": repeats_sd,
                "split": int((lost.any() & ~lost.all()).sum()),
            }
        )
    names = ("cell", "median", "settings", "between", "seed_settings", "seeds_sd", "repeated", "repeats_sd", "split")
    return pd.DataFrame(rows, columns=list(names))


def _pooled(groups: pd.api.typing.SeriesGroupBy[Any, Any]) -> tuple[float, int]:
    """The pooled standard deviation of groups of several, and how many those are; NaN for none."""
    found = groups.agg(["size", "var"])
    several = found[found["size"] > 1]
    freedom = int((several["size"] - 1).sum())
    squares = float((several["var"] * (several["size"] - 1)).sum())
    return (float(np.sqrt(squares / freedom)) if freedom else float("nan")), len(several)


def confirm_table(runs: pd.DataFrame, confidence: float = 0.95) -> pd.DataFrame:
    """The values a paper may print: of each setting trained again to confirm it, mean and sd over fresh seeds.

    One row a cell and setting of the stage "confirm": n runs with a result, how many of them diverged; mean, sd and the
    ends of Student's interval for the mean, over those that did not diverge (NaN where one did: the mean would
    flatter); hyperparameters.
    """
    use = runs[(runs["stage"] == CONFIRM) & runs["worth"].notna()]
    rows = []
    for (label, setting), group in use.groupby(["cell", "setting"], sort=True):
        values = group.groupby("seed")["worth"].median().to_numpy(float)
        whole = bool(np.isfinite(values).all())
        n, mean = len(values), float(values.mean()) if whole else float("nan")
        sd = float(values.std(ddof=1)) if n > 1 and whole else float("nan")
        reach = float(stats.t.ppf(0.5 + confidence / 2, n - 1)) * sd / np.sqrt(n) if n > 1 else float("nan")
        first = group.iloc[0]
        rows.append(
            {
                "cell": label,
                "n": n,
                "lost": int(np.isinf(values).sum()),
                "mean": mean,
                "sd": sd,
                "mean_low": mean - reach,
                "mean_high": mean + reach,
                **{key: first[key] for key in VARIED},
                "setting": setting,
            }
        )
    names = ("cell", "n", "lost", "mean", "sd", "mean_low", "mean_high", *VARIED, "setting")
    return pd.DataFrame(rows, columns=list(names))
