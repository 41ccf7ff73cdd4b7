"""What stopping would have cost in quality: the rules of `landscape.stopping`, replayed on runs that were let finish.

Each learning curve is gone through as the worker would have: after every evaluation but the first and the last. What
the run would have been worth had it ended there stands beside what it ended at. This speaks of runs that nothing
stopped; where a rule or pruner has taken runs out of a cell, those that it watched and let go on are a selection and
are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.cells import cell_order, countable
from analysis.tables import share
from analysis.top import top_count
from analysis.trials import SEARCH
from landscape.config import Stop
from landscape.stopping import PRUNED, rule_of
from landscape.store import DIVERGED, DONE, STOPPED

Array = NDArray[np.float64]

# Replayed where the store used no rule.
USUAL = tuple(f"stop.factor={factor} stop.evaluations=3" for factor in (2, 3, 5))
EVERY = "all cells"
LEAST = 3  # evaluations of a run that can have been stopped: at step 0, when it is asked, and at the end
REPLAY_COLUMNS = (
    *("rule", "cell", "runs", "stopped", "lost_later", "share", "best", "best_left", "top", "top_stopped"),
    *("lower", "ratio", "fall_from", "fall_to"),
)
TAKEN_COLUMNS = ("cell", "id", "why", "stopped_at", "steps", "then", "end", "ratio")


class Curves(NamedTuple):
    """Learning curves of several runs, a row a run, as wide as the longest; NaN is a value that is not known."""

    ids: list[str]
    lengths: NDArray[np.int64]
    step: Array
    fid: Array
    loss_d: Array


def curves(rows: pd.DataFrame) -> Curves:
    """`rows` (of `load_rows`, one protocol) as matrices."""
    ordered = rows[["id", "step", "fid", "loss_d"]].sort_values(["id", "step"], kind="stable")
    ids = ordered["id"].to_numpy()
    starts = np.flatnonzero(np.r_[True, ids[1:] != ids[:-1]]) if len(ids) else np.array([], int)
    lengths = np.diff(np.r_[starts, len(ids)])
    run = np.repeat(np.arange(len(starts)), lengths)
    place = np.arange(len(ids)) - np.repeat(starts, lengths)

    def wide(key: str) -> Array:
        made = np.full((len(starts), int(lengths.max(initial=0))), np.nan)
        made[run, place] = ordered[key].to_numpy(float)
        return made

    return Curves([str(one) for one in ids[starts]], lengths, wide("step"), wide("fid"), wide("loss_d"))


def stops_at(found: Curves, rule: Stop) -> NDArray[np.int64]:
    """The evaluation (from 0) after which `rule` would have ended each run; -1 where it would have let it finish.

    `landscape.stopping.reason_to_stop` for all prefixes of all runs at once. The last evaluation is not asked: the run
    ends there anyway. Of a diverged run the last row says that it diverged.
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
    """The finished runs that tell what stopping would have cost; `runs` is one section, stopped runs included.

    Where a cell has stopped runs, its runs that were planned with a rule, and those of a search whose pruner stopped
    some, are left out.
    """
    stopped = runs[runs["status"] == STOPPED]
    pruned = set(stopped.loc[stopped["reason"].fillna("").str.startswith(PRUNED), "sweep"].dropna())
    watched = runs["rule"].notna() | ((runs["stage"] == SEARCH) & runs["sweep"].isin(pruned))
    finished = runs["status"].isin((DONE, DIVERGED)) & runs["worth"].notna()
    free = finished & ~(watched & runs["cell"].isin(set(stopped["cell"])))
    return countable(runs[free]).drop_duplicates("id")


def rules_of(runs: pd.DataFrame) -> list[str]:
    """The rules that runs of this frame were planned with; `USUAL` where there are none."""
    return sorted(runs["rule"].dropna().unique()) or list(USUAL)


