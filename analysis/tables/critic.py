"""The table of the critic: how its estimate moves with the score in a run, and the share of weights at a clip."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from analysis.estimators.critic import cells_told, correlations, median_interval, with_estimates

HEADERS = {
    "cell": "cell",
    "runs": "runs",
    "evaluations": "evaluations a run",
    "correlation": "rank correlation within a run, median",
    "correlation_low": "95 % from",
    "correlation_high": "to",
    "estimate": "last estimate, median",
    "saturated": "weights at the clip, first",
    "saturated_last": "last",
}


def critic_table(rows: pd.DataFrame, order: list[str], confidence: float) -> pd.DataFrame:
    """One row per cell of `order` whose runs recorded the critic's estimate often enough (columns of `HEADERS`).

    `rows` are evaluations of one section with the columns `cell` and `score`.
    """
    told = with_estimates(rows)
    made: list[dict[str, Any]] = []
    for label in cells_told(told, order):
        cell = told[told["cell"] == label].sort_values("step")
        found = correlations(cell)
        found = found[np.isfinite(found)]
        low, high = median_interval(found, confidence) if len(found) else (np.nan, np.nan)
        ends = {"estimate": cell.groupby("id")["critic"].last(), "saturated": cell.groupby("id")["saturated"].first()}
        ends["saturated_last"] = cell.groupby("id")["saturated"].last()
        made.append(
            {
                "cell": label,
                "runs": cell["id"].nunique(),
                "evaluations": int(cell.groupby("id").size().median()),
                "correlation": float(np.median(found)) if len(found) else np.nan,
                "correlation_low": low,
                "correlation_high": high,
                **{key: float(each.median()) for key, each in ends.items()},
            }
        )
    return pd.DataFrame(made, columns=list(HEADERS))
