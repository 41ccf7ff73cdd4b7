"""How numbers are written in the report's tables."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from analysis.tables.runs_and_cells import COUNTS, DISTANCES, SECONDS, SHARES, SPREADS
from landscape.config.text import duration
from landscape.scores import COLUMNS, DISTANCE


def percent(value: float) -> str:
    """'under 0.1 %', '0.4 %', '12 %'; empty for NaN."""
    if math.isnan(value):
        return ""
    if 0 < value < 0.0005:
        return "under 0.1 %"
    return f"{100 * value:.0f} %" if value >= 0.095 or value == 0 else f"{100 * value:.1f} %"


def written(key: str, value: Any) -> str:
    """A table's value as text: three to four digits of a score, seconds as time; empty where there is none."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if key in SECONDS:
        return duration(float(value))
    if key in ("eval_share", "saved_share"):
        return percent(value)
    if isinstance(value, float):
        return score(key, value) if math.isfinite(value) else "diverged" if _distance(key) else "infinite"
    return f"{value:,}" if isinstance(value, int | np.integer) and key in COUNTS else str(value)


def _distance(key: str) -> bool:
    return key.startswith("fid") or key in DISTANCES


def score(key: str, value: float) -> str:
    """Scores as their columns say, chances to two decimals, rates as short as they go."""
    column = DISTANCE if _distance(key) or key in SPREADS else COLUMNS.get(key)
    if column is not None:
        return column.text(value)
    if key == "p":
        return f"{value:.2g}"
    return f"{value:.2f}" if key in SHARES else f"{value:g}"
