"""Formatting of numbers in the report's tables."""

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


def format_value(key: str, value: Any) -> str:
    """A value of column `key` as text: scores by `format_score`, seconds as a duration; empty for None and NaN."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if key in SECONDS:
        return duration(float(value))
    if key in ("eval_share", "saved_share"):
        return percent(value)
    if isinstance(value, float):
        return format_score(key, value) if math.isfinite(value) else "diverged" if _distance(key) else "infinite"
    return f"{value:,}" if isinstance(value, int | np.integer) and key in COUNTS else str(value)


def _distance(key: str) -> bool:
    return key.startswith("fid") or key in DISTANCES


def format_score(key: str, value: float) -> str:
    """Scores in the formats of their columns, chances with two decimals, the rest like "%g"."""
    column = DISTANCE if _distance(key) or key in SPREADS else COLUMNS.get(key)
    if column is not None:
        return column.text(value)
    if key in ("p", "estimate"):
        return f"{value:.2g}"
    return f"{value:.2f}" if key in SHARES else f"{value:g}"
