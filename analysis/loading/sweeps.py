"""The sweeps of a store: the command behind each, from its plan.json, and the runs that it is of."""

from __future__ import annotations

from typing import NamedTuple

from landscape.config.errors import CorruptFile
from landscape.store import Store
from landscape.store.run_meta import Code


class Sweep(NamedTuple):
    """One sweep: what was typed last that means it, when, by which code, and the runs that its plan names."""

    name: str
    command: list[str]
    made: str
    code: Code
    runs: frozenset[str]


def read_sweeps(store: Store, problems: list[str]) -> list[Sweep]:
    """Every sweep that has a plan, oldest first; a plan that cannot be read adds a sentence to `problems`."""
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
