"""The budget curves as JSON, for the page's interactive chart."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

import numpy as np
import pandas as pd

from analysis.estimators.tuning_curves import Array, budgets, mean_best, median_best_band
from analysis.figures.style import CellStyle
from analysis.loading.measure import Measure

MAX_POINTS = 60  # per curve


def budget_curves(
    units: pd.DataFrame,
    paths: Mapping[str, Array],
    no_band: Container[str],
    styles: Mapping[str, CellStyle],
    measure: Measure,
) -> dict[str, Any]:
    """The lines of the chart by kind, "median" (with its band, unless in `no_band`) and "mean", one per cell.

    `units` is a frame of `cells.unit_values`. `paths` has the best after k trials of other cells, drawn with the
    medians. Values that are not finite are None. A cell has no mean if a diverged run has no step-0 score. Of a band
    `low` is the better end and `high` the worse one.
    """
    drawn: dict[str, list[dict[str, Any]]] = {"median": [], "mean": []}
    for searched, path in paths.items():
        ks = budgets(len(path), MAX_POINTS)
        style = styles[searched]
        base = {"label": f"{searched}, as searched", "color": style.color, "dash": style.dash}
        drawn["median"].append(base | {"x": ks.tolist(), "y": _numbers(measure.own(path[ks - 1]))})
    for label, cell in units.groupby("cell", sort=False):
        values, capped = cell["worth"].to_numpy(float), cell["capped"].to_numpy(float)
        ks = budgets(len(values), MAX_POINTS)
        base = {"label": str(label), "color": styles[str(label)].color, "dash": styles[str(label)].dash}
        found = median_best_band(values, ks, least=cell["least"].to_numpy(float), best=measure.best)
        line = base | {"x": ks.tolist(), "y": _numbers(measure.own(found.point))}
        if str(label) not in no_band and found.bounded_above.any():
            low, high = np.where(found.bounded_above, found.lower, np.nan), found.upper
            line |= {"low": _numbers(measure.own(low)), "high": _numbers(measure.own(high))}
        drawn["median"].append(line)
        if np.isfinite(capped).all():
            drawn["mean"].append(
                base | {"x": ks.tolist(), "y": _numbers(measure.own(mean_best(capped, ks, measure.best)))}
            )
    return drawn


def _numbers(values: Array) -> list[float | None]:
    return [float(f"{value:.5g}") if np.isfinite(value) else None for value in values.tolist()]
