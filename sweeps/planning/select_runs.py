"""Choosing runs of a store: by id, by the sweep that planned them, by what they are. No torch."""

from __future__ import annotations

from typing import Any

from landscape.config.errors import CorruptFile, UserError, nearest
from landscape.config.identity import flatten
from landscape.store import RunFolder, Store
from landscape.store.lookup import find_run
from landscape.store.trials import read_rows
from sweeps.planning.config_groups import keys
from sweeps.planning.labels import AXES

Where = tuple[str, list[str]]  # a key and the values that it may have


def parse_where(texts: list[str]) -> list[Where]:
    """`KEY=VALUE,VALUE` texts; raises `UserError` for a key that no run has."""
    found = []
    for text in texts:
        key, equals, values = text.partition("=")
        wanted = [value.strip() for value in values.split(",")]
        if not equals or not all(wanted):
            raise UserError(f"--where {text} is no condition; write --where KEY=VALUE or --where KEY=VALUE,VALUE")
        if key not in AXES and key not in keys():
            hint = nearest(key, [*AXES, *keys()])
            raise UserError(
                f"--where {text}: no run has a {key}{hint}; legal: {', '.join(AXES)}, and configuration keys such as "
                "optim.beta1"
            )
        found.append((key, wanted))
    return found


def choose_runs(
    store: Store, ids: list[str], sweeps: list[str], where: list[Where]
) -> tuple[list[RunFolder], list[str]]:
    """The runs that meet all that is given (all runs where nothing is), and a sentence for each that is missing.

    Raises `UserError` for a sweep that is not there and where nothing is left to choose.
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
        missing += [f"{name}: it was planned and is gone" for name in planned if not store.run(name).exists()]
        runs = [run for run in runs if run.id in planned]
    if where:
        facts = [(run, _facts(run)) for run in runs]
        runs = [run for run, flat in facts if all(meets(flat.get(key), wanted) for key, wanted in where)]
        if facts and not runs:
            _nothingmeets(where, [flat for _, flat in facts])
    if not runs and not missing:
        raise UserError(f"no runs in {store.root}; give another store with store=PATH")
    return list({run.id: run for run in runs}.values()), missing


def planned_runs(store: Store, sweep: str) -> list[str]:
    """Ids of the runs that a sweep planned, its searches' trials among them; its name may be cut short where that is
    unique."""
    names = store.sweep_names()
    begin = [sweep] if sweep in names else [name for name in names if name.startswith(sweep)]
    if len(begin) != 1:
        found = ", ".join(begin or names) or "none"
        raise UserError(
            f"--sweep {sweep} {'begins several' if begin else 'is not in ' + str(store.root)}"
            f"{'' if begin else nearest(sweep, names)}; there: {found}"
        )
    try:
        grid = store.sweep(begin[0]).plan()["runs"]
        return list(dict.fromkeys([*grid, *(row.run for row in read_rows(store, begin[0]))]))
    except CorruptFile as e:
        raise UserError(f"{store.sweep(begin[0]).plan_file} cannot be read ({e})") from e


def _facts(run: RunFolder) -> dict[str, Any]:
    """What `--where` looks at; empty of a run that does not read."""
    try:
        return {**flatten(run.config()), **run.status().axes}
    except (CorruptFile, OSError, TypeError, AttributeError):
        return {}


def meets(value: Any, wanted: list[str]) -> bool:
    """Whether a run's value is one of those that were typed."""
    return any(_same(value, text) for text in wanted)


def _same(value: Any, text: str) -> bool:
    """Whether a run's value is what was typed: 1e-3 is 0.001, true is True, null is nothing."""
    if value is None or isinstance(value, bool):
        return text.lower() == {None: "null", True: "true", False: "false"}[value]
    try:
        return float(value) == float(text)
    except (TypeError, ValueError):
        return str(value) == text


def _nothingmeets(where: list[Where], facts: list[dict[str, Any]]) -> None:
    """Raise `UserError` naming the first condition that no run meets, and what there is."""
    for key, wanted in where:
        if not any(meets(flat.get(key), wanted) for flat in facts):
            there = sorted({str(flat.get(key)) for flat in facts if key in flat})
            raise UserError(f"--where {key}={','.join(wanted)} is met by no run; {key} there: {', '.join(there)}")
    raise UserError("no run meets all of " + ", ".join(f"--where {key}={','.join(wanted)}" for key, wanted in where))
