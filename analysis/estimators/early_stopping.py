"""Early stopping: what it saved and cost in quality, by replaying `landscape.store.early_stopping` on finished runs.

Each learning curve is replayed as the worker would have seen it: the rule is checked after every evaluation except the
first and the last. The distance at which the run would have been stopped is compared with its final one. Only runs that
no rule or pruner was watching are used: in a cell with stopped runs, the watched runs that finished are a biased
sample. What was saved, D updates and hours, is of the runs that were stopped.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.estimators.top_share import top_count
from analysis.loading.cells import cell_order, countable
from analysis.loading.clocks import costed
from landscape.config.schema import Stop
from landscape.store import DIVERGED, DONE, STOPPED
from landscape.store.early_stopping import rule_of
from landscape.store.run_status import StopCause
from landscape.store.trials import SEARCH

Array = NDArray[np.float64]

# Replayed if no run had a rule.
USUAL = tuple(f"stop.factor={factor} stop.evaluations=3" for factor in (2, 3, 5))
EVERY = "all cells"
LEAST = 3  # evaluations needed to replay a rule: at step 0, one where it is checked, and the last
REPLAY_COLUMNS = (
    *("rule", "cell", "runs", "stopped", "lost_later", "share", "best", "best_left", "top", "top_stopped"),
    *("lower", "ratio", "fall_from", "fall_to"),
)
TAKEN_COLUMNS = ("cell", "id", "why", "stopped_at", "steps", "then", "end", "ratio", "stop_cause", "pruner")
SAVED_COLUMNS = ("cell", "why", "stopped", "runs", "steps_left", "saved_s", "saved_share")
KINDS: dict[str, str] = {
    StopCause.COLLAPSED: "distance far above the run's best",
    StopCause.SATURATED: "saturated discriminator",
}


class Curves(NamedTuple):
    """Learning curves as matrices, a row per run, as wide as the longest; NaN for unknown values."""

    ids: list[str]
    lengths: NDArray[np.int64]
    step: Array
    fid: Array
    loss_d: Array


def curves(rows: pd.DataFrame) -> Curves:
    """`rows` (of `load_rows`, one protocol) as matrices."""
    run, ids = pd.factorize(rows["id"])  # numbers sort faster than names
    order = np.lexsort((rows["step"].to_numpy(float), run))
    lengths = np.bincount(run, minlength=len(ids)).astype(np.int64)
    place = np.arange(len(run)) - np.repeat(np.cumsum(lengths) - lengths, lengths)

    def wide(key: str) -> Array:
        made = np.full((len(ids), int(lengths.max(initial=0))), np.nan)
        made[run[order], place] = rows[key].to_numpy(float)[order]
        return made

    return Curves([str(one) for one in ids], lengths, wide("step"), wide("fid"), wide("loss_d"))


def stops_at(found: Curves, rule: Stop) -> NDArray[np.int64]:
    """The evaluation (from 0) after which `rule` would have stopped each run; -1 for a run that it would not.

    Applies `landscape.store.early_stopping.reason_to_stop` to all prefixes of all runs at once. The last evaluation is
    not checked, as the run ends there. The last row of a diverged run is its divergence.
    """
    n = rule.evaluations or 1
    runs, width = found.fid.shape
    ends = np.zeros((runs, width), bool)
    best = np.fmin.accumulate(found.fid, axis=1) if width else found.fid
    for at in range(n - 1, width):
        window = slice(at - n + 1, at + 1)
        fid, loss = found.fid[:, window], found.loss_d[:, window]
        if rule.loss_d is not None:
            ends[:, at] |= ((loss >= 0) & (loss <= rule.loss_d)).all(1)
        if rule.factor is not None:
            above = np.isnan(fid) | (fid > rule.factor * best[:, [at]])
            ends[:, at] |= above.all(1) & np.isfinite(best[:, at])
    places = np.arange(width)
    ends &= (places >= 1) & (places < found.lengths[:, None] - 1)
    return np.where(ends.any(1), ends.argmax(1) if width else 0, -1)


def free_runs(runs: pd.DataFrame) -> pd.DataFrame:
    """The finished runs on which rules can be replayed; `runs` is one section, stopped runs included.

    In a cell with stopped runs, runs planned with a rule, and runs of a search whose pruner stopped some, are left out.
    """
    stopped = runs[runs["status"] == STOPPED]
    pruned = set(stopped.loc[stopped["stop_cause"] == StopCause.PRUNED, "sweep"].dropna())
    watched = runs["rule"].notna() | ((runs["stage"] == SEARCH) & runs["sweep"].isin(pruned))
    finished = runs["status"].isin((DONE, DIVERGED)) & runs["worth"].notna()
    free = finished & ~(watched & runs["cell"].isin(set(stopped["cell"])))
    return countable(runs[free]).drop_duplicates("id")


def rules_of(runs: pd.DataFrame) -> list[str]:
    """The rules that the runs in this frame were planned with; `USUAL` if there are none."""
    return sorted(runs["rule"].dropna().unique()) or list(USUAL)


def replay_table(runs: pd.DataFrame, rows: pd.DataFrame, rules: Sequence[str]) -> pd.DataFrame:
    """One row per rule and cell, and one for all cells, columns `REPLAY_COLUMNS`, without rules longer than all runs.

    `runs` is one section; `rows` its evaluations.

    runs, stopped
                number of finished runs used (`free_runs`), and of those that the rule would have stopped
    lost_later  of the latter, how many diverged later
    share       share of the seconds of all these runs that the rule would have saved
    best, best_left
                the lowest final distance of all runs, and of those that the rule would not have stopped
    top, top_stopped
                size of the top 5 % of the cell (rounded up, no diverged runs), and how many of it the rule would stop
    lower       of the stopped runs, how many ended with a lower distance than when they would have been stopped
    ratio       the median over stopped runs of final distance / distance when stopped
    fall_from, fall_to
                of the run that improved most: the distance when it would have been stopped, and the final one

    A diverged run ends at infinity, and so does a run that would have been stopped at a distance that is not finite.
    """
    free = free_runs(costed(runs))
    # Done runs with too few evaluations are left out; runs that diverged that early were not stopped.
    free = free[(free["evaluations"] >= LEAST) | np.isinf(free["worth"])]
    found = curves(rows[rows["id"].isin(set(free["id"]))])
    free = free.set_index("id").reindex(found.ids).reset_index()
    worth, cells = free["worth"].to_numpy(float), free["cell"].to_numpy(str)
    members = {label: cells == label for label in cell_order(free)}
    best = np.zeros(len(free), bool)
    for mine in members.values():
        order = np.flatnonzero(mine)
        best[order[np.argsort(worth[order], kind="stable")[: top_count(len(order))]]] = True
    best &= np.isfinite(worth)  # diverged runs are never among the best
    made: list[tuple[object, ...]] = []
    for text in rules:
        rule = rule_of(text)
        if not (found.lengths >= max(LEAST, (rule.evaluations or 1) + 1)).any():
            continue
        ended = _ended(free, found, stops_at(found, rule))
        for label, mine in members.items():
            left = worth[mine & ~ended.stopped]
            lowest = float(worth[mine].min()), float(left.min()) if len(left) else np.nan
            made.append((text, label, *_counts(ended, worth, best, mine, lowest)))
        if len(members) > 1:
            everywhere = np.ones(len(free), bool)
            made.append((text, EVERY, *_counts(ended, worth, best, everywhere, (np.nan, np.nan))))
    return pd.DataFrame(made, columns=list(REPLAY_COLUMNS))


class Ended(NamedTuple):
    """The effect of a rule on each run: arrays over runs."""

    stopped: NDArray[np.bool_]
    then: Array  # distance when it would have been stopped
    ratio: Array  # final distance / then
    cost: Array  # seconds of the run
    saved: Array  # seconds that the rule would have saved


def _ended(free: pd.DataFrame, found: Curves, at: NDArray[np.int64]) -> Ended:
    stopped, every = at >= 0, np.arange(len(at))
    worth, clocks = free["worth"].to_numpy(float), free[["train_s", "eval_s"]].to_numpy(float)
    then = np.where(stopped, found.fid[every, at], np.nan)
    then = np.where(stopped & np.isnan(then), np.inf, then)
    with np.errstate(divide="ignore", invalid="ignore"):
        # Training in proportion to updates, evaluation in proportion to evaluations.
        trained = found.step[every, at] / free["step"].to_numpy(float)
        ratio = np.where(np.isinf(worth), np.inf, worth / then)
    left = 1 - np.stack([trained, (at + 1) / found.lengths], axis=1)
    return Ended(stopped, then, ratio, clocks.sum(1), np.where(stopped, (clocks * left).sum(1), 0.0))


def _counts(
    ended: Ended, worth: Array, best: NDArray[np.bool_], mine: NDArray[np.bool_], lowest: tuple[float, float]
) -> tuple[object, ...]:
    """`REPLAY_COLUMNS` except the first two, for the runs `mine`."""
    gone = mine & ended.stopped
    fell = np.flatnonzero(gone & (ended.ratio < 1))
    fall = (np.nan, np.nan)
    if len(fell):
        most = fell[np.argmin(ended.ratio[fell])]
        fall = float(ended.then[most]), float(worth[most])
    cost, saved = float(ended.cost[mine].sum()), float(ended.saved[mine].sum())
    return (
        *(int(mine.sum()), int(gone.sum()), int(np.isinf(worth[gone]).sum()), share(saved, cost - saved)),
        *(*lowest, int((mine & best).sum()), int((gone & best).sum()), len(fell)),
        *(float(np.median(ended.ratio[gone])) if gone.any() else np.nan, *fall),
    )


def taken_up(runs: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """One row per run that one sweep stopped and another finished, columns `TAKEN_COLUMNS`, most improved first.

    `then` and `end` are the distance when the run was stopped and the final one, infinite if not finite or diverged;
    `ratio` is `end` / `then`.
    """
    use = runs[runs["status"].isin((DONE, DIVERGED)) & runs["stopped_at"].notna() & runs["worth"].notna()]
    use = use.drop_duplicates("id")
    merged = rows[["id", "step", "fid"]].merge(use[["id", "stopped_at"]], on="id")
    at = merged[merged["step"] == merged["stopped_at"]].drop_duplicates("id").set_index("id")["fid"]
    use = use[use["id"].isin(at.index)]
    then, end = use["id"].map(at).fillna(np.inf), use["worth"]
    made = use.assign(why=use["stopped_why"], then=then, end=end, ratio=np.where(np.isinf(end), np.inf, end / then))
    made = made.sort_values("ratio", kind="stable")[list(TAKEN_COLUMNS)].reset_index(drop=True)
    return made.astype({"stopped_at": int, "steps": int})


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
    made = runs["evaluations"].to_numpy(float)  # the one at step 0 among them
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


def share(part: float, rest: float) -> float:
    """`part` / (`part` + `rest`), NaN if both are zero."""
    return part / (part + rest) if part + rest > 0 else math.nan
