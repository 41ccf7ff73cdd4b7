"""Runs from a CSV file, for `report --csv`: columns, types and legal ranges."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.loading.cells import VARIED
from analysis.loading.csv_files import unescape
from analysis.loading.distances import to_frame_columns
from analysis.loading.runs import ROW_COLUMNS, RUN_COLUMNS, SCORED, Collected
from analysis.loading.trials import ORIGIN_COLUMNS
from landscape.config.axes import AXES, CELL_AXES, CELL_KEYS, LUCK_KEYS, cell_label
from landscape.config.errors import UserError
from landscape.config.identity import short_hash
from landscape.scores import COLUMNS
from landscape.store import DIVERGED, DONE, STATES, STOPPED
from landscape.store.protocols import EvalProtocol
from landscape.store.run_status import cause_of_old_sentence
from landscape.store.trials import GRID, STAGES

REQUIRED_AXES = tuple(axis.name for axis in CELL_AXES if axis.kind is str and not axis.added)
REQUIRED = (*REQUIRED_AXES, "fid")
DEFAULTS: dict[str, Any] = {
    **{axis.name: axis.plain for axis in AXES if axis.plain is not None and axis.name not in REQUIRED_AXES},
    **{"status": DONE, "stage": GRID, "evaluations": 1},
}
TEXT_COLUMNS: tuple[str, ...] = (
    *(axis.name for axis in AXES if axis.kind is str),
    *("id", "status", "reason", "cell", "setting", "protocol", "why"),
    *("device", "rule", "stopped_why", "stop_cause", "pruner", "superseded"),
    *("stage", "sampler", "sweep", "search", "alike", "continues"),
)
INT_AXES = tuple(axis.name for axis in AXES if axis.kind is int and axis.plain is not None)  # those with a default
INT_COLUMNS = (*INT_AXES, "evaluations", "device_kinds", "sharing")
MAX_INT = 2**53  # a float cannot tell larger integers apart
MIN_SECONDS, MAX_SECONDS = 1e-9, 1e12  # anything beyond was not measured
ID_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")  # ids become file names in the report
COUNT_COLUMNS = ("step", *(axis.name for axis in AXES if axis.kind is int and axis.plain is None))
SECOND_COLUMNS = ("train_s", "eval_s", "wasted_s")
MINIMUM = {
    **{axis.name: 1 for axis in CELL_AXES if axis.kind is int},
    "evaluations": 0,
    "device_kinds": 0,
    "sharing": 0,
    **dict.fromkeys((*COUNT_COLUMNS, *SECOND_COLUMNS), 0),
}


def read_csv(file: str | Path) -> Collected:
    """Runs from a CSV file, one per line, in the columns of `analysis.load`; a report's `runs.csv` is such a file.

    Required columns: data, arch, loss, penalty, norm ("none" for no penalty or normalizer) and the distance, which is
    `fid` on Inception features and `fd_classifier` or the like on others (empty for a run without a score). Defaults
    of the others: n_dis 1, seed and repeat 0, status "done", stage "grid"; `setting` follows from the hyperparameters
    given; without `protocol`, all scores are taken to share one. There are no learning curves.

    Raises `UserError` for an unreadable file, a missing column or an illegal value.
    """
    try:
        given = pd.read_csv(file, dtype=dict.fromkeys(TEXT_COLUMNS, str), keep_default_na=False, na_values=["", "nan"])
    except (OSError, ValueError) as e:
        raise UserError(f"--csv {file} cannot be read ({' '.join(str(e).split())[:160]})") from e
    given = given.assign(**{key: given[key].map(unescape) for key in TEXT_COLUMNS if key in given})
    given, extractors = to_frame_columns(given)
    missing = [key for key in REQUIRED if key not in given]
    if missing or given.empty:
        lacks = f"lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}" if missing else "holds no rows"
        raise UserError(f"--csv {file} {lacks}; required are {', '.join(REQUIRED)}")
    runs = given[[key for key in RUN_COLUMNS if key in given]].copy()
    for key in [key for key in runs if key not in TEXT_COLUMNS]:
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
    if "stop_cause" not in runs and "reason" in runs:  # an old file, which has the cause in the sentence only
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
            runs[key] = pd.Series(None if key in TEXT_COLUMNS else np.nan, index=runs.index, dtype=object)
    runs[[*SECOND_COLUMNS, *COUNT_COLUMNS]] = runs[[*SECOND_COLUMNS, *COUNT_COLUMNS]].astype(float).fillna(0.0)
    runs["sharing"] = runs["sharing"].fillna(0)
    runs["device_kinds"] = runs["device_kinds"].fillna(runs["device"].notna().astype(int))
    runs = runs[list(RUN_COLUMNS)].astype(dict.fromkeys((*INT_COLUMNS, *COUNT_COLUMNS), int))
    floats = [key for key in RUN_COLUMNS if key not in (*TEXT_COLUMNS, *INT_COLUMNS, *COUNT_COLUMNS)]
    runs = runs.astype({**dict.fromkeys(floats, float), **dict.fromkeys(TEXT_COLUMNS, object)})
    for key in TEXT_COLUMNS:
        runs[key] = runs[key].where(runs[key].notna(), None)
    trials = runs.loc[runs["sweep"].notna(), ["id", *ORIGIN_COLUMNS]].drop_duplicates().reset_index(drop=True)
    trials["failed"] = False
    texts = {
        name: EvalProtocol(source=Path(file).name, extractor=extractors.get(name))
        for name in map(str, runs["protocol"].dropna().unique())
    }
    # The copy joins the columns, which were set one by one, in memory.
    return Collected(runs.copy(), pd.DataFrame(columns=list(ROW_COLUMNS)), texts, {}, [], trials)


def _numbers(column: pd.Series, file: str | Path) -> pd.Series:
    numbers = pd.to_numeric(column, errors="coerce").astype(float)
    _refuse(column, column.notna() & numbers.isna(), file, ", expected a number")
    return numbers


def _in_range(column: pd.Series, file: str | Path) -> None:
    """Raise `UserError` for a count that is not a whole number, and for a value below or above its legal range."""
    key, known = str(column.name), column.notna()
    if key in (*INT_COLUMNS, *COUNT_COLUMNS):
        _refuse(
            column,
            known & ~((column.abs() <= MAX_INT) & (column == column.round())),
            file,
            ", expected a whole number",
        )
    if key in SECOND_COLUMNS:
        _refuse(column, column > MAX_SECONDS, file, f", expected seconds up to {MAX_SECONDS:g}")
    if key in MINIMUM:
        _refuse(column, column < MINIMUM[key], file, f", expected at least {MINIMUM[key]}")
    if key.startswith("fid") or key == "worth":
        _refuse(column, column == -np.inf, file, ", expected a distance")


def _ids(runs: pd.DataFrame, file: str | Path) -> pd.Series:
    """The ids given, else "row-0", "row-1" and so on.

    Rows of one id must be one run's scores under several protocols. Raises `UserError` for rows of one id that differ
    otherwise, and for an id that cannot be a file name.
    """
    if "id" not in runs:
        return pd.Series([f"row-{i}" for i in range(len(runs))], index=runs.index)
    ids = runs["id"]
    wrong = ~ids.map(lambda one: isinstance(one, str) and bool(ID_PATTERN.fullmatch(one)))
    _refuse(
        ids, wrong, file, "; an id has at most 100 letters, digits, '.', '_' and '-', and begins with a letter or digit"
    )
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
            f"--csv {file} line {place + 2}: id {ids.iloc[place]!r} is used on line {before + 2} too; give each run "
            "its own id, or leave the column out (rows of one id are one run's scores under several protocols)"
        )
    return ids


def _legal(column: pd.Series, file: str | Path, among: tuple[str, ...] | None) -> None:
    if among is None:
        _refuse(column, column.isna(), file, ", expected a name")
    else:
        _refuse(column, ~column.isin([*among, "unreadable"]), file, f"; expected one of {', '.join(among)}")


def _refuse(column: pd.Series, wrong: pd.Series, file: str | Path, why: str) -> None:
    """Raise `UserError` for the first value of `column` where `wrong`; `why` ends the sentence."""
    if wrong.any():
        place = int(np.flatnonzero(wrong)[0])
        value = column.iloc[place]
        shown = repr(value[:60]) if isinstance(value, str) else "empty" if pd.isna(value) else f"{value:g}"
        raise UserError(f"--csv {file} line {place + 2}: {column.name} is {shown}{why}")
