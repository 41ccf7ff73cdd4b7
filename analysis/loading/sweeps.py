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
            command = [str(argument) for argument in plan["command"]]
            runs = frozenset(str(run) for run in plan["runs"])
            code = Code.from_json(plan.get("code") or {}, folder.plan_file)
            found.append(Sweep(folder.name, command, str(plan.get("made") or ""), code, runs))
        except (CorruptFile, FileNotFoundError) as e:
            problems.append(str(e))
        except (KeyError, TypeError, ValueError) as e:
            problems.append(f"{folder.plan_file} is no plan ({' '.join(str(e).split())[:120]})")
    return sorted(found, key=lambda sweep: (sweep.made, sweep.name))
