"""What to call a run among others. Nothing here needs Hydra."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from landscape.config.axes import AXES, BY_NAME


def labels(runs: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, str]:
    """What to call each run (id, its values by axis) among these: the axes on which they differ, the beginning of its
    id if none."""
    known = dict(runs)
    differ = []
    for axis in AXES:
        plain = axis.plain if axis.added else None
        if len({repr(facts.get(axis.name, plain)) for facts in known.values()} - {repr(None)}) > 1:
            differ.append(axis.name)
    for name in [name for name in differ if BY_NAME[name].follows]:
        if all(facts.get(name) == facts.get(BY_NAME[name].follows or "") for facts in known.values()):
            differ.remove(name)
    found = {}
    for run, facts in known.items():
        told = {name: facts.get(name, BY_NAME[name].plain) for name in differ}
        found[run] = " ".join(f"{name}={value}" for name, value in told.items() if value is not None) or run[:8]
    return found
