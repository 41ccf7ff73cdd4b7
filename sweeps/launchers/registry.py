"""The registered launchers. A new one is a row here."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from landscape.config.errors import UserError
from landscape.store import Store, SweepFolder
from sweeps.monitor import Scheduler, SchedulerView

if TYPE_CHECKING:
    from sweeps.launchers.base import Launcher


class Row(NamedTuple):
    """The class of a launcher as module:name, loaded only when it is used."""

    launcher: str
    scheduler: str = ""  # the class of its queue, if it has one: `status` loads only that


LAUNCHERS = {
    "local": Row("sweeps.launchers.local:LocalLauncher"),
    "inline": Row("sweeps.launchers.inline:InlineLauncher"),
    "slurm": Row("sweeps.launchers.slurm.launcher:SlurmLauncher", "sweeps.launchers.slurm.submissions:Submissions"),
}
DEFAULT = "local"  # for sweeps frozen before there was a choice


def launcher_class(kind: str) -> type[Launcher]:
    """The class of a kind of launcher; raises `UserError` for an unknown one."""
    if kind not in LAUNCHERS:
        raise UserError(f"launcher.kind={kind} is not a launcher; legal: {', '.join(LAUNCHERS)}")
    found: type[Launcher] = _load(LAUNCHERS[kind].launcher)
    return found


def launcher_of(keys: Mapping[str, Any] | None) -> Launcher:
    """The launcher that the `launcher` keys of a configuration or of a stored plan choose; None chooses the default."""
    keys = {"kind": DEFAULT, **(keys or {})}
    return launcher_class(keys["kind"])(keys)


def scheduler_for(keys: Mapping[str, Any] | None) -> Launcher:
    """A launcher with a scheduler: the one that these keys choose, else the first registered."""
    chosen = launcher_of(keys)
    return (
        chosen if not chosen.attached else next(launcher_of({"kind": k}) for k, r in LAUNCHERS.items() if r.scheduler)
    )


def query_schedulers(store: Store) -> SchedulerView:
    """What the schedulers know about a store's runs."""
    found = SchedulerView()
    for scheduler in _schedulers():
        scheduler.snapshot(store, found)
    return found


def cancel(store: Store, folder: SweepFolder) -> int:
    """Cancel a sweep's jobs in every queue; returns the number of job arrays."""
    return sum(scheduler.cancel(store, folder) for scheduler in _schedulers())


def job_logs(store: Store, run_id: str) -> list[Path]:
    """The existing scheduler logs of a run's jobs, oldest first."""
    found = [log for scheduler in _schedulers() for log in scheduler.logs(store, run_id)]
    return [log for _, log in sorted(found) if log.exists()]


def _schedulers() -> Iterator[type[Scheduler]]:
    return (_load(row.scheduler) for row in LAUNCHERS.values() if row.scheduler)


def _load(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)
