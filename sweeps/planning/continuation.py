"""Finds the shorter runs of the store that the new runs of a plan can continue."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from landscape.config.axes import AXES, axes_of
from landscape.config.errors import CorruptFile
from landscape.config.identity import run_id
from landscape.config.lengths import bound_to_length, but_for_length
from landscape.store import DONE, RunFolder, RunStatus, Store
from sweeps.planning.plan import NEW, Plan, Planned

OTHERS = tuple(axis for axis in AXES if axis.name != "steps")


def find_shorter(plan: Plan) -> None:
    """For each new run of a plan, set `continues` to the longest shorter run that is equal in all else and whose last
    checkpoint was kept. What cannot be continued is counted in `plan.unkept` and `plan.bound`."""
    new: dict[tuple[Any, ...], list[Planned]] = defaultdict(list)
    for planned in plan.runs:
        if planned.state == NEW:
            new[_place(axes_of(planned.config))].append(planned)
    found: dict[str, list[tuple[int, RunFolder]]] = defaultdict(list)  # planned run -> its shorter runs
    for run, status in _finished(plan.store) if new else ():
        for planned in new.get(_place(status.axes), ()):
            if status.step < planned.config["train"]["steps"] and _begins_as(planned, run):
                found[planned.id].append((status.step, run))
    for planned in (one for one in plan.runs if one.id in found):
        bound = bound_to_length(planned.config)
        kept = [(step, run) for step, run in found[planned.id] if run.newest_checkpoint.exists()]
        if bound is not None:
            plan.bound[bound] += 1
        elif kept:
            planned.shorter = max(kept, key=lambda pair: pair[0])[1]
            planned.done = max(step for step, _ in kept)
        else:
            plan.unkept += 1


def _place(axes: Mapping[str, Any]) -> tuple[Any, ...]:
    """The values on all axes but the length, by which a status tells most runs apart."""
    return tuple(axes.get(axis.name, axis.plain if axis.added else None) for axis in OTHERS)


def _finished(store: Store) -> Iterable[tuple[RunFolder, RunStatus]]:
    for name in store.run_ids():
        try:
            status, _ = store.status_of(name)
        except (CorruptFile, OSError):
            continue
        if status.state == DONE:
            yield store.run(name), status


def _begins_as(planned: Planned, run: RunFolder) -> bool:
    """Whether a run of the store differs from a planned one in its length alone."""
    try:
        config = run.config()
        return run_id(config) == run.id and but_for_length(config) == but_for_length(planned.config)
    except (CorruptFile, OSError, KeyError, TypeError, AttributeError):
        return False
