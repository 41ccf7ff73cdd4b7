"""The axes by which tables tell runs apart, and what to call a run among others. Nothing here needs Hydra."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Axes = Mapping[str, Any]

CELL = ("data", "arch", "loss", "penalty", "norm", "n_dis")
# What a run's status says of it, in the order in which labels name it.
AXES = (*CELL, "lr_d", "lr_g", "seed", "repeat", "steps")


def cell_of(axes: Axes) -> tuple[str, ...]:
    """The cell of a run; "?" where its status does not say."""
    return tuple(str(axes.get(axis, "?")) for axis in CELL)


def labels(runs: Iterable[tuple[str, Axes]]) -> dict[str, str]:
    """What to call each run (id, axes) among these: the axes on which they differ, the beginning of its id if none."""
    known = dict(runs)
    differ = [axis for axis in AXES if len({repr(axes.get(axis)) for axes in known.values()}) > 1]
    if all(axes.get("lr_d") == axes.get("lr_g") for axes in known.values()):
        differ = [axis for axis in differ if axis != "lr_g"]
    return {run: " ".join(f"{axis}={axes.get(axis, '?')}" for axis in differ) or run[:8] for run, axes in known.items()}
