"""Where runs came from: a fixed grid, a search or its confirmation, as `sweeps/<name>/trials.jsonl` tells."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import Any

import pandas as pd

from landscape.config.errors import CorruptFile
from landscape.config.identity import short_hash
from landscape.store import Store
from landscape.store.protocols import EvalRequest
from landscape.store.searches import SearchSpec
from landscape.store.trials import CONFIRM, TrialRecord, read_rows

# Samplers that propose the next setting by the results of earlier ones; the others could have come in any order.
ADAPTIVE = ("gp", "tpe")

COLUMNS = ("sweep", "id", "stage", "sampler", "order", "round", "search", "alike", "failed")
ORIGIN = tuple(key for key in COLUMNS if key not in ("id", "failed"))  # what a run has from its trial
# What a search is beside its seed and its budget; `draws` covers the run, the space and the sampler.
KIND = ("draws", "startup", "rounds", "pruner", "grace")


def no_trials() -> pd.DataFrame:
    return pd.DataFrame(columns=list(COLUMNS))


def read_trials(store: Store, problems: list[str]) -> pd.DataFrame:
    """One row a trial of every sweep that has any, columns `COLUMNS`, in the order of each file.

    `id` is the run; `order` and `round` are floats, NaN where there is none; `search` is the search's id, and `alike`
    is equal for searches that differ in their seed alone (None where search.json does not tell); `failed` says that the
    trial was given up. A file that cannot be read adds a sentence to `problems` and its trials are left out; a torn
    last line is passed over.
    """
    rows: list[dict[str, Any]] = []
    for name in store.searches():
        try:
            kinds = _kinds(store, name)
            found = [_row(trial) for trial in read_rows(store, name)]
            rows += [{"sweep": name, **row, "alike": kinds.get(row["search"])} for row in found]
        except CorruptFile as e:
            problems.append(str(e))
    return pd.DataFrame(rows, columns=list(COLUMNS)) if rows else no_trials()


def _row(trial: TrialRecord) -> dict[str, Any]:
    places = {"order": float(trial.order), "round": math.nan if trial.round is None else float(trial.round)}
    facts = {"id": trial.run, "stage": trial.stage, "failed": trial.failed}
    return facts | {"sampler": trial.sampler, "search": trial.search} | places


def _kinds(store: Store, name: str) -> dict[str | None, str]:
    """`alike` of each search of a sweep, by the search's id; none where its file does not tell."""
    with suppress(CorruptFile, OSError):
        return {cell.id: _alike(cell) for cell in store.sweep(name).searches().cells}
    return {}


def _alike(cell: SearchSpec) -> str:
    size = None if cell.rounds is None else cell.round_size
    asked = EvalRequest.of(cell.base)
    # `draws` leaves out how runs are scored, which decides what a search is told.
    known = [*(getattr(cell, key) for key in KIND), sorted(cell.grid), size, asked and asked.unchecked()]
    return short_hash([*known, cell.fresh])


def origin(trials: pd.DataFrame) -> pd.DataFrame:
    """One row a run: its first trial, but one that chose before one that confirms: what chose cannot confirm."""
    first = trials.assign(_late=trials["stage"] == CONFIRM).sort_values("_late", kind="stable")
    return first.drop_duplicates("id")[["id", *ORIGIN]].astype({"order": float, "round": float})
