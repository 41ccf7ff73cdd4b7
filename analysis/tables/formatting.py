"""How numbers are written in the report's tables."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from analysis.loading.read_run import DIAGNOSTICS
from analysis.tables.runs_and_cells import COUNTS, DISTANCES, SECONDS, SHARES, SPREADS


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
        return seconds(float(value))
    if key in ("eval_share", "saved_share"):
        return percent(value)
    if isinstance(value, float):
        return score(key, value) if math.isfinite(value) else "diverged" if _distance(key) else "infinite"
    return f"{value:,}" if isinstance(value, int | np.integer) and key in COUNTS else str(value)


def _distance(key: str) -> bool:
    return key.startswith("fid") or key in DISTANCES


def score(key: str, value: float) -> str:
    """Distances to four digits, IS, chances and similarities to three decimals at most, rates as short as they go."""
    if abs(value) >= 1e9:
        return f"{value:.4g}"
    if _distance(key) or key in SPREADS:
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    if key in DIAGNOSTICS:
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    if key in ("is", "is_std") or key in SHARES:
        return f"{value:.2f}"
    if key == "p":
        return f"{value:.2g}"
    return f"{value:.3f}" if key in ("ms_ssim", "diversity", "quality") else f"{value:g}"


def seconds(value: float) -> str:
    """'38 s', '12.5 min', '3.2 h' or '4.1 d'; never a zero for something that took time."""
    for size, unit in ((86400.0, "d"), (3600.0, "h"), (60.0, "min")):
        if value >= 2 * size:
            return f"{value / size:.1f} {unit}"
    return f"{value:.0f} s" if value >= 10 or value == 0 else f"{value:.1f} s"
