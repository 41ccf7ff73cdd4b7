"""The tables of one section of the page, with the figures that belong to them, and their files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.estimators.families import DIFFER, MOST
from analysis.estimators.practitioner import practitioners
from analysis.estimators.repeated_searches import several_searches
from analysis.estimators.time_budget import timed
from analysis.figures import budget, conditioning
from analysis.figures.answer_cost import cost_figure
from analysis.figures.searches import several_figure
from analysis.figures.style import CellStyle
from analysis.loading.cells import MOST_DRAWN, POOLED, VARIED, VARIED_NAMES, adaptive, bounded, cell_order
from analysis.loading.clocks import unseen
from analysis.loading.csv_files import write_csv
from analysis.loading.distances import DISTANCE, is_distance_column
from analysis.loading.filters import on_outcome
from analysis.loading.measure import BY_DISTANCE, Measure
from analysis.loading.protocols import distance_label
from analysis.loading.runs import Collected
from analysis.tables import critic, diagnostics, formatting
from analysis.tables.answer_cost import pilot_of
from analysis.tables.best_runs import BEST_COLUMNS, best_table
from analysis.tables.comparisons import agreement_table, confirm_table, spread_table
from analysis.tables.early_stopping import HEADERS as EARLY_HEADERS
from analysis.tables.early_stopping import early_stopping_tables, shown_early_stopping
from analysis.tables.model_line import model_sentences
from analysis.tables.pairs import budgets_said, could_be_told, of_one_seed, pair_table, rank_table
from analysis.tables.runs_and_cells import SCORE_NAMES
from analysis.tables.standings import HEADERS as STANDING_HEADERS
from analysis.tables.standings import shown_standings
from landscape.store import STOPPED
from landscape.store.protocols import EvalProtocol
from landscape.store.trials import CONFIRM, SEARCH

SEED = 0  # of all resampling: equal stores give equal reports
CONFIDENCE = 0.95

TABLE_HEADERS: dict[str, dict[str, str]] = {
    "pairs": {
        "a": "A",
        "b": "B",
        "k": "k",
        "chance": "chance that A beats B",
        "lower": "95 % from",
        "upper": "to",
        "said": "claim",
        "why": "",
        "ratio": "ratio of {what}, A to B",
        "difference": "difference of {what}, A minus B",
        "taken": "permutation",
        "n": "n",
        "differ": "other differences, A against B",
    },
    "ranks": {"cell": "cell"},
    "standings": STANDING_HEADERS,
    "agreement": {
        "one": "score",
        "other": "and",
        "overall": "all runs",
        "within": "within cells, median",
        "within_cells": "cells of 5 runs or more",
        "across": "between medians of cells",
        "cells": "cells",
        "runs": "runs",
        "diverged": "diverged, left out",
    },
    "spread": {
        "cell": "cell",
        "median": "{score}, median",
        "between": "sd between settings",
        "settings": "settings",
        "seeds_sd": "sd between seeds",
        "seed_settings": "settings with several seeds",
        "together": "sd of all runs",
        "repeats_sd": "sd between repeats",
        "repeated": "seeds with repeats",
        "split": "settings with some diverged seeds",
    },
    "confirm": {
        "cell": "cell",
        "mean": "{score}, mean",
        "sd": "sd",
        "n": "fresh seeds",
        "lost": "diverged",
        "middle": "geometric mean",
        "middle_low": "95 % from",
        "middle_high": "to",
        **VARIED_NAMES,
    },
    "best": {"cell": "cell", **diagnostics.HEADERS, **BEST_COLUMNS},
    "diagnostics": diagnostics.HEADERS,
    "critic": critic.HEADERS,
    **EARLY_HEADERS,
}
PLAIN_SDS = ("together", "repeats_sd")
SAID = {"a": "A is better", "b": "B is better", "differ": "they differ", "": "none claimed"}


def section_tables(
    found: Collected,
    runs: pd.DataFrame,
    drawn: list[str],
    text: EvalProtocol,
    styles: Mapping[str, CellStyle],
    measure: Measure,
    submit: Callable[..., None],
) -> dict[str, Any]:
    """The tables of one section (`frames`, by kind) and values for the template; `runs` is as `judged` by `measure`.

    `submit(kind, draw, *arguments)` draws a figure, with `table=True` also writes its numbers. Figures and pairs are of
    the cells `drawn`, other tables of all.
    """
    order = cell_order(runs)
    few = runs[runs["cell"].isin(drawn)]
    ordered = {label: styles[label] for label in drawn}
    generator = np.random.default_rng(SEED)
    chosen_of = len(order) if len(order) > MOST_DRAWN else 0
    outcomes = [condition for condition in found.filters if on_outcome(condition)]
    frames = {
        "confirm": confirm_table(runs, CONFIDENCE, measure),
        "pairs": pair_table(
            few[:0] if outcomes else few, budgets_said(runs, CONFIDENCE), CONFIDENCE, chosen_of, found.configs, measure
        ),
        "agreement": agreement_table(runs),
        "spread": spread_table(runs, measure),
        "best": best_table(runs, text, found.configs, measure),
    }
    frames["ranks"] = rank_table(frames["pairs"])
    rows = found.rows[found.rows["protocol"] == runs["protocol"].iloc[0]]
    # Rules look at the distance: they are not replayed beside claims by another score.
    stopping, said_early = early_stopping_tables(runs, rows if measure.is_distance else rows[:0])
    frames |= stopping
    if len(frames["pairs"]):
        submit("pairs", budget.pairs_figure, frames["pairs"], drawn)
    pilot = pilot_of(few) if len(frames["pairs"]) and measure.is_distance else ""
    if not isinstance(pilot, str):
        submit("cost", cost_figure, pilot, SEED, table=True)
    # Stopped runs are counted under any protocol.
    same_data = found.runs["data"] == runs["data"].iloc[0]
    hours = timed(few, found.trials)
    submit("hours", budget.hours_figure, hours, ordered, measure, SEED)
    conditioned = conditioning.scored(few)
    if len(conditioned):
        submit("conditioning", conditioning.conditioning_figure, conditioned, ordered, distance_label(text))
    searched = measure.is_distance and ((few["stage"] == SEARCH) & few["worth"].notna()).any()
    found_paths = practitioners(few, found.trials, generator) if searched else {}
    if found_paths:
        submit("practitioner", budget.practitioner_figure, found_paths, ordered, measure.name)
    several = several_searches(few, found.trials, CONFIDENCE, fewest=1)
    if several and not outcomes:
        submit("searches", several_figure, several, ordered, measure)
    return {
        "frames": frames,
        "hours": {
            key: getattr(hours, key) for key in ("device", "shared", "left_out", "stopped", "unsure", "by_cpu", "apart")
        },
        "searched": [label for label in order if adaptive(bounded(runs[runs["cell"] == label]))],
        "early": said_early,
        "stopped": found.runs[same_data & (found.runs["status"] == STOPPED)]["id"].nunique(),
        "orders": int((frames["pairs"]["said"] != "").sum()),
        "differ": bool((frames["pairs"]["said"] == DIFFER).any()),
        "designs": int((frames["pairs"]["differ"] != "").sum()),
        "could": could_be_told(few),
        "pilot": pilot,
        "outcomes": outcomes,
        "fresh": not (runs["worth"].notna() & (runs["stage"] != CONFIRM)).any(),
        "one_seed": of_one_seed(few),
        "model": model_sentences(few, frames["pairs"], measure=measure),
        "error": f"{100 * (1 - CONFIDENCE):.0f} %",
        "closed": max(chosen_of, len(drawn)) <= MOST,
        "papers": bool(frames["best"]["paper"].notna().any()),
        "confidence": f"{100 * CONFIDENCE:g} %",
    }


def shown_table(kind: str, frame: pd.DataFrame, distance: str, measure: Measure = BY_DISTANCE) -> pd.DataFrame:
    """A frame of `section_tables` for display: columns in order, words for codes, no columns without information."""
    if kind == "ranks":
        return _ranks_by_budget(frame)
    if kind == "standings":
        return shown_standings(frame, measure)
    if kind in EARLY_HEADERS:
        return shown_early_stopping(kind, frame)
    whole = frame
    if kind == "pairs":
        told = frame["said"].map(SAID) + frame["for_seed"].where(frame["said"] != "", "").map(
            lambda seeds: f", for seed {seeds}" if seeds else ""
        )
        if frame["why"].nunique() > 1:  # else the page's text has the reason
            told = told.where(frame["why"] == "", "none possible: " + frame["why"])
        effect = measure.effect
        ends = zip(*(frame[key] for key in (effect, f"{effect}_low", f"{effect}_high")), strict=True)
        size = [_interval(one, low, high, measure) for one, low, high in ends]
        silent = {"why"} if frame["differ"].any() else {"why", "differ"}
        keys = [key for key in TABLE_HEADERS[kind] if key in frame and key not in silent]
        frame = frame[keys].assign(said=told).assign(**{effect: size})
    else:
        frame = frame[[key for key in TABLE_HEADERS[kind] if key in frame]].copy()
    if kind == "agreement":
        names = diagnostics.HEADERS | SCORE_NAMES | {DISTANCE: distance}
        frame[["one", "other"]] = frame[["one", "other"]].replace(names)
    if kind in ("confirm", "best"):
        frame = frame.drop(columns=[key for key in VARIED if frame[key].isna().all()])
        if not frame["cell"].str.contains(POOLED, regex=False).any():  # else the label says it
            frame = frame.drop(columns="n_dis")
    if kind == "best" and frame["paper"].isna().all():
        frame = frame.drop(columns=["paper", "compares"])
    if kind == "spread":
        frame = frame.assign(**{key: _with_interval(whole, key, measure) for key in ("between", "seeds_sd")})
    if kind == "spread" and not measure.ratios:
        frame = frame.assign(
            **{key: [_interval(sd, np.nan, np.nan, measure) for sd in frame[key]] for key in PLAIN_SDS}
        )
    if kind == "confirm" and not measure.ratios:
        frame = frame.drop(columns="middle")  # the mean
    if kind == "critic" and frame["saturated"].isna().all():
        frame = frame.drop(columns=["saturated", "saturated_last"])
    if kind == "spread" and not frame["repeated"].any():
        frame = frame.drop(columns=["repeated", "repeats_sd"])
    return frame


def _with_interval(frame: pd.DataFrame, key: str, measure: Measure) -> list[str]:
    """A standard deviation with its interval as text; empty for NaN."""
    stem = key.removesuffix("_sd")
    ends = zip(*(frame[name].astype(float) for name in (key, f"{stem}_low", f"{stem}_high")), strict=True)
    return [_interval(one, low, high, measure) for one, low, high in ends]


def _interval(one: float, low: float, high: float, measure: Measure) -> str:
    """A size with its interval as text, if it has one; empty for NaN. What is no ratio may be small: three digits."""
    if not np.isfinite(one):
        return ""
    text = f"{one:.2f}" if measure.ratios else f"{one:.3g}"
    return text if np.isnan(low) else f"{text} ({low:.2g} to {high:.2g})"


def _ranks_by_budget(frame: pd.DataFrame) -> pd.DataFrame:
    """One row per cell and one column per budget k: "1 to 3", the lowest and highest rank, or "2" if they are equal."""
    made = pd.DataFrame({"cell": list(dict.fromkeys(frame["cell"]))})
    for k, at_k in frame.groupby("k"):
        ranks = at_k.set_index("cell")
        text = [
            str(low) if low == high else f"{low} to {high}" for low, high in ranks[["lowest", "highest"]].to_numpy()
        ]
        made[f"rank at k = {k}"] = made["cell"].map(dict(zip(ranks.index, text, strict=True))).fillna("")
    return made


def write_tables(
    frames: Mapping[str, pd.DataFrame],
    names: Mapping[str, str],
    words: Mapping[str, str],
    stem: Path,
    measure: Measure,
) -> None:
    """Write each frame that has rows as `stem`-kind.csv, in full precision, and as `stem`-kind.tex, as shown.

    `names` are the headers of frames that are not in `TABLE_HEADERS`. `words` fill the placeholders of headers; their
    "key" is the name of the distance in files.
    """
    for kind, frame in frames.items():
        if frame.empty:
            continue
        keys = {
            str(key): words["key"] + str(key).removeprefix(DISTANCE) for key in frame if is_distance_column(str(key))
        }
        file = frame.rename(columns=keys)
        write_csv(file.replace({DISTANCE: words["key"]}) if kind == "agreement" else file, f"{stem}-{kind}.csv")
        heads = TABLE_HEADERS.get(kind, names)
        told = shown_table(kind, frame, words["distance"], measure) if kind in TABLE_HEADERS else frame
        empty = {key for key in SCORE_NAMES if key in told and told[key].isna().all()}
        told = told.drop(columns=list(unseen(map(str, told)) | empty))
        text = pd.DataFrame(
            {
                heads.get(str(key), str(key)).format(**words): [
                    formatting.format_value(str(key), value) for value in told[key]
                ]
                for key in told
            }
        )
        Path(f"{stem}-{kind}.tex").write_text(text.to_latex(index=False, escape=True), encoding="utf-8")
