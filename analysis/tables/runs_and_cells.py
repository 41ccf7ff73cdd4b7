"""The report's tables of cells and of runs, as frames of plain numbers."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from analysis.estimators.early_stopping import share
from analysis.estimators.tuning_curves import median_best
from analysis.loading.cells import VARIED, VARIED_NAMES, cell_order, countable, unit_values, varied
from analysis.loading.clocks import costed, with_clocks
from landscape.scores import COLUMNS, QUALITY
from landscape.store import DIVERGED, DONE, FAILED, STOPPED

# Scores other than the distance.
SCORE_NAMES = {key: COLUMNS[key].label for key in QUALITY if COLUMNS[key].label and not COLUMNS[key].distance}

CELL_COLUMNS = {
    "cell": "cell",
    "fid_median": "{distance}, median",
    "fid_lowest": "lowest final",
    "fid_best": "best checkpoint (optimistic)",
    **{key: f"{name}, median" for key, name in SCORE_NAMES.items()},
    "states": "state",
    "runs": "runs",
    "results": "results",
    "seeds": "seeds",
    "settings": "settings",
    "varied": "varied within the cell",
    "train_s": "training",
    "eval_s": "evaluation",
    "train_cpu_s": "training, CPU time",
    "eval_cpu_s": "evaluation, CPU time",
    "eval_share": "evaluation, share of {time}",
    "wasted_s": "wasted",
}

RUN_COLUMNS = {
    "cell": "cell",
    "seed": "seed",
    "fid": "{distance}, final",
    "fid_best": "best checkpoint (optimistic)",
    **SCORE_NAMES,
    "status": "state",
    "superseded": "superseded",
    "step": "D updates",
    **{key: VARIED_NAMES[key] for key in VARIED},
    "repeat": "repeat",
    "stage": "stage",
    "train_s": "training",
    "eval_s": "evaluation",
    "train_cpu_s": "training, CPU time",
    "eval_cpu_s": "evaluation, CPU time",
    "id": "run",
}

# Columns of all tables by format: distances, their standard deviations, chances and correlations.
DISTANCES = (
    *("mean", "middle", "middle_low", "middle_high", "median", "paper"),
    *("best", "best_left", "fall_from", "fall_to", "then", "end"),
)
SPREADS = ("sd",)
SHARES = (
    *("chance", "lower", "upper", "overall", "within", "across", "ratio", "together", "repeats_sd"),
    *("correlation", "correlation_low", "correlation_high", "saturated", "saturated_last"),
)

SECONDS = ("train_s", "eval_s", "train_cpu_s", "eval_cpu_s", "wasted_s", "saved_s")

COUNTS = ("step", "steps", "steps_left", "stopped_at")  # whole numbers with thousands separators


def cell_table(runs: pd.DataFrame) -> pd.DataFrame:
    """One row per cell, columns `CELL_COLUMNS`: descriptive statistics of these runs.

    `runs` is one section (one data set, one protocol). `results` counts the `countable` runs with an outcome; diverged
    ones are infinite in the median distance. Other scores are medians over the runs that have them. Seconds are sums
    over all runs of the cell; CPU seconds are columns only if they count as cost (`clocks.by_cpu`), and `eval_share` is
    then of them.
    """
    rows, cost = [], costed(runs)
    for label in cell_order(runs):
        cell = runs[runs["cell"] == label]
        counted = countable(cell)
        units = unit_values(counted)["worth"].to_numpy(float)
        rows.append(
            {
                "cell": label,
                "runs": len(cell),
                "results": int(counted["worth"].notna().sum()),
                "seeds": cell["seed"].nunique(),
                "settings": cell["setting"].nunique(),
                "varied": ", ".join(VARIED_NAMES[key] for key in varied(cell)),
                "fid_median": float(median_best(units, np.array([1]))[0]) if len(units) else math.nan,
                "fid_lowest": float(counted["fid"].min()),
                "fid_best": float(counted.loc[counted["worth"].notna(), "fid_best"].min()),
                **{key: float(counted[key].median()) for key in SCORE_NAMES},
                "states": count_states(cell["status"]),
                **{key: float(cell[key].sum()) for key in SECONDS if key in cell},
                "eval_share": share(*(float(cost.loc[cell.index, key].sum()) for key in ("eval_s", "train_s"))),
            }
        )
    return pd.DataFrame(rows, columns=with_clocks(CELL_COLUMNS, runs))


def run_table(runs: pd.DataFrame) -> pd.DataFrame:
    """One row per run, columns `RUN_COLUMNS` without hyperparameters that vary in no cell."""
    rank = {label: place for place, label in enumerate(cell_order(runs))}
    same = set(VARIED) - {key for _, cell in runs.groupby("cell") for key in varied(cell)}
    ordered = runs.assign(_rank=runs["cell"].map(rank)).sort_values(["_rank", "setting", "seed", "repeat"])
    return ordered[[key for key in with_clocks(RUN_COLUMNS, runs) if key not in same]].reset_index(drop=True)


def shown_runs(runs: pd.DataFrame) -> pd.DataFrame:
    """The run with the best final score of each cell, in cell order; of an unscored cell the first done run.

    Other cells are left out.
    """
    plain = ~runs["cell"].isin(runs.loc[runs["protocol"].notna(), "cell"]) & (runs["status"] == DONE)
    known: pd.DataFrame = runs[np.isfinite(runs["worth"]) | plain]
    known = known.sort_values(["worth", "setting", "seed", "repeat"], kind="stable").drop_duplicates("cell")
    return known.set_index("cell", drop=False).reindex([c for c in cell_order(runs) if c in set(known["cell"])])


def count_states(states: pd.Series) -> str:
    """'3 done, 1 diverged', end states first; empty for no runs."""
    counts = states.value_counts()
    usual = [state for state in (DONE, STOPPED, DIVERGED, FAILED) if state in counts]
    return ", ".join(f"{counts[state]} {state}" for state in usual + sorted(set(counts.index) - set(usual)))
