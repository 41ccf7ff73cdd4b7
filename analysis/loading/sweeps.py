"""The sweeps of a store: command, code and runs of each, from its plan.json."""

from __future__ import annotations

from typing import NamedTuple

from landscape.config.errors import CorruptFile
from landscape.store import Store
from landscape.store.run_meta import Code


class Sweep(NamedTuple):
    """One sweep: the arguments of its latest command, when and by which code it was planned, its run ids."""

    name: str
    command: list[str]
    made: str
    code: Code
    runs: frozenset[str]


def read_sweeps(store: Store, problems: list[str]) -> list[Sweep]:
    """All sweeps that have a plan, oldest first. Appends a sentence to `problems` for each plan that cannot be read."""
    found = []
    for folder in store.sweep_folders():
        try:
            plan = folder.plan()
            found.append(
                Sweep(folder.name, list(plan.command), plan.made or "", plan.code or Code(), frozenset(plan.runs))
            )
        except (CorruptFile, FileNotFoundError) as e:
            problems.append(str(e))
    return sorted(found, key=lambda sweep: (sweep.made, sweep.name))
