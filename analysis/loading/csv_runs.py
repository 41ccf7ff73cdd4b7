"""Runs read from a CSV file, as `report --csv` takes them: columns, types and ranges."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.loading.cells import VARIED
from analysis.loading.csv_files import plain
from analysis.loading.distances import general
from analysis.loading.runs import ROW_COLUMNS, RUN_COLUMNS, SCORED, Collected
from analysis.loading.trials import ORIGIN
from landscape.config.axes import AXES, CELL_AXES, CELL_KEYS, LUCK_KEYS, cell_label
from landscape.config.errors import UserError
from landscape.config.identity import short_hash
from landscape.scores import COLUMNS
from landscape.store import DIVERGED, DONE, STATES, STOPPED
from landscape.store.protocols import EvalProtocol
from landscape.store.run_status import cause_of_old_sentence
from landscape.store.trials import GRID, STAGES

OF_OLD = tuple(axis.name for axis in CELL_AXES if axis.kind is str and not axis.added)
NEEDED = (*OF_OLD, "fid")
DEFAULTS: dict[str, Any] = {
    **{axis.name: axis.plain for axis in AXES if axis.plain is not None and axis.name not in OF_OLD},
    **{"status": DONE, "stage": GRID, "evaluations": 1},
}
WORDS: tuple[str, ...] = (
    *(axis.name for axis in AXES if axis.kind is str),
    *("id", "status", "reason", "cell", "setting", "protocol", "why"),
    *("device", "rule", "stopped_why", "stop_cause", "pruner", "superseded"),
    *("stage", "sampler", "sweep", "search", "alike"),
)
NUMBERED = tuple(axis.name for axis in AXES if axis.kind is int and axis.plain is not None)  # they have a default
WHOLE = (*NUMBERED, "evaluations", "device_kinds", "sharing")
MOST = 2**53  # of whole numbers: above, a CSV's float names no single one
ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")  # a run's id names files of the report

COUNTS = ("step", *(axis.name for axis in AXES if axis.kind is int and axis.plain is None))


SECONDS = ("train_s", "eval_s", "wasted_s")


LEAST = {
    **{axis.name: 1 for axis in CELL_AXES if axis.kind is int},
    "evaluations": 0,
    "device_kinds": 0,
    "sharing": 0,
    **dict.fromkeys((*COUNTS, *SECONDS), 0),
}


def read_csv(file: str | Path) -> Collected:
    """Runs from a CSV file, one a line, in the columns of `analysis.load` (`runs.csv` of a report is such a file).

    Needed are data, arch, loss, penalty, norm ("none" where there is none) and the distance (empty where none):
    fid, or on other features than Inception's fd_classifier and the like. All else may be left out: n_dis is then 1,
    seed and repeat 0, status "done", stage "grid"; a setting is told by the hyperparameters given; without `protocol`,
    all scores are taken to be measured alike. There are no learning curves.
    Raises `UserError` for a file that cannot be read, a column that is missing, or a value that is none.
    """
    try:
        given = pd.read_csv(file, dtype=dict.fromkeys(WORDS, str), keep_default_na=False, na_values=["", "nan"])
    except (OSError, ValueError) as e:
        raise UserError(f"--csv {file} cannot be read ({' '.join(str(e).split())[:160]})") from e
    given = given.assign(**{key: given[key].map(plain) for key in WORDS if key in given})
    given, extractors = general(given)
    missing = [key for key in NEEDED if key not in given]
    if missing or given.empty:
        lacks = f"lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}" if missing else "holds no rows"
        raise UserError(f"--csv {file} {lacks}; needed are {', '.join(NEEDED)}")
    runs = given[[key for key in RUN_COLUMNS if key in given]].copy()
    for key in [key for key in runs if key not in WORDS]:
        runs[key] = _numbers(runs[key], file)
        _in_range(runs[key], file)
    for key, value in DEFAULTS.items():
        runs[key] = runs[key].fillna(value) if key in runs else value
    for axis in CELL_AXES:
        if axis.kind is str:
            _legal(runs[axis.name], file, None)
    _legal(runs["status"], file, STATES)
    _legal(runs["stage"], file, STAGES)
    runs["id"] = _ids(runs, file)
    runs["cell"] = [
        cell_label({str(key): value for key, value in row.items()})
        for row in runs.astype({axis.name: axis.kind for axis in CELL_AXES}).to_dict("records")
    ]
    if "setting" not in runs:
        facts = [key for key in dict.fromkeys((*CELL_KEYS, *VARIED)) if key in runs]
        runs["setting"] = [short_hash([str(value) for value in row]) for row in runs[facts].itertuples(index=False)]
    if "protocol" not in runs:
        runs["protocol"] = "as-given"
    scored = runs["fid"].where(runs["status"].isin(SCORED))
    worth = scored.where(runs["status"] != DIVERGED, np.inf)
    runs["worth"] = runs.get("worth", worth)
    if "superseded" in runs:
        runs["worth"] = runs["worth"].where(runs["superseded"].isna())
    if "stop_cause" not in runs and "reason" in runs:  # a file from before causes were a column
        why = runs["reason"].where(runs["status"] == STOPPED, runs.get("stopped_why"))
        stops = [cause_of_old_sentence(str(text)) for text in why]
        runs["stop_cause"], runs["pruner"] = [cause for cause, _ in stops], [pruner for _, pruner in stops]
    for key in ("fid_last", "fid_best"):
        runs[key] = runs.get(key, runs["fid"])
    for key, column in COLUMNS.items():
        if key not in runs and column.one_minus in runs:
            runs[key] = 1 - runs[column.one_minus]
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
    texts = {
        name: EvalProtocol(source=Path(file).name, extractor=extractors.get(name))
        for name in map(str, runs["protocol"].dropna().unique())
    }
    return Collected(runs, pd.DataFrame(columns=list(ROW_COLUMNS)), texts, {}, [], trials)


def _numbers(column: pd.Series, file: str | Path) -> pd.Series:
    numbers = pd.to_numeric(column, errors="coerce").astype(float)
    _refuse(column, column.notna() & numbers.isna(), file, ", which is no number")
    return numbers


def _in_range(column: pd.Series, file: str | Path) -> None:
    """Raise `UserError` for a count that is no whole number, and for what no measurement gives."""
    key, known = str(column.name), column.notna()
    if key in (*WHOLE, *COUNTS):
        _refuse(
            column, known & ~((column.abs() <= MOST) & (column == column.round())), file, ", which is no whole number"
        )
    if key in SECONDS:
        _refuse(column, column > MOST_S, file, ", which is no time")
    if key in LEAST:
        _refuse(column, column < LEAST[key], file, f", and it is {LEAST[key]} at least")
    if key.startswith("fid") or key == "worth":
        _refuse(column, column == -np.inf, file, ", which is no distance")


def _ids(runs: pd.DataFrame, file: str | Path) -> pd.Series:
    """The ids given, or numbers of rows. Raises `UserError` for one that can name no file, and for one of two runs.

    Rows of one run are its scores under several protocols; all else about it is the same in each.
    """
    if "id" not in runs:
        return pd.Series([f"row-{i}" for i in range(len(runs))], index=runs.index)
    ids = runs["id"]
    wrong = ~ids.map(lambda one: isinstance(one, str) and bool(ID.fullmatch(one)))
    _refuse(ids, wrong, file, ", which is no run's id: at most 100 letters, digits, '.', '_' and '-', no sign first")
    names = runs.get("protocol", pd.Series("", index=runs.index)).fillna("")
    facts = (
        runs[[key for key in (*CELL_KEYS, *LUCK_KEYS, "status", "setting", *VARIED) if key in runs]]
        .astype(object)
        .fillna("")
    )
    first = ~ids.duplicated()
    same = facts.eq(facts[first].set_axis(ids[first]).loc[ids].set_axis(runs.index)).all(axis=1)
    again = pd.DataFrame({"id": ids, "protocol": names}).duplicated() | ~same
    if again.any():
        place = int(np.flatnonzero(again)[0])
        before = int(np.flatnonzero(ids == ids.iloc[place])[0])
        raise UserError(
            f"--csv {file} line {place + 2}: id {ids.iloc[place]!r} is that of line {before + 2} too; give each run an "
            "id of its own, or leave the column out (rows of one id are one run's scores under several protocols)"
        )
    return ids


def _legal(column: pd.Series, file: str | Path, among: tuple[str, ...] | None) -> None:
    if among is None:
        _refuse(column, column.isna(), file, ", which is no name")
    else:
        _refuse(column, ~column.isin([*among, "unreadable"]), file, f"; it is one of {', '.join(among)}")


def _refuse(column: pd.Series, wrong: pd.Series, file: str | Path, why: str) -> None:
    """Raise `UserError` for the first value of `column` that is `wrong`."""
    if wrong.any():
        place = int(np.flatnonzero(wrong)[0])
        value = column.iloc[place]
        shown = repr(value[:60]) if isinstance(value, str) else "empty" if pd.isna(value) else f"{value:g}"
        raise UserError(f"--csv {file} line {place + 2}: {column.name} is {shown}{why}")


LEAST_S, MOST_S = 1e-9, 1e12  # seconds that a run can have taken; what is beyond was not measured
