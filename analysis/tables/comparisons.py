"""Tables beside pairs: agreement of scores, variance components, confirmed values. Frames."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from analysis.estimators.components import components
from analysis.estimators.correlation import spearman
from analysis.loading.cells import VARIED, cell_order, countable
from analysis.loading.measure import BY_DISTANCE, Measure
from analysis.loading.read_run import SCORES
from landscape.scores import COLUMNS, DIAGNOSTICS
from landscape.store import DIVERGED, DONE
from landscape.store.trials import CONFIRM

Array = NDArray[np.float64]


def agreement_table(runs: pd.DataFrame) -> pd.DataFrame:
    """Spearman's rank correlation of each two scores, and of FID and IS with each diagnostic, over done runs.

    Columns: one, other; runs (with both scores); diverged (left out); overall (all runs); within (median over cells of
    at least 5 runs) and within_cells (their number); across (between medians of cells, from 4 cells on) and cells.
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
        within = [spearman(cell, one, other) for cell in cells if len(cell) >= 5]
        within = [value for value in within if np.isfinite(value)]
        medians = pd.DataFrame([cell[[one, other]].median() for cell in cells])
        rows.append(
            {
                "one": one,
                "other": other,
                "runs": len(both),
                "diverged": int((use["status"] == DIVERGED).sum()),
                "overall": spearman(both, one, other),
                "within": float(np.median(within)) if within else np.nan,
                "within_cells": len(within),
                "across": spearman(medians, one, other) if len(medians) >= 4 else np.nan,
                "cells": len(medians),
            }
        )
    names = ("one", "other", "runs", "diverged", "overall", "within", "within_cells", "across", "cells")
    return pd.DataFrame(rows, columns=list(names))


def spread_table(runs: pd.DataFrame, measure: Measure = BY_DISTANCE) -> pd.DataFrame:
    """How far the logarithm of the final distance spreads: between settings, between seeds, and between equal runs.

    By a `measure` without ratios it is the score itself in place of the logarithm.

    One row a cell, standard deviations. `between` is that of settings net of their seeds, `seeds_sd` that of seeds
    within a setting, both by REML with intervals (`analysis.estimators.components`); NaN where no setting has several
    seeds. `together` is the plain deviation of all runs, of both. `repeats_sd` is that of repeats of one seed, pooled
    over `repeated`. Diverged runs are left out; `split` counts settings of which some seeds diverged and others did
    not.
    """
    rows = []
    use = countable(runs)
    for label in cell_order(use):
        cell = use[(use["cell"] == label) & use["worth"].notna()]
        done = cell.assign(log=measure.scaled(cell["worth"].to_numpy(float)))
        done = done[np.isfinite(done["log"])]
        lost = np.isinf(cell["worth"]).groupby(cell["setting"])
        seeds = done.groupby(["setting", "seed"])["log"].median().reset_index()
        sizes = seeds.groupby("setting").size()
        found = components(seeds["log"].to_numpy(float), pd.factorize(seeds["setting"])[0])
        one_setting = len(sizes) == 1 and len(seeds) > 1
        within = float(seeds["log"].std()) if one_setting else np.nan
        parts = [(np.nan,) * 3, (within, np.nan, np.nan)] if found is None else [np.sqrt(part) for part in found]
        repeats_sd, repeated = _pooled(done.groupby(["setting", "seed"])["log"])
        rows.append(
            {
                "cell": label,
                "median": float(measure.unscaled(np.array(seeds["log"].median()))),
                "settings": len(sizes),
                **dict(zip(("between", "between_low", "between_high"), parts[0], strict=True)),
                "seed_settings": int((sizes > 1).sum()),
                **dict(zip(("seeds_sd", "seeds_low", "seeds_high"), parts[1], strict=True)),
                "together": float(seeds["log"].std()) if len(seeds) > 1 else np.nan,
                "repeated": repeated,
                "repeats_sd": repeats_sd,
                "split": int((lost.any() & ~lost.all()).sum()),
            }
        )
    names = (
        *("cell", "median", "settings", "between", "between_low", "between_high", "seed_settings"),
        *("seeds_sd", "seeds_low", "seeds_high", "together", "repeated", "repeats_sd", "split"),
    )
    return pd.DataFrame(rows, columns=list(names))


def _pooled(groups: pd.api.typing.SeriesGroupBy[Any, Any]) -> tuple[float, int]:
    """The pooled standard deviation of groups of two or more values, and the number of these groups; NaN for none."""
    found = groups.agg(["size", "var"])
    several = found[found["size"] > 1]
    freedom = int((several["size"] - 1).sum())
    squares = float((several["var"] * (several["size"] - 1)).sum())
    return (float(np.sqrt(squares / freedom)) if freedom else float("nan")), len(several)


def confirm_table(runs: pd.DataFrame, confidence: float = 0.95, measure: Measure = BY_DISTANCE) -> pd.DataFrame:
    """The results of confirmed settings over fresh seeds: one row per cell and setting of the stage "confirm".

    Columns: n (runs with a result) and lost (how many of them diverged); mean and sd; middle (the geometric mean), with
    Student's interval on the logarithms, because distances are skewed; hyperparameters. Mean, sd and middle are NaN if
    a seed diverged, because without it they would be optimistic. By a `measure` without ratios, middle is the mean, and
    Student's interval is of the scores themselves.
    """
    use = runs[(runs["stage"] == CONFIRM) & runs["worth"].notna()]
    rows = []
    for (label, setting), group in use.groupby(["cell", "setting"], sort=True):
        values = group.groupby("seed")["worth"].median().to_numpy(float)
        middle, low, high = middle_interval(values, confidence, measure)
        values = measure.own(values)
        whole = bool(np.isfinite(values).all())
        n, mean = len(values), float(values.mean()) if whole else float("nan")
        sd = float(values.std(ddof=1)) if n > 1 and whole else float("nan")
        first = group.iloc[0]
        rows.append(
            {
                "cell": label,
                "n": n,
                "lost": int(np.isinf(values).sum()),
                "mean": mean,
                "sd": sd,
                "middle": middle,
                "middle_low": low,
                "middle_high": high,
                **{key: first[key] for key in VARIED},
                "setting": setting,
            }
        )
    names = ("cell", "n", "lost", "mean", "sd", "middle", "middle_low", "middle_high", *VARIED, "setting")
    return pd.DataFrame(rows, columns=list(names))


def middle_interval(
    values: Array, confidence: float = 0.95, measure: Measure = BY_DISTANCE
) -> tuple[float, float, float]:
    """The geometric mean, and Student's interval for it on logarithms; the mean, by a `measure` without ratios.

    All are NaN if a value is infinite, or zero where logarithms are taken. The interval is NaN for a single value.
    """
    logs = measure.scaled(values)
    if not np.isfinite(logs).all():
        return (np.nan,) * 3
    n, middle = len(logs), float(logs.mean())
    reach = float(stats.t.ppf(0.5 + confidence / 2, n - 1) * logs.std(ddof=1) / np.sqrt(n)) if n > 1 else np.nan
    found, *ends = measure.unscaled(np.array([middle, middle - reach, middle + reach])).tolist()
    return found, min(ends), max(ends)