def replay_table(runs: pd.DataFrame, rows: pd.DataFrame, rules: Sequence[str]) -> pd.DataFrame:
    """A row a rule and cell, and one for all cells, columns `REPLAY_COLUMNS`; rules that no run is long enough for are
    left out.

    `runs` is one section; `rows` its evaluations.

    runs        finished runs that count here (`free_runs`); stopped: how many of them the rule would have ended
    lost_later  of those, how many diverged later
    share       of the seconds of all of them, that it would have saved
    best, best_left
                the lowest final distance with all of them, and with those that it would have let finish
    top, top_stopped
                the best 5 % of the cell (ceil), and how many of these it would have ended
    lower       of those that it would have ended, how many ended lower than they were then
    ratio       the median over them of the final distance over that at which they would have been stopped
    fall_from, fall_to
                of the run that fell most: the distance when it would have been stopped, and the final one

    A diverged run ends at infinity, so does one that would have been stopped at a distance that is not finite.
    """
    free = free_runs(runs)
    # A run that is done and was scored once or twice tells nothing; one that diverged so early was not stopped.
    free = free[(free["evaluations"] >= LEAST) | np.isinf(free["worth"])]
    found = curves(rows[rows["id"].isin(set(free["id"]))])
    free = free.set_index("id").reindex(found.ids)
    step, cost = free["step"].to_numpy(float), free[["train_s", "eval_s"]].to_numpy(float)
    worth, cells = free["worth"].to_numpy(float), free["cell"].to_numpy()
    best = np.zeros(len(free), bool)
    for label in set(cells):
        mine = np.flatnonzero(cells == label)
        best[mine[np.argsort(worth[mine], kind="stable")[: top_count(len(mine))]]] = True
    made: list[tuple[object, ...]] = []
    for text in rules:
        rule = rule_of(text)
        if not (found.lengths >= max(LEAST, (rule.evaluations or 1) + 1)).any():
            continue
        at = stops_at(found, rule)
        ended = at >= 0
        every = np.arange(len(at))
        then = np.where(ended, found.fid[every, at], np.nan)
        then = np.where(ended & np.isnan(then), np.inf, then)
        with np.errstate(divide="ignore", invalid="ignore"):
            done = np.where(ended, found.step[every, at] / step, 1.0)
            scored = np.where(ended, (at + 1) / found.lengths, 1.0)
            ratio = np.where(np.isinf(worth), np.inf, worth / then)
        left = cost * (1 - np.stack([done, scored], axis=1))
        order = cell_order(free.reset_index())
        for label in [*order, *([EVERY] if len(order) > 1 else [])]:
            mine = np.ones(len(cells), bool) if label == EVERY else cells == label
            gone = mine & ended
            fell = np.flatnonzero(gone & (ratio < 1))
            most = fell[np.argmin(ratio[fell])] if len(fell) else None
            total, saved = float(cost[mine].sum()), float(left[gone].sum())
            made.append(
                (
                    *(text, label, int(mine.sum()), int(gone.sum()), int(np.isinf(worth[gone]).sum())),
                    *(share(saved, total - saved), *_lowest(worth, mine, gone, label)),
                    *(int((mine & best).sum()), int((gone & best).sum()), len(fell)),
                    float(np.median(ratio[gone])) if gone.any() else np.nan,
                    *((np.nan, np.nan) if most is None else (float(then[most]), float(worth[most]))),
                )
            )
    return pd.DataFrame(made, columns=list(REPLAY_COLUMNS))


def _lowest(worth: Array, mine: NDArray[np.bool_], gone: NDArray[np.bool_], label: str) -> tuple[float, float]:
    """The lowest of a cell, and of what is left of it (NaN for nothing); over cells it says nothing."""
    if label == EVERY:
        return np.nan, np.nan
    left = worth[mine & ~gone]
    return float(worth[mine].min()), float(left.min()) if len(left) else np.nan


def taken_up(runs: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Runs that one sweep stopped and another finished: a row each, columns `TAKEN_COLUMNS`, the largest fall first.

    then, end  the distance when it was stopped and the final one, infinite where not finite or diverged; ratio of both
    """
    use = runs[runs["status"].isin((DONE, DIVERGED)) & runs["stopped_at"].notna() & runs["worth"].notna()]
    use = use.drop_duplicates("id")
    at = rows.merge(use[["id", "stopped_at"]], on="id")
    at = at[at["step"] == at["stopped_at"]].drop_duplicates("id").set_index("id")["fid"]
    use = use[use["id"].isin(at.index)]
    then, end = use["id"].map(at).fillna(np.inf), use["worth"]
    made = use.assign(why=use["stopped_why"], then=then, end=end, ratio=np.where(np.isinf(end), np.inf, end / then))
    made = made.sort_values("ratio", kind="stable")[list(TAKEN_COLUMNS)].reset_index(drop=True)
    return made.astype({"stopped_at": int, "steps": int})
