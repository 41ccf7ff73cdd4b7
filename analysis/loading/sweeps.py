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
            command = [str(argument) for argument in plan["command"]]
            runs = frozenset(str(run) for run in plan["runs"])
            code = Code.from_json(plan.get("code") or {}, folder.plan_file)
            found.append(Sweep(folder.name, command, str(plan.get("made") or ""), code, runs))
        except (CorruptFile, FileNotFoundError) as e:
            problems.append(str(e))
        except (KeyError, TypeError, ValueError) as e:
            problems.append(f"{folder.plan_file} is not a valid plan ({' '.join(str(e).split())[:120]})")
    return sorted(found, key=lambda sweep: (sweep.made, sweep.name))
