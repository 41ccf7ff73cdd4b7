"""The numbers behind the budget curves, few enough for a page that is pointed at: a point for each k that is drawn."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

import numpy as np
import pandas as pd

from analysis.estimators.tuning_curves import Array, budgets, mean_best, median_best_band
from analysis.figures.style import Look

MOST = 60  # points a curve


def budget_curves(
    worths: pd.DataFrame, paths: Mapping[str, Array], no_band: Container[str], look: Mapping[str, Look]
) -> dict[str, Any]:
    """Of each cell the median of the best of k with its band, and the mean, as lists of JSON's numbers and nulls.

    `worths` is a frame of `cells.worths`; cells of `no_band` have none. `paths` are of other cells the best after k
    trials, which stand among the medians. A mean needs finite values only.
    """
    drawn: dict[str, list[dict[str, Any]]] = {"median": [], "mean": []}
    for searched, path in paths.items():
        ks, dressed = budgets(len(path), MOST), look[searched]
        dress = {"label": f"{searched}, as searched", "colour": dressed.colour, "dash": dressed.dash}
        drawn["median"].append(dress | {"x": ks.tolist(), "y": _numbers(path[ks - 1])})
    for label, cell in worths.groupby("cell", sort=False):
        values, capped = cell["worth"].to_numpy(float), cell["capped"].to_numpy(float)
        ks = budgets(len(values), MOST)
        dress = {"label": str(label), "colour": look[str(label)].colour, "dash": look[str(label)].dash}
        found = median_best_band(values, ks, least=cell["least"].to_numpy(float))
        line = dress | {"x": ks.tolist(), "y": _numbers(found.point)}
        if str(label) not in no_band and found.bounded_above.any():
            line |= {"low": _numbers(np.where(found.bounded_above, found.lower, np.nan)), "high": _numbers(found.upper)}
        drawn["median"].append(line)
        if np.isfinite(capped).all():
            drawn["mean"].append(dress | {"x": ks.tolist(), "y": _numbers(mean_best(capped, ks))})
    return drawn


def _numbers(values: Array) -> list[float | None]:
    return [float(f"{value:.5g}") if np.isfinite(value) else None for value in values.tolist()]
