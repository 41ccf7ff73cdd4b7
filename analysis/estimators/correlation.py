"""Rank correlation of two scores over runs."""

from __future__ import annotations

import pandas as pd
from scipy import stats


def spearman(frame: pd.DataFrame, one: str, other: str) -> float:
    """Rank correlation of two columns; NaN for a constant column or fewer than three rows."""
    if len(frame) < 3 or frame[one].nunique() < 2 or frame[other].nunique() < 2:
        return float("nan")
    return float(stats.spearmanr(frame[one], frame[other]).statistic)
