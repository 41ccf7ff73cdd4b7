"""What sets compared cells apart beside the axes that they are compared on: the keys of their runs that differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from landscape.config.axes import AXES, CELL_AXES, SETTING
from landscape.config.identity import DERIVED, GROUPS, NEUTRAL
from landscape.store.trials import SEARCH

Design = Mapping[str, frozenset[str]]  # of a cell, the values that each key takes among its runs

SEARCHED = "searched"  # stands for all values that a search drew
IMAGES = ("data.size", "data.content")  # cells of other images do not compare
STEPS = "train.steps"
# Told by the names of the cells, or by the axis that a shorthand stands for.
NAMED = {key for axis in CELL_AXES for key in axis.keys} | {"reg.norm", *DERIVED}
OF_SETTING = {axis.name: axis.keys[-1] for axis in AXES if axis.enters == SETTING}
# A search may draw these.
DRAWN = ("optim.lr_d", "optim.lr_g", "optim.beta1", "optim.beta2", "reg.strength")
MOST = 3  # values of a key that are told one by one


def design(cell: pd.DataFrame, configs: Mapping[str, str]) -> Design:
    """Of one cell's runs, as `load` has them; `configs` as in `Collected`. A run without one tells its axes alone."""
    found: dict[str, set[str]] = {}
    drawn: dict[str, set[str]] = {}
    for run in cell.drop_duplicates(["setting", "stage"]).to_dict("records"):
        lines = (line.partition(": ") for line in configs.get(str(run["id"]), "").splitlines())
        told = {key: text for key, _, text in lines if key in IMAGES or key.partition(".")[0] in GROUPS}
        for key, text in (told or {key: _text(run[name]) for name, key in OF_SETTING.items()}).items():
            of_search = run["stage"] == SEARCH and key in DRAWN
            (drawn if of_search else found).setdefault(key, set()).add(_meant(key, text))
    for key, values in drawn.items():
        found.setdefault(key, set()).update({SEARCHED} if len(values) > 1 else values)
    return {key: frozenset(values) for key, values in found.items() if key not in NAMED}


def refused(a: Design, b: Design) -> str:
    """Why two cells may not be compared, whatever their values: "20 against 1,000 steps"; "" where they may."""
    if a.get(STEPS) != b.get(STEPS):
        return f"{_steps(a)} against {_steps(b)} steps"
    sizes = [_values(d, "data.size") for d in (a, b)]
    if sizes[0] != sizes[1]:
        return "images of side " + " against ".join(sizes)
    return "other images" if a.get("data.content") != b.get("data.content") else ""


def differing(a: Design, b: Design, facts_a: Mapping[str, Any], facts_b: Mapping[str, Any]) -> str:
    """The keys in which two cells differ beside what their names say (`facts`, by axis), as a text: "train.ema null
    against 0.999". A penalty's or normalizer's own keys go with it, and so do those that one network alone has."""
    apart = {axis for axis in CELL_AXES if facts_a.get(axis.name) != facts_b.get(axis.name)}
    own = {axis.group for axis in apart if axis.mark is not None}
    others = {axis.group for axis in apart}
    told = []
    for key in sorted((a.keys() & b.keys()) - {STEPS, *IMAGES}):
        group = key.partition(".")[0]
        alone = group in others and frozenset(("null",)) in (a[key], b[key])
        if a[key] != b[key] and group not in own and not alone:
            told.append(f"{key} {_values(a, key)} against {_values(b, key)}")
    return "; ".join(told)


def _steps(d: Design) -> str:
    known = sorted(int(text) for text in d.get(STEPS, ()) if text != "null")
    return ", ".join(f"{n:,}" for n in known) or "unknown"


def _values(d: Design, key: str) -> str:
    values = sorted(d.get(key, ()))
    return ", ".join(values) if len(values) <= MOST else f"{len(values)} values"


def _text(value: Any) -> str:
    return "null" if pd.isna(value) else f"{value:.15g}" if isinstance(value, float) else str(value)


def _meant(key: str, text: str) -> str:
    """A value as text; where the run is older than the key, what runs did then."""
    neutral = {"train.world_size": 1, **NEUTRAL}.get(key)
    return text if text != "null" or neutral is None else str(neutral).lower()
