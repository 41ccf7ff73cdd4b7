"""What early stopping saved: D updates and time, by cell and by reason."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.estimators.early_stopping import share
from analysis.loading.cells import cell_order
from analysis.loading.clocks import costed
from landscape.store import STOPPED
from landscape.store.run_status import StopCause

SAVED_COLUMNS = ("cell", "why", "stopped", "runs", "steps_left", "saved_s", "saved_share")
KINDS: dict[str, str] = {
    StopCause.COLLAPSED: "distance far above the run's best",
    StopCause.SATURATED: "saturated discriminator",
}


def kind(cause: str | None, pruner: str | None) -> str:
    """The rule or pruner that stopped a run, in a few words."""
    if cause == StopCause.PRUNED:
        return f"pruner {pruner or '?'}"
    return KINDS.get(cause or "", "other")


def saved_seconds(runs: pd.DataFrame) -> pd.Series:
    """The seconds that each stopped run would have taken for its remaining updates and evaluations, at its own speed.

    A D update costs what it cost so far (with `--step-costs`, `train_s` is from these), and so does an evaluation, at
    the run's interval. NaN if the run made no update or has no learning curve.
    """
    step, left = runs["step"].to_numpy(float), (runs["steps"] - runs["step"]).to_numpy(float)
    made = runs["evaluations"].to_numpy(float)  # including the one at step 0
    with np.errstate(divide="ignore", invalid="ignore"):
        evaluations = np.ceil(np.round(left * (made - 1) / step, 6))
        seconds = runs["train_s"].to_numpy(float) / step * left + runs["eval_s"].to_numpy(float) / made * evaluations
    return pd.Series(np.where(np.isfinite(seconds), seconds, np.nan), index=runs.index)


def saved_table(runs: pd.DataFrame) -> pd.DataFrame:
    """One row per cell and reason, columns `SAVED_COLUMNS`; `runs` is one section, stopped runs included.

    stopped, runs  number of runs with the status "stopped", and of runs in the cell that began training
    steps_left     D updates that the stopped runs did not do
    saved_s        seconds that these, with their evaluations, would have taken
    saved_share    the same as a share of what all runs of the cell would have taken without stopping
    """
    runs = costed(runs)
    runs = runs[runs["step"] > 0]
    stopped = runs[runs["status"] == STOPPED]
    causes = zip(stopped["stop_cause"], stopped["pruner"], strict=True)
    stopped = stopped.assign(why=[kind(*one) for one in causes], saved_s=saved_seconds(stopped))
    rows = []
    for label in cell_order(stopped):
        cell, mine = runs[runs["cell"] == label], stopped[stopped["cell"] == label]
        spent = float(cell[["train_s", "eval_s"]].sum().sum() + mine["saved_s"].sum())
        for why, group in mine.groupby("why", sort=True):
            saved = float(group["saved_s"].sum())
            left = int((group["steps"] - group["step"]).sum())
            rows.append((label, why, len(group), len(cell), left, saved, share(saved, spent - saved)))
    return pd.DataFrame(rows, columns=list(SAVED_COLUMNS))


def saved_whole(runs: pd.DataFrame, table: pd.DataFrame) -> dict[str, float]:
    """Totals of `saved_table` over all cells: stopped, runs, steps_left, saved_s, saved_share."""
    spent, saved = float(costed(runs)[["train_s", "eval_s"]].sum().sum()), float(table["saved_s"].sum())
    counts = {key: int(table[key].sum()) for key in ("stopped", "steps_left")}
    return {**counts, "runs": int((runs["step"] > 0).sum()), "saved_s": saved, "saved_share": share(saved, spent)}
