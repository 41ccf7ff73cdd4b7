"""Part of what was loaded: `--where loss=ns` of the report."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from analysis.loading.runs import RUN_COLUMNS, Collected
from landscape.config.where import filter_mask
from landscape.scores import NUMBERS
from landscape.store import STATES

# Columns that tell what came of a run: its state, its scores, and where and why it ended.
OUTCOMES = {
    *("status", "reason", "why", "step", "evaluations", "worth", "fid", "fid_last", "fid_best", "fid_start", *NUMBERS),
    *("diversity", "stopped_at", "stopped_why", "stop_cause", "pruner", "train_s", "eval_s", "wasted_s"),
}


def where(found: Collected, conditions: Iterable[str]) -> Collected:
    """The runs of `found` that meet all `conditions`, in the language of `landscape.config.where`; a key may also be a
    column of `analysis.load`.

    Raises `UserError` for what is no condition, a key or a value that no run has, and conditions that leave no run.
    """
    runs, conditions = found.runs, tuple(conditions)
    if not conditions:
        return found

    def column(key: str) -> Sequence[Any]:
        if key in runs:
            return list(runs[key])
        told = {run: _value(text, key) for run, text in found.configs.items()}
        return [told.get(run) for run in runs["id"]]

    met = filter_mask(conditions, column, len(runs), RUN_COLUMNS, {"status": STATES})
    runs = runs[met]
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


def _value(config: str, key: str) -> Any:
    """A value of a configuration that is kept as text, a key a line."""
    begin = f"{key}: "
    text = next((line.removeprefix(begin) for line in config.splitlines() if line.startswith(begin)), "null")
    if text in ("null", "true", "false"):
        return {"null": None, "true": True, "false": False}[text]
    try:
        return float(text)
    except ValueError:
        return text
