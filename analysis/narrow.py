"""Part of a store, or rows from elsewhere: `--where loss=ns` and `--csv FILE` of the report."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.cells import CELL, VARIED, cell_label
from analysis.load import ROW_COLUMNS, RUN_COLUMNS, SCORED, Collected
from analysis.trials import GRID, ORIGIN, STAGES
from landscape.errors import UserError
from landscape.identity import short_hash
from landscape.store import DIVERGED, DONE, STATES

NEEDED = ("data", "arch", "loss", "penalty", "norm", "fid")
DEFAULTS: dict[str, Any] = {"n_dis": 1, "seed": 0, "repeat": 0, "status": DONE, "stage": GRID, "evaluations": 1}
WORDS: tuple[str, ...] = (
    *("id", "status", "reason", "data", "arch", "loss", "penalty", "norm", "cell", "setting", "protocol", "why"),
    *("device", "rule", "stopped_why", "superseded", "stage", "sampler", "sweep", "search", "alike"),
)
WHOLE = ("n_dis", "seed", "repeat", "evaluations", "device_kinds", "sharing")
COUNTS = ("step", "steps", "batch_size")
SECONDS = ("train_s", "eval_s", "wasted_s")


def where(found: Collected, conditions: Iterable[str]) -> Collected:
    """The runs of `found` that meet all `conditions`, each "column=value" or "column=one,other" (any of them).

    Raises `UserError` for what is no condition, a column there is not, and conditions that leave no run.
    """
    runs, conditions = found.runs, tuple(conditions)
    for condition in conditions:
        key, sign, text = condition.partition("=")
        values = [value.strip() for value in text.split(",") if value.strip()]
        if not sign or not values:
            raise UserError(f"--where {condition}: give a column and its values, as in --where loss=ns,wgan")
        if key not in runs:
            raise UserError(f"--where {condition}: there is no column {key}; there are {', '.join(RUN_COLUMNS)}")
        kept = runs[_among(runs[key], values)]
        if kept.empty:
            there = sorted({str(value) for value in runs[key].dropna()})
            shown = ", ".join(there[:12]) + (", ..." if len(there) > 12 else "")
            raise UserError(f"--where {condition} leaves no run; {key} is one of: {shown or 'nothing'}")
        runs = kept
    ids = set(runs["id"])
    parts: dict[str, Any] = {"runs": runs.reset_index(drop=True), "narrowed": found.narrowed + conditions}
    for key in ("rows", "trials"):
        frame = getattr(found, key)
        parts[key] = frame[frame["id"].isin(ids)].reset_index(drop=True)
    for key in ("meta", "configs", "looks"):
        parts[key] = {run: value for run, value in getattr(found, key).items() if run in ids}
    return replace(found, **parts)


def _among(column: pd.Series, values: list[str]) -> pd.Series:
    if pd.api.types.is_numeric_dtype(column):
        numbers = pd.to_numeric(pd.Series(values), errors="coerce")
        return column.isin(numbers.dropna())
    return column.astype(str).isin(values)


def read_csv(file: str | Path) -> Collected:
    """Runs from a CSV file, one a line, in the columns of `analysis.load` (`runs.csv` of a report is such a file).

    Needed are data, arch, loss, penalty, norm ("none" where there is none) and fid (empty where there is none). All
    else may be left out: n_dis is then 1, seed and repeat 0, status "done", stage "grid"; a setting is told by the
    hyperparameters given; without `protocol`, all scores are taken to be measured alike. There are no learning curves.
    Raises `UserError` for a file that cannot be read, a column that is missing, or a value that is none.
    """
    try:
        given = pd.read_csv(file, dtype=dict.fromkeys(WORDS, str), keep_default_na=False, na_values=["", "nan"])
    except (OSError, ValueError) as e:
        raise UserError(f"--csv {file} cannot be read ({' '.join(str(e).split())[:160]})") from e
    missing = [key for key in NEEDED if key not in given]
    if missing or given.empty:
        lacks = f"lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}" if missing else "holds no rows"
        raise UserError(f"--csv {file} {lacks}; needed are {', '.join(NEEDED)}")
    runs = given[[key for key in RUN_COLUMNS if key in given]].copy()
    for key in [key for key in runs if key not in WORDS]:
        runs[key] = _numbers(runs[key], file)
    for key, value in DEFAULTS.items():
        runs[key] = runs[key].fillna(value) if key in runs else value
    for key in CELL[:-1]:
        _legal(runs[key], file, None)
    _legal(runs["status"], file, STATES)
    _legal(runs["stage"], file, STAGES)
    runs["id"] = runs.get("id", pd.Series([f"row-{i}" for i in range(len(runs))], index=runs.index))
    runs["cell"] = [
        cell_label({str(key): value for key, value in row.items()})
        for row in runs.astype({"n_dis": int}).to_dict("records")
    ]
    if "setting" not in runs:
        facts = [key for key in dict.fromkeys((*CELL, *VARIED)) if key in runs]
        runs["setting"] = [short_hash([str(value) for value in row]) for row in runs[facts].itertuples(index=False)]
    if "protocol" not in runs:
        runs["protocol"] = "as-given"
    scored = runs["fid"].where(runs["status"].isin(SCORED))
    worth = scored.where(runs["status"] != DIVERGED, np.inf)
    runs["worth"] = runs.get("worth", worth)
    if "superseded" in runs:
        runs["worth"] = runs["worth"].where(runs["superseded"].isna())
    for key in ("fid_last", "fid_best"):
        runs[key] = runs.get(key, runs["fid"])
    if "diversity" not in runs and "ms_ssim" in runs:
        runs["diversity"] = 1 - runs["ms_ssim"]
    for key in RUN_COLUMNS:
        if key not in runs:
            runs[key] = pd.Series(None if key in WORDS else np.nan, index=runs.index, dtype=object)
    runs[[*SECONDS, *COUNTS]] = runs[[*SECONDS, *COUNTS]].astype(float).fillna(0.0)
    runs["sharing"] = runs["sharing"].fillna(0)
    runs["device_kinds"] = runs["device_kinds"].fillna(runs["device"].notna().astype(int))
    runs = runs[list(RUN_COLUMNS)].astype(dict.fromkeys((*WHOLE, *COUNTS), int))
    floats = [key for key in RUN_COLUMNS if key not in (*WORDS, *WHOLE, *COUNTS)]
    runs = runs.astype({**dict.fromkeys(floats, float), **dict.fromkeys(WORDS, object)})
    for key in WORDS:
        runs[key] = runs[key].where(runs[key].notna(), None)
    trials = runs.loc[runs["sweep"].notna(), ["id", *ORIGIN]].drop_duplicates().reset_index(drop=True)
    trials["failed"] = False
    texts = {name: {"source": Path(file).name} for name in runs["protocol"].dropna().unique()}
    return Collected(runs, pd.DataFrame(columns=list(ROW_COLUMNS)), texts, {}, [], trials)


def _numbers(column: pd.Series, file: str | Path) -> pd.Series:
    numbers = pd.to_numeric(column, errors="coerce").astype(float)
    wrong = column.notna() & numbers.isna()
    if wrong.any():
        line = int(np.flatnonzero(wrong)[0]) + 2
        raise UserError(f"--csv {file} line {line}: {column.name} is {column[wrong].iloc[0]!r}, which is no number")
    return numbers


def _legal(column: pd.Series, file: str | Path, among: tuple[str, ...] | None) -> None:
    wrong = column.isna() if among is None else ~column.isin([*among, "unreadable"])
    if wrong.any():
        line = int(np.flatnonzero(wrong)[0]) + 2
        legal = "" if among is None else f"; it is one of {', '.join(among)}"
        raise UserError(f"--csv {file} line {line}: {column.name} is {column[wrong].iloc[0]!r}{legal}")
