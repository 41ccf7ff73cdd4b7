"""What failed, diverged, was stopped or has no finite score, and why: kinds with their counts, and single runs."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd

from landscape.store import DIVERGED, FAILED, STATES, STOPPED, Store

# A run that ended in one of these, or goes on, needs no word on what happened to it.
QUIET = {state for state in STATES if state not in (DIVERGED, FAILED, STOPPED)}
RANK = {FAILED: 0, DIVERGED: 1, STOPPED: 2}
LOG_LINES = 12
TOLD = 30  # single runs that the page tells of at most; all are in the table of runs
OF_A_KIND = 3  # of these, where there are more


def troubles(distinct: pd.DataFrame, store: Store) -> dict[str, Any]:
    """`distinct` has one row a run. Gives `count`; `kinds`, where there are more than `TOLD`: state, reason (numbers
    left open), cells and count, most first; `runs`: the first of them, failed ones first and with their log's end.

    Of many, each kind is told by `OF_A_KIND` runs at most, and by one before any by two.
    """
    loud = distinct[~distinct["status"].isin(QUIET) | np.isinf(distinct["worth"])]
    loud = loud.assign(
        _rank=loud["status"].map(RANK).fillna(3),
        _why=[why(run) for run in loud.to_dict("records")],
    )
    loud["_kind"] = [re.sub(r"\d[\d.,e+-]*", "…", text) for text in loud["_why"]]
    loud["_turn"] = loud.groupby(["status", "_kind"]).cumcount()
    count, kinds = len(loud), []
    if count > TOLD:
        loud = loud.sort_values(["_turn", "_rank", "cell", "seed"], kind="stable")
        for (status, kind), group in loud.groupby(["status", "_kind"], sort=False):
            cells = group["cell"].value_counts()
            named = ", ".join(f"{cell} ({n})" for cell, n in cells.head(4).items())
            more = f" and {len(cells) - 4} more cells" if len(cells) > 4 else ""
            kinds.append({"status": status, "reason": kind, "cells": named + more, "count": len(group)})
        kinds.sort(key=lambda kind: -kind["count"])
        loud = loud[loud["_turn"] < OF_A_KIND]
    told = loud.head(TOLD).sort_values(["_rank", "cell", "seed"], kind="stable")
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
    """Why a run has no score, in the words of its record."""
    return str(run["reason"] or run["why"] or "no reason was recorded")


def log_end(store: Store, run: str) -> str:
    """The last lines of a run's log, or in brackets why it cannot be read."""
    try:
        return store.run(run).log_tail(LOG_LINES)
    except OSError as e:
        return f"(the log cannot be read: {e.strerror})"
