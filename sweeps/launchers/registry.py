"""Which launchers there are. A new one is a row here."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from landscape.config.errors import UserError
from landscape.store import Store, SweepFolder
from sweeps.monitor import Queue, Scheduler

if TYPE_CHECKING:
    from sweeps.launchers.base import Launcher


class Row(NamedTuple):
    """Where the class of a launcher lies, loaded only when it is used."""

    launcher: str
    scheduler: str = ""  # and that of its queue, where it has one: `status` asks that one and plans nothing


LAUNCHERS = {
    "local": Row("sweeps.launchers.local:LocalLauncher"),
    "inline": Row("sweeps.launchers.inline:InlineLauncher"),
    "slurm": Row("sweeps.launchers.slurm.launcher:SlurmLauncher", "sweeps.launchers.slurm.submissions:Submissions"),
}
DEFAULT = "local"  # of a sweep that was frozen before there was a choice


def launcher_class(kind: str) -> type[Launcher]:
    """The class of a kind of launcher; raises `UserError`."""
    if kind not in LAUNCHERS:
        raise UserError(f"launcher.kind={kind} is no launcher; legal: {', '.join(LAUNCHERS)}")
    found: type[Launcher] = _load(LAUNCHERS[kind].launcher)
    return found


def launcher_of(keys: Mapping[str, Any] | None) -> Launcher:
    """The launcher that these keys of a configuration choose, or those that a sweep's plan holds."""
    keys = {"kind": DEFAULT, **(keys or {})}
    return launcher_class(keys["kind"])(keys)


def scheduler_for(keys: Mapping[str, Any] | None) -> Launcher:
    """The launcher that has a scheduler: the one that these keys choose, else the first there is."""
    chosen = launcher_of(keys)
    return (
        chosen if not chosen.attached else next(launcher_of({"kind": k}) for k, r in LAUNCHERS.items() if r.scheduler)
    )


def ask(store: Store) -> Queue:
    """What the schedulers hold of a store's runs."""
    found = Queue()
    for scheduler in _schedulers():
        scheduler.snapshot(store, found)
    return found


def cancel(store: Store, folder: SweepFolder) -> int:
    """Take a sweep's jobs out of every queue; how many arrays."""
    return sum(scheduler.cancel(store, folder) for scheduler in _schedulers())


def job_logs(store: Store, run_id: str) -> list[Path]:
    """The schedulers' logs of the jobs that a run was given to, oldest first; those that are there."""
    found = [log for scheduler in _schedulers() for log in scheduler.logs(store, run_id)]
    return [log for _, log in sorted(found) if log.exists()]


def _schedulers() -> Iterator[type[Scheduler]]:
    return (_load(row.scheduler) for row in LAUNCHERS.values() if row.scheduler)


def _load(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)
