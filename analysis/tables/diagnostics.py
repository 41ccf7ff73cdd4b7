"""The table of diagnostics: scores that ask why a generator is good or bad, of the runs that were asked."""

from __future__ import annotations

from typing import Any

import pandas as pd

from analysis.loading.cells import cell_order
from analysis.loading.protocols import is_number
from landscape.scores import COLUMNS, DIAGNOSTICS
from landscape.store.protocols import EvalProtocol

HEADS = {"cell": "cell", **{key: COLUMNS[key].label for key in DIAGNOSTICS if COLUMNS[key].label}}
REAL = "other real images"


def diagnostic_table(runs: pd.DataFrame, protocol: EvalProtocol) -> pd.DataFrame:
    """One row a cell with a diagnostic, columns `HEADS` that are measured; last what real images score, if known.

    `runs` is one section (one data set, one protocol), `protocol` its text. Medians over the runs that have a value.
    """
    measured = [key for key in HEADS if key != "cell" and runs[key].notna().any()]
    rows: list[dict[Any, Any]] = []
    for label in cell_order(runs):
        cell = runs.loc[runs["cell"] == label, measured]
        if cell.notna().any(axis=None):
            rows.append({"cell": label, **cell.median().to_dict()})
    known = {key: float(v) for key, v in (protocol.floor or {}).items() if key in measured and is_number(v)}
    if rows and known:
        rows.append({"cell": REAL, **known})
    return pd.DataFrame(rows, columns=["cell", *measured])


def spell_cost(rows: pd.DataFrame) -> str:
    """Seconds that features and each score took, medians over evaluations, as a sentence; empty where unknown."""
    parts = pd.DataFrame([cost for cost in rows["cost"] if isinstance(cost, dict) and cost])
    if parts.empty:
        return ""
    medians = parts.median().sort_values(ascending=False)
    said = ", ".join(f"{name} {value:.2g} s" for name, value in medians.items() if value >= 0.005)
    return f"An evaluation's cost (medians): {said or 'under 5 ms a score'}."
