"""Early stopping on the page: what it saved, and what it would have cost in quality. Frames and sentences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from analysis.estimators.early_stopping import (
    free_runs,
    kind,
    replay_table,
    rules_of,
    saved_table,
    saved_whole,
    taken_up,
)
from analysis.loading.clocks import time_of
from analysis.tables.formatting import format_score, percent
from landscape.config.text import duration, plural
from landscape.store import DIVERGED, DONE, STOPPED
from landscape.store.early_stopping import rule_of

HEADERS: dict[str, dict[str, str]] = {
    "stopped": {
        "cell": "cell",
        "why": "stopped by",
        "stopped": "stopped",
        "runs": "of runs",
        "steps_left": "D updates saved",
        "saved_s": "{time} saved",
        "saved_share": "of the cell's {time}",
    },
    "replay": {
        "rule": "rule",
        "cell": "cell",
        "runs": "finished runs",
        "stopped": "would be stopped",
        "lost_later": "diverged later",
        "saved_share": "{time} saved",
        "best": "{distance}, best",
        "best_left": "best, with the rule",
        "top": "stopped of the top 5 %",
        "lower": "improved later",
        "ratio": "final / at stop, median",
        "fall_from": "largest improvement, from",
        "fall_to": "to",
    },
    "taken": {
        "cell": "cell",
        "id": "run",
        "why": "stopped by",
        "stopped_at": "at D update",
        "steps": "of",
        "then": "{distance} at stop",
        "end": "final",
        "ratio": "final / at stop",
    },
}


def early_stopping_tables(runs: pd.DataFrame, rows: pd.DataFrame) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
    """The tables by kind (as in `HEADERS`), and values for the template; `runs` is one section, `rows` its evaluations.

    The values: the sentence `saved` ("" if nothing was stopped), the sentences `cost`, whether rules were `replayed`,
    and whether these are the runs' `own`.
    """
    stopped = runs[runs["status"] == STOPPED].drop_duplicates("id")
    table = saved_table(runs.drop_duplicates("id"))
    replayed = replay_table(runs, rows, rules_of(runs) if len(rows) else [])
    taken = taken_up(runs, rows)
    frames = {"stopped": table, "taken": taken}
    time = time_of(runs)
    cost: list[str] = []
    whole = replayed.groupby("rule", sort=False).tail(1)  # of all cells, or of the only one
    if len(whole) and whole["stopped"].any():
        frames["replay"] = replayed
        cost = [rule_sentence(row, time) for row in whole.to_dict("records")]
    elif len(whole):
        words = "; ".join(rule_words(text) for text in whole["rule"])
        cost = [f"No rule would have stopped any of the {whole['runs'].max():,} finished runs: {words}."]
    elif len(stopped) and free_runs(runs).empty:
        finished = runs["status"].isin((DONE, DIVERGED)).any()
        why = "every finished run was under a rule too" if finished else "no run finished"
        cost = [f"The cost in quality is unknown: {why}."]
    said = {
        "saved": saved_sentence(saved_whole(runs.drop_duplicates("id"), table), time) if len(table) else "",
        "cost": cost,
        "replayed": bool(len(whole)),
        "own": bool(runs["rule"].notna().any()),
    }
    return frames, said


def rule_words(text: str) -> str:
    """An early-stopping rule in words: "above 3 × best, 3 evaluations in a row"."""
    rule = rule_of(text)
    parts = [] if rule.factor is None else [f"above {rule.factor:g} × best"]
    parts += [] if rule.loss_d is None else [f"D's loss at most {rule.loss_d:g}"]
    count = rule.evaluations or 1
    return f"{' or '.join(parts)}, {plural(count, 'evaluation')}{' in a row' * (count > 1)}"


def saved_sentence(whole: dict[str, float], time: str = "time") -> str:
    """What early stopping saved in total; `whole` is as from `saved_whole`, `time` as from `clocks.time_of`."""
    amount = duration(whole["saved_s"]) + f" of {time}" * (time != "time")
    return (
        f"{whole['stopped']:,} of {whole['runs']:,} runs {'was' if whole['stopped'] == 1 else 'were'} stopped early: "
        f"{whole['steps_left']:,} D updates and {amount} not spent, "
        f"{percent(whole['saved_share'])} of what all runs here would have taken."
    )


def rule_sentence(row: dict[Any, Any], time: str = "time") -> str:
    """What one rule would have done to all finished runs; `row` is a row of the table "replay"."""
    words = rule_words(row["rule"])
    begin = f"{words[0].upper()}{words[1:]}: "
    if not row["stopped"]:
        return f"{begin}stops none of {row['runs']:,} runs."
    text = f"{begin}stops {row['stopped']:,} of {row['runs']:,} runs"
    if row["lost_later"]:
        text += f" ({row['lost_later']:,} of which diverged later)"
    text += (
        f" and saves {percent(row['share'])} of the {time}; {row['top_stopped']} of the {row['top']} best among them."
    )
    if row["lower"]:
        text += (
            f" {row['lower']:,} improved after that evaluation; the largest improvement was from "
            f"{_distance(row['fall_from'])} to {_distance(row['fall_to'])}."
        )
    return text


def _distance(value: float) -> str:
    return "no finite distance" if np.isinf(value) else format_score("fid", value)


def shown_early_stopping(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """A frame of `early` as it is shown: words for rules and reasons, counts of the best in one column."""
    frame = frame.copy()
    # Infinity is shown as "diverged" elsewhere, but these runs went on.
    then = [key for key in ("then", "fall_from") if key in frame]
    frame[then] = frame[then].replace(np.inf, np.nan)
    if name == "taken":
        frame["why"] = [kind(*one) for one in zip(frame["stop_cause"], frame["pruner"], strict=True)]
    if name == "replay":
        frame["rule"] = [rule_words(text) for text in frame["rule"]]
        frame["top"] = [f"{a} of {b}" for a, b in zip(frame["top_stopped"], frame["top"], strict=True)]
        frame = frame.rename(columns={"share": "saved_share"})
        if not frame["lost_later"].any():
            frame = frame.drop(columns=["lost_later"])
    return frame[[key for key in HEADERS[name] if key in frame]]
