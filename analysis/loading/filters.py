"""Part of a store, or rows from elsewhere: `--where loss=ns` and `--csv FILE` of the report."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pandas as pd

from analysis.loading.read_run import SCORES
from analysis.loading.runs import RUN_COLUMNS, Collected
from landscape.config.errors import UserError
from landscape.store import DONE
from landscape.store.trials import GRID

NEEDED = ("data", "arch", "loss", "penalty", "norm", "fid")
DEFAULTS: dict[str, Any] = {"n_dis": 1, "seed": 0, "repeat": 0, "status": DONE, "stage": GRID, "evaluations": 1}
WORDS: tuple[str, ...] = (
    *("id", "status", "reason", "data", "arch", "loss", "penalty", "norm", "cell", "setting", "protocol", "why"),
    *("device", "rule", "stopped_why", "stop_cause", "pruner", "superseded"),
    *("stage", "sampler", "sweep", "search", "alike"),
)
# Columns that tell what came of a run: its state, its scores, and where and why it ended.
OUTCOMES = {
    *("status", "reason", "why", "step", "evaluations", "worth", "fid", "fid_last", "fid_best", "fid_start", *SCORES),
    *("diversity", "stopped_at", "stopped_why", "stop_cause", "pruner", "train_s", "eval_s", "wasted_s"),
}
WHOLE = ("n_dis", "seed", "repeat", "evaluations", "device_kinds", "sharing")
MOST = 2**53  # of whole numbers: above, a CSV's float names no single one
ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")  # a run's id names files of the report


def where(found: Collected, conditions: Iterable[str]) -> Collected:
    """The runs of `found` that meet all `conditions`, each "column=value" or "column=one,other" (any of them).

    Raises `UserError` for what is no condition, a column there is not, and conditions that leave no run.
    """
    runs, conditions = found.runs, tuple(conditions)
    for condition in conditions:
        key, sign, text = condition.partition("=")
        values = [value.strip() for value in text.split(",") if value.strip()]
        if not sign or not values:
            raise UserError(f"--where {condition}: give a column and its values, as in --where loss=ns,wgan")
        if key not in runs:
            raise UserError(f"--where {condition}: there is no column {key}; there are {', '.join(RUN_COLUMNS)}")
        kept = runs[_among(runs[key], values)]
        if kept.empty:
            there = sorted({str(value) for value in runs[key].dropna()})
            shown = ", ".join(there[:12]) + (", ..." if len(there) > 12 else "")
            raise UserError(f"--where {condition} leaves no run; {key} is one of: {shown or 'nothing'}")
        runs = kept
    ids = set(runs["id"])
    parts: dict[str, Any] = {"runs": runs.reset_index(drop=True), "narrowed": found.narrowed + conditions}
    for key in ("rows", "trials"):
        frame = getattr(found, key)
        parts[key] = frame[frame["id"].isin(ids)].reset_index(drop=True)
    for key in ("meta", "configs", "looks", "warnings"):
        parts[key] = {run: value for run, value in getattr(found, key).items() if run in ids}
    return replace(found, **parts)


def on_outcome(condition: str) -> bool:
    """Whether a condition of `--where` picks runs by what came of them: cells are then not what was drawn."""
    key = re.match(r"[\w.]*", condition)
    return key is not None and key[0] in OUTCOMES


def _among(column: pd.Series, values: list[str]) -> pd.Series:
    if pd.api.types.is_numeric_dtype(column):
        numbers = pd.to_numeric(pd.Series(values), errors="coerce")
        return column.isin(numbers.dropna())
    return column.astype(str).isin(values)
