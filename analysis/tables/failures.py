"""Runs that failed, diverged, were stopped or have no finite score: their reasons, with counts, and single runs."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd

from landscape.store import DIVERGED, FAILED, STATES, STOPPED, Store

# States that need no explanation.
OK_STATES = {state for state in STATES if state not in (DIVERGED, FAILED, STOPPED)}
RANK = {FAILED: 0, DIVERGED: 1, STOPPED: 2}
LOG_LINES = 12
MAX_SHOWN = 30  # single runs on the page
MAX_PER_KIND = 3  # runs per kind of failure, if there are more than `MAX_SHOWN`


def failures(distinct: pd.DataFrame, store: Store) -> dict[str, Any]:
    """`count`, `kinds` and `runs` of the runs in `distinct` (one row per run) that need an explanation.

    `runs` are at most `MAX_SHOWN` of them, failed ones first, with the ends of their logs. If there are more, they are
    picked round-robin over kinds of failure, at most `MAX_PER_KIND` each, and `kinds` lists all: state, reason (numbers
    left out), cells and count, most frequent first.
    """
    failed_runs = distinct[~distinct["status"].isin(OK_STATES) | np.isinf(distinct["worth"])]
    failed_runs = failed_runs.assign(
        _rank=failed_runs["status"].map(RANK).fillna(3),
        _why=[why(run) for run in failed_runs.to_dict("records")],
    )
    failed_runs["_kind"] = [re.sub(r"\d[\d.,e+-]*", "…", text) for text in failed_runs["_why"]]
    failed_runs["_turn"] = failed_runs.groupby(["status", "_kind"]).cumcount()
    count, kinds = len(failed_runs), []
    if count > MAX_SHOWN:
        failed_runs = failed_runs.sort_values(["_turn", "_rank", "cell", "seed"], kind="stable")
        for (status, kind), group in failed_runs.groupby(["status", "_kind"], sort=False):
            cells = group["cell"].value_counts()
            named = ", ".join(f"{cell} ({n})" for cell, n in cells.head(4).items())
            more = f" and {len(cells) - 4} more cells" if len(cells) > 4 else ""
            kinds.append({"status": status, "reason": kind, "cells": named + more, "count": len(group)})
        kinds.sort(key=lambda kind: -kind["count"])
        failed_runs = failed_runs[failed_runs["_turn"] < MAX_PER_KIND]
    told = failed_runs.head(MAX_SHOWN).sort_values(["_rank", "cell", "seed"], kind="stable")
    runs = [
        {
            **{key: str(run[key]) for key in ("id", "status", "data", "cell", "seed")},
            "step": f"{int(run['step']):,} of {int(run['steps']):,}",
            "reason": run["_why"],
            "log": log_end(store, str(run["id"])) if run["status"] == FAILED else "",
        }
        for run in told.to_dict("records")
    ]
    return {"count": count, "kinds": kinds, "runs": runs}


def why(run: dict[Any, Any]) -> str:
    """Why a run has no score, as recorded."""
    return str(run["reason"] or run["why"] or "no reason was recorded")


def log_end(store: Store, run: str) -> str:
    """The last `LOG_LINES` lines of a run's log, or in parentheses why it cannot be read."""
    try:
        return store.run(run).log_tail(LOG_LINES)
    except OSError as e:
        return f"(the log cannot be read: {e.strerror})"
