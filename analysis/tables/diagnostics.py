"""The table of diagnostics: scores that explain the quality of a generator."""

from __future__ import annotations

from typing import Any

import pandas as pd

from analysis.loading.cells import cell_order
from analysis.loading.protocols import is_number
from landscape.scores import COLUMNS, DIAGNOSTICS
from landscape.store.protocols import EvalProtocol

HEADERS = {"cell": "cell", **{key: COLUMNS[key].label for key in DIAGNOSTICS if COLUMNS[key].label}}
REAL = "held-out real images"


def diagnostic_table(runs: pd.DataFrame, protocol: EvalProtocol) -> pd.DataFrame:
    """One row per cell: medians over its runs of the diagnostics that were measured (columns of `HEADERS`).

    `runs` is one section (one data set, one protocol), `protocol` its text. The last row, `REAL`, has the scores of
    held-out real images, as far as the protocol has them.
    """
    measured = [key for key in HEADERS if key != "cell" and runs[key].notna().any()]
    rows: list[dict[Any, Any]] = []
    for label in cell_order(runs):
        cell = runs.loc[runs["cell"] == label, measured]
        if cell.notna().any(axis=None):
            rows.append({"cell": label, **cell.median().to_dict()})
    known = {key: float(v) for key, v in (protocol.floor or {}).items() if key in measured and is_number(v)}
    if rows and known:
        rows.append({"cell": REAL, **known})
    return pd.DataFrame(rows, columns=["cell", *measured])


def describe_cost(rows: pd.DataFrame) -> str:
    """The median seconds of features and of each score per evaluation, as a sentence; empty if unknown."""
    parts = pd.DataFrame([cost for cost in rows["cost"] if isinstance(cost, dict) and cost])
    if parts.empty:
        return ""
    medians = parts.median().sort_values(ascending=False)
    said = ", ".join(f"{name} {value:.2g} s" for name, value in medians.items() if value >= 0.005)
    return f"Median cost of an evaluation: {said or 'under 5 ms per score'}."
