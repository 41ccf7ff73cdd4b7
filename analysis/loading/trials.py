"""Which runs a search or its confirmation proposed, from `sweeps/<name>/trials.jsonl`; the others are of a grid."""

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

# Samplers that propose a setting from earlier results; trials of the others are exchangeable.
ADAPTIVE = ("gp", "tpe")

TRIAL_COLUMNS = ("sweep", "id", "stage", "sampler", "order", "round", "search", "alike", "failed")
ORIGIN_COLUMNS = tuple(key for key in TRIAL_COLUMNS if key not in ("id", "failed"))  # in the frame of runs too
# What defines a search, apart from seed and budget; `draws` covers the run, the space and the sampler.
SEARCH_KEYS = ("draws", "startup", "rounds", "pruner", "grace")


def no_trials() -> pd.DataFrame:
    """An empty frame of `read_trials`."""
    return pd.DataFrame(columns=list(TRIAL_COLUMNS))


def read_trials(store: Store, problems: list[str]) -> pd.DataFrame:
    """One row per trial of every search in the store, columns `TRIAL_COLUMNS`, in file order.

    `id` is the run; `order` and `round` are floats, NaN if missing; `search` is the search's id; `alike` is equal for
    searches that differ in their seed alone, None if search.json does not say; `failed` is True for a trial that was
    given up. Trials of an unreadable file are left out, with a sentence in `problems`; a torn last line is skipped.
    """
    rows: list[dict[str, Any]] = []
    for name in store.searches():
        try:
            kinds = _kinds(store, name)
            found = [_row(trial) for trial in read_rows(store, name)]
            rows += [{"sweep": name, **row, "alike": kinds.get(row["search"])} for row in found]
        except CorruptFile as e:
            problems.append(str(e))
    return pd.DataFrame(rows, columns=list(TRIAL_COLUMNS)) if rows else no_trials()


def _row(trial: TrialRecord) -> dict[str, Any]:
    places = {"order": float(trial.order), "round": math.nan if trial.round is None else float(trial.round)}
    facts = {"id": trial.run, "stage": trial.stage, "failed": trial.failed}
    return facts | {"sampler": trial.sampler, "search": trial.search} | places


def _kinds(store: Store, name: str) -> dict[str | None, str]:
    """`alike` of each search of a sweep, by the search's id; empty if its search.json does not say."""
    with suppress(CorruptFile, OSError):
        return {cell.id: _alike(cell) for cell in store.sweep(name).searches().cells}
    return {}


def _alike(cell: SearchSpec) -> str:
    size = None if cell.rounds is None else cell.round_size
    asked = EvalRequest.of(cell.base)
    # `draws` leaves out the protocol, on which the objective depends.
    known = [*(getattr(cell, key) for key in SEARCH_KEYS), sorted(cell.grid), size, asked and asked.unchecked()]
    return short_hash([*known, cell.fresh, cell.seeds])


def origin(trials: pd.DataFrame) -> pd.DataFrame:
    """One row per run: its first trial; a search trial comes before a confirmation, which must be on a fresh run."""
    first = trials.assign(_late=trials["stage"] == CONFIRM).sort_values("_late", kind="stable")
    return first.drop_duplicates("id")[["id", *ORIGIN_COLUMNS]].astype({"order": float, "round": float})
