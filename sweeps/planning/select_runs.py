"""Select runs of a store by id, by sweep, or by their values."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from landscape.config import where
from landscape.config.axes import axes_of
from landscape.config.errors import CorruptFile, UserError, nearest
from landscape.config.identity import flatten
from landscape.store import STATES, RunFolder, Store
from landscape.store.lookup import find_run
from landscape.store.trials import read_rows


def choose_runs(
    store: Store, ids: list[str], sweeps: list[str], conditions: list[str]
) -> tuple[list[RunFolder], list[str]]:
    """The runs that meet all of the given criteria (all runs if there are none), and a sentence per missing run.

    Raises `UserError` for an unknown sweep, and if no run is found.
    """
    missing: list[str] = []
    if ids:
        runs = []
        for text in ids:
            try:
                runs.append(find_run(store, text))
            except UserError as e:
                missing.append(str(e))
        if not runs:
            raise UserError("\n".join(missing))
    else:
        runs = list(store.run_folders())
    if sweeps:
        planned = [name for sweep in sweeps for name in planned_runs(store, sweep)]
        missing += [
            f"{name}: it was planned, but its folder is missing" for name in planned if not store.run(name).exists()
        ]
        runs = [run for run in runs if run.id in planned]
    if conditions and runs:
        met = set(by_where(store, {run.id: _status(run) for run in runs}, conditions, STATES))
        runs = [run for run in runs if run.id in met]
    if not runs and not missing:
        raise UserError(f"no runs in {store.root}; give another store with store=FOLDER")
    return list({run.id: run for run in runs}.values()), missing


def planned_runs(store: Store, sweep: str) -> list[str]:
    """Ids of a sweep's runs, including the recorded trials of its searches. `sweep` is its name or a unique prefix."""
    names = store.sweep_names()
    begin = [sweep] if sweep in names else [name for name in names if name.startswith(sweep)]
    if len(begin) != 1:
        found = ", ".join(begin or names) or "none"
        raise UserError(
            f"--sweep {sweep} {'is a prefix of several' if begin else 'is not in ' + str(store.root)}"
            f"{'' if begin else nearest(sweep, names)}; there: {found}"
        )
    try:
        grid = store.sweep(begin[0]).plan().runs
        return list(dict.fromkeys([*grid, *(row.run for row in read_rows(store, begin[0]))]))
    except CorruptFile as e:
        raise UserError(f"{store.sweep(begin[0]).plan_file} cannot be read ({e})") from e


def by_where(
    store: Store, runs: Mapping[str, tuple[str, Mapping[str, Any]]], texts: Iterable[str], states: Collection[str]
) -> list[str]:
    """Those of the runs, id -> (state, its values by axis), that meet all conditions (`landscape.config.where`).

    A configuration is read where a status does not tell; `states` are those that there may be. Raises `UserError` as
    `where.filter_mask` does.
    """
    configs: dict[str, dict[str, Any]] = {}

    def value(run: str, key: str) -> Any:
        state, told = runs[run]
        found = {"id": run, "status": state, **told}
        if key not in found and run not in configs:
            configs[run] = _config(store.run(run))
        return found[key] if key in found else configs[run].get(key)

    met = where.filter_mask(texts, lambda key: [value(run, key) for run in runs], len(runs), legal={"status": states})
    return [run for run, meets in zip(runs, met, strict=True) if meets]


def _config(run: RunFolder) -> dict[str, Any]:
    """A run's configuration by axis and by key; empty if it cannot be read."""
    try:
        config = run.config()
        return flatten(config) | axes_of(config)
    except (CorruptFile, OSError, KeyError, TypeError, AttributeError):
        return {}


def _status(run: RunFolder) -> tuple[str, Mapping[str, Any]]:
    """A run's state and its values by axis, from its status; "unreadable" and no values if it cannot be read."""
    try:
        status = run.status()
        return status.state, status.axes
    except (CorruptFile, OSError):
        return "unreadable", {}
