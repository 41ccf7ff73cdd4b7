"""The configuration keys in which compared cells differ, besides those that their names show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from landscape.config.axes import AXES, CELL_AXES, SETTING
from landscape.config.identity import DERIVED, GROUPS, NEUTRAL
from landscape.store.trials import SEARCH

Design = Mapping[str, frozenset[str]]  # the values of each key in the runs of a cell

SEARCHED = "searched"  # stands for all values of a search
IMAGES = ("data.size", "data.content")  # cells with different images are not compared
STEPS = "train.steps"
# Shown by the names of cells, or derived from other keys.
NAMED = {key for axis in CELL_AXES for key in axis.keys} | {"reg.norm", *DERIVED}
OF_SETTING = {axis.name: axis.keys[-1] for axis in AXES if axis.enters == SETTING}
# Keys that a search may draw.
DRAWN_KEYS = ("optim.lr_d", "optim.lr_g", "optim.beta1", "optim.beta2", "reg.strength")
MAX_VALUES = 3  # of a key, in a text; more are counted


def design(cell: pd.DataFrame, configs: Mapping[str, str]) -> Design:
    """The design of a cell, from its rows of `load` and `configs` (as in `Collected`).

    A run without a configuration contributes the axes in its row.
    """
    found: dict[str, set[str]] = {}
    drawn: dict[str, set[str]] = {}
    for run in cell.drop_duplicates(["setting", "stage"]).to_dict("records"):
        lines = (line.partition(": ") for line in configs.get(str(run["id"]), "").splitlines())
        told = {key: text for key, _, text in lines if key in IMAGES or key.partition(".")[0] in GROUPS}
        for key, text in (told or {key: _text(run[name]) for name, key in OF_SETTING.items()}).items():
            of_search = run["stage"] == SEARCH and key in DRAWN_KEYS
            (drawn if of_search else found).setdefault(key, set()).add(_meant(key, text))
    for key, values in drawn.items():
        found.setdefault(key, set()).update({SEARCHED} if len(values) > 1 else values)
    return {key: frozenset(values) for key, values in found.items() if key not in NAMED}


def refused(a: Design, b: Design) -> str:
    """Why two cells must not be compared, whatever their values: "20 against 1,000 steps"; "" if they may."""
    if a.get(STEPS) != b.get(STEPS):
        return f"{_steps(a)} against {_steps(b)} steps"
    sizes = [_values(d, "data.size") for d in (a, b)]
    if sizes[0] != sizes[1]:
        return "images of side " + " against ".join(sizes)
    return "different images" if a.get("data.content") != b.get("data.content") else ""


def differing(a: Design, b: Design, facts_a: Mapping[str, Any], facts_b: Mapping[str, Any]) -> str:
    """The keys in which two cells differ besides those that their names show, such as "train.ema null against 0.999".

    `facts_a` and `facts_b` are the values of the cell axes. The keys of a penalty or normalizer that differs are left
    out, and so are keys that only one of the networks has.
    """
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
    return ", ".join(values) if len(values) <= MAX_VALUES else f"{len(values)} values"


def _text(value: Any) -> str:
    return "null" if pd.isna(value) else f"{value:.15g}" if isinstance(value, float) else str(value)


def _meant(key: str, text: str) -> str:
    """A value as text; for a run older than the key, the value that applied then."""
    neutral = {"train.world_size": 1, **NEUTRAL}.get(key)
    return text if text != "null" or neutral is None else str(neutral).lower()
