"""How well the critic's estimate tracks the quality of samples along training, run by run."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

Array = NDArray[np.float64]
APART = ", norms free"
FREE, PLAIN = "reg.norms: false", "norm.kind: none"
FEWEST = 5  # evaluations of trained generators in a run, below which a rank correlation says little


def norms_apart(rows: pd.DataFrame, configs: Mapping[str, str]) -> pd.DataFrame:
    """The rows with runs whose clip leaves D's normalizers out as cells of their own.

    `configs` maps a run's id to its configuration, one key per line. `reg.norms` is no axis, so that their cell is that
    of the runs whose normalizers are clipped too, as in the authors' code.
    """
    free = {name for name, text in configs.items() if FREE in (lines := text.split("\n")) and PLAIN not in lines}
    return rows.assign(cell=rows["cell"].where(~rows["id"].isin(free), rows["cell"] + APART))


def whole_cell(label: str) -> str:
    """The cell that a label of `norms_apart` is a part of."""
    return label.removesuffix(APART)


def cells_told(rows: pd.DataFrame, order: list[str]) -> list[str]:
    """The labels in `rows`, in the order of their cells."""
    return [label for cell in order for label in (cell, cell + APART) if (rows["cell"] == label).any()]


def with_estimates(rows: pd.DataFrame) -> pd.DataFrame:
    """The evaluations that have both an estimate and a finite `score`, of runs with `FEWEST` of them or more."""
    rows = rows[np.isfinite(rows["critic"].to_numpy(float)) & np.isfinite(rows["score"].to_numpy(float))]
    enough = rows.groupby("id")["step"].transform("size") >= FEWEST
    return rows[enough.to_numpy(bool)]


def correlations(rows: pd.DataFrame) -> Array:
    """Spearman's correlation of the estimate and `score` within each run; NaN where either does not vary."""
    found = []
    for _, run in rows.groupby("id"):
        varies = run["critic"].nunique() > 1 and run["score"].nunique() > 1
        found.append(float(stats.spearmanr(run["critic"], run["score"])[0]) if varies else np.nan)
    return np.array(found)


def median_interval(values: Array, confidence: float) -> tuple[float, float]:
    """Two of the ordered values that enclose the median of their distribution, whatever it is; NaN for too few values.

    The j-th lowest and the j-th highest of n miss it with probability 2 P(Binomial(n, 1/2) < j): from 6 values on there
    is an interval at 95 %.
    """
    ordered = np.sort(values)
    j = int(stats.binom.ppf((1 - confidence) / 2, len(ordered), 0.5))
    while j > 0 and 2 * stats.binom.cdf(j - 1, len(ordered), 0.5) > 1 - confidence:
        j -= 1
    return (float(ordered[j - 1]), float(ordered[-j])) if j else (np.nan, np.nan)
