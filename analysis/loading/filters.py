"""Filters on loaded runs: the report's `--where loss=ns`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from analysis.loading.runs import RUN_COLUMNS, Collected
from landscape.config.where import filter_mask
from landscape.scores import NUMBERS
from landscape.store import STATES

# Columns that describe a run's outcome: its state, scores, costs, and when and why it ended.
OUTCOMES = {
    *("status", "reason", "why", "step", "evaluations", "worth", "fid", "fid_last", "fid_best", "fid_start", *NUMBERS),
    *("diversity", "stopped_at", "stopped_why", "stop_cause", "pruner", "train_s", "eval_s", "wasted_s"),
}


def filter_runs(found: Collected, conditions: Iterable[str]) -> Collected:
    """The part of `found` whose runs meet all `conditions`.

    Conditions are as in `landscape.config.where`; keys may also be columns of `analysis.load`. Raises `UserError` for
    an invalid condition, a key or value that no run has, and conditions that leave no run.
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
    parts: dict[str, Any] = {"runs": runs.reset_index(drop=True), "filters": found.filters + conditions}
    for key in ("rows", "trials"):
        frame = getattr(found, key)
        parts[key] = frame[frame["id"].isin(ids)].reset_index(drop=True)
    for key in ("meta", "configs", "file_stats", "warnings"):
        parts[key] = {run: value for run, value in getattr(found, key).items() if run in ids}
    return replace(found, **parts)


def on_outcome(condition: str) -> bool:
    """Whether a `--where` condition selects runs by their outcome: the rest is then a biased sample of each cell."""
    key = re.match(r"[\w.]*", condition)
    return key is not None and key[0] in OUTCOMES


def _value(config: str, key: str) -> Any:
    """The value of `key` in a configuration kept as text, one key per line; None if absent."""
    begin = f"{key}: "
    text = next((line.removeprefix(begin) for line in config.splitlines() if line.startswith(begin)), "null")
    if text in ("null", "true", "false"):
        return {"null": None, "true": True, "false": False}[text]
    try:
        return float(text)
    except ValueError:
        return text
