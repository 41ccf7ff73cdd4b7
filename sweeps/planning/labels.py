"""Short labels that tell runs apart. Does not import Hydra."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from landscape.config.axes import AXES, BY_NAME


def labels(runs: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, str]:
    """Run id -> label, for (run id, values by axis): the axes on which the runs differ, or the start of its id."""
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
