"""One part's statements for the page: figures of hours, practitioner and pairs, and tables, drawn and written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.estimators.pairwise import resolvable
from analysis.estimators.practitioner import practitioners
from analysis.estimators.repeated_searches import several_searches
from analysis.estimators.time_budget import timed
from analysis.figures import budget
from analysis.figures.searches import several_figure
from analysis.figures.style import Look
from analysis.loading.cells import POOLED, VARIED, VARIED_NAMES, adaptive, cell_order, countable
from analysis.loading.clocks import unseen
from analysis.loading.csv_files import write_csv
from analysis.loading.runs import Collected
from analysis.loading.trials import ADAPTIVE
from analysis.tables import diagnostics, formatting
from analysis.tables.best_runs import BEST_COLUMNS, best_table
from analysis.tables.comparisons import agreement_table, confirm_table, pair_table, rank_table, spread_table
from analysis.tables.early_stopping import HEADS as EARLY_HEADS
from analysis.tables.early_stopping import early, shown_early
from landscape.store import STOPPED
from landscape.store.trials import SEARCH

SEED = 0  # of every resampling in a report: equal stores give equal reports
CONFIDENCE = 0.95
BUDGETS = (2, 3, 5, 10, 20, 50)

HEADS: dict[str, dict[str, str]] = {
    "pairs": {
        "a": "A",
        "b": "B",
        "k": "k",
        "chance": "A's best of k beats B's, chance",
        "lower": "from",
        "upper": "to",
        "said": "order",
        "taken": "settings taken",
        "n": "n",
    },
    "ranks": {"cell": "cell"},
    "agreement": {
        "one": "score",
        "other": "and",
        "overall": "all runs",
        "within": "within cells, median",
        "within_cells": "cells of 5 or more",
        "across": "between cells' medians",
        "cells": "cells",
        "runs": "runs",
        "diverged": "diverged, left out",
    },
    "spread": {
        "cell": "cell",
        "median": "{distance}, median",
        "between": "sd between settings",
        "settings": "settings",
        "seeds_sd": "sd between seeds",
        "seed_settings": "settings with several",
        "repeats_sd": "sd between repeats",
        "repeated": "seeds repeated",
        "split": "settings some of whose seeds diverged",
    },
    "confirm": {
        "cell": "cell",
        "mean": "{distance}, mean",
        "sd": "sd",
        "n": "fresh seeds",
        "lost": "diverged",
        "mean_low": "95 % from",
        "mean_high": "to",
        **VARIED_NAMES,
    },
    "best": BEST_COLUMNS,
    **EARLY_HEADS,
}
NAMES = {"is": "IS", "kid": "KID", "ms_ssim": "MS-SSIM", "modes": "modes covered", "quality": "good samples"}


def statements(
    found: Collected,
    runs: pd.DataFrame,
    drawn: list[str],
    text: Mapping[str, Any],
    look: Mapping[str, Look],
    distance: str,
    keep: Callable[..., None],
) -> dict[str, Any]:
    """What the page says of one part beyond its curves; `keep(kind, draw, *arguments)` has a figure drawn.

    Figures and pairs are of the cells `drawn`, the other tables of all.
    """
    order = cell_order(runs)
    few = runs[runs["cell"].isin(drawn)]
    ordered = {label: look[label] for label in drawn}
    generator = np.random.default_rng(SEED)
    frames = {
        "confirm": confirm_table(runs, CONFIDENCE),
        "pairs": pair_table(few, budgets_said(runs), generator, CONFIDENCE, len(order)),
        "agreement": agreement_table(runs),
        "spread": spread_table(runs),
        "best": best_table(runs, text),
    }
    frames["ranks"] = rank_table(frames["pairs"])
    stopping, said_early = early(runs, found.rows[found.rows["protocol"] == runs["protocol"].iloc[0]])
    frames |= stopping
    if len(frames["pairs"]):
        keep("pairs", budget.pairs_figure, frames["pairs"], drawn)
    # Also those that were scored under another protocol alone: what is drawn here leaves them out.
    same_data = found.runs["data"] == runs["data"].iloc[0]
    hours = timed(few)
    keep("hours", budget.hours_figure, hours, ordered, distance, SEED)
    searched = ((few["stage"] == SEARCH) & few["worth"].notna()).any()
    found_paths = practitioners(few, found.trials, generator) if searched else {}
    if found_paths:
        keep("practitioner", budget.practitioner_figure, found_paths, ordered, distance)
    several = several_searches(few, found.trials, CONFIDENCE)
    if several:
        keep("searches", several_figure, several, ordered, distance)
    return {
        "frames": frames,
        "hours": {
            key: getattr(hours, key) for key in ("device", "shared", "left_out", "stopped", "unsure", "by_cpu", "apart")
        },
        "searched": [label for label in order if adaptive(countable(runs[runs["cell"] == label]))],
        "early": said_early,
        "stopped": found.runs[same_data & (found.runs["status"] == STOPPED)]["id"].nunique(),
        "orders": int((frames["pairs"]["said"] != "").sum()),
        "papers": bool(frames["best"]["paper"].notna().any()),
        "confidence": f"{100 * CONFIDENCE:g} %",
    }


def budgets_said(runs: pd.DataFrame) -> list[int]:
    """The budgets at which pairs are compared: 1, and the largest at which one that wins nearly always can show it."""
    use = countable(runs)
    use = use[use["worth"].notna() & ~use["sampler"].isin(ADAPTIVE)]
    sizes = use.groupby("cell")["setting"].nunique().where(lambda n: n > 1, use.groupby("cell")["seed"].nunique())
    count = len(sizes) * (len(sizes) - 1) // 2
    most = resolvable(int(sizes.median()), 2 * count, CONFIDENCE) // 2 if count else 0
    return [1, *[k for k in BUDGETS if k <= most][-1:]]


def shown(kind: str, frame: pd.DataFrame, distance: str) -> pd.DataFrame:
    """A frame of `statements` as it is shown: columns in order, words for codes, without columns that say nothing."""
    if kind == "ranks":
        return _ranks_by_budget(frame)
    if kind in EARLY_HEADS:
        return shown_early(kind, frame)
    frame = frame[[key for key in HEADS[kind] if key in frame]].copy()
    if kind == "pairs":
        frame["said"] = frame["said"].map({"a": "A wins", "b": "B wins", "": "none claimed"})
    if kind == "agreement":
        frame[["one", "other"]] = frame[["one", "other"]].replace({**diagnostics.COLUMNS, **NAMES, "fid": distance})
    if kind in ("confirm", "best"):
        frame = frame.drop(columns=[key for key in VARIED if frame[key].isna().all()])
        if not frame["cell"].str.contains(POOLED, regex=False).any():  # else the label says it
            frame = frame.drop(columns="n_dis")
    if kind == "best" and frame["paper"].isna().all():
        frame = frame.drop(columns=["paper", "compares"])
    if kind == "spread" and not frame["repeated"].any():
        frame = frame.drop(columns=["repeated", "repeats_sd"])
    return frame


def _ranks_by_budget(frame: pd.DataFrame) -> pd.DataFrame:
    """A row a cell and a column a budget: the estimated rank, and in brackets the lowest and the highest it can be."""
    made = pd.DataFrame({"cell": list(dict.fromkeys(frame["cell"]))})
    for k, at_k in frame.groupby("k"):
        ranks = at_k.set_index("cell")
        text = [f"{rank} ({low} to {high})" for rank, low, high in ranks[["rank", "lowest", "highest"]].to_numpy()]
        made[f"rank at k = {k}"] = made["cell"].map(dict(zip(ranks.index, text, strict=True))).fillna("")
    return made


def write_tables(
    frames: Mapping[str, pd.DataFrame], names: Mapping[str, str], words: Mapping[str, str], stem: Path
) -> None:
    """Each frame with rows as `stem`-kind.csv, numbers in full, and `stem`-kind.tex, as shown; `words` fill heads."""
    for kind, frame in frames.items():
        if frame.empty:
            continue
        write_csv(frame, f"{stem}-{kind}.csv")
        heads = HEADS.get(kind, names)
        told = shown(kind, frame, words["distance"]) if kind in HEADS else frame
        told = told.drop(columns=list(unseen(map(str, told))))
        text = pd.DataFrame(
            {
                heads.get(str(key), str(key)).format(**words): [
                    formatting.written(str(key), value) for value in told[key]
                ]
                for key in told
            }
        )
        Path(f"{stem}-{kind}.tex").write_text(text.to_latex(index=False, escape=True), encoding="utf-8")
