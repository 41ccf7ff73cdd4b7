"""The axes on which runs differ: one row each, from which all follows that tells runs apart or groups them. No torch.

From `AXES` follow the groups of `conf/` and the keys that a choice sets (`sweeps.planning`), what of a configuration
determines training (`landscape.config.identity`), cells and settings, the columns of `status`, of plans and of the
report's frames and tables, the labels of cells and runs, the looks of figures, and the keys of `--where`. A new axis is
a row here, its keys in `landscape.config.schema`, and, where it is a choice, a folder in `conf/`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

CELL: Final = "cell"
SETTING: Final = "setting"
LUCK: Final = "luck"


@dataclass(frozen=True, eq=False)
class Axis:
    """One axis: where a frozen configuration tells it, and how it enters cells, labels, tables and figures."""

    name: str  # its column wherever runs are listed, and its key in `--where`
    keys: tuple[str, ...]  # dotted keys of a configuration; the first that is not null tells
    enters: Literal["cell", "setting", "luck"]  # runs are compared by cell; a setting may have several seeds
    title: str  # heads its column in a report
    kind: type[str] | type[int] | type[float] = str
    group: str | None = None  # of `conf/`, where its values are choices
    # In the label of a cell: a word before all else, joined to other methods by "+", or told after them; None where a
    # label speaks of one data set and network.
    mark: Literal["word", "plus", "after"] | None = None
    plain: Any = None  # the value that labels leave out
    # Came after the first release: at `plain` it is no part of a run's id, and runs that do not tell it are so.
    added: bool = False
    pools: bool = False  # whether cells may be pooled over it
    matched: bool = True  # whether runs of two cells are of one setting only where they agree on it
    follows: str | None = None  # the axis that it is equal to unless it is given

    def text(self, value: Any) -> str:
        """How the label of a cell names a value; empty where it is left out."""
        return "" if self.mark is None or value == self.plain else str(value).upper()


# In the order in which tables and labels name them. Ids do not depend on it.
AXES = (
    Axis("data", ("data.name", "data.kind"), CELL, "data set", group="data"),
    Axis("arch", ("arch.kind",), CELL, "network", group="arch"),
    Axis("algorithm", ("algorithm.kind",), CELL, "algorithm", group="algorithm", mark="word", plain="gan", added=True),
    Axis("loss", ("loss.kind",), CELL, "loss", group="loss", mark="word", plain="none"),  # of what has no D
    Axis("penalty", ("reg.penalty",), CELL, "penalty", group="reg", mark="plus", plain="none"),
    Axis("norm", ("norm.kind",), CELL, "normalizer", group="norm", mark="plus", plain="none"),
    Axis("n_dis", ("optim.n_dis",), CELL, "n_dis", int, mark="after", plain=1, pools=True),
    Axis("optim", ("optim.kind",), SETTING, "optimizer", group="optim"),
    Axis("lr_d", ("optim.lr_d",), SETTING, "lr (D)", float),
    Axis("lr_g", ("optim.lr_g",), SETTING, "lr (G)", float, follows="lr_d"),
    Axis("beta1", ("optim.beta1",), SETTING, "β1", float),
    Axis("beta2", ("optim.beta2",), SETTING, "β2", float),
    Axis("strength", ("reg.strength",), SETTING, "strength", float, matched=False),  # it belongs to the cell's penalty
    Axis("width", ("arch.width",), SETTING, "width", float),
    Axis("batch_size", ("train.batch_size",), SETTING, "batch", int),
    Axis("steps", ("train.steps",), SETTING, "steps", int),
    Axis("seed", ("seed",), LUCK, "seed", int, plain=0),
    Axis("repeat", ("repeat",), LUCK, "repeat", int, plain=0),
)

BY_NAME = {axis.name: axis for axis in AXES}
CELL_AXES = tuple(axis for axis in AXES if axis.enters == CELL)
CELL_KEYS = tuple(axis.name for axis in CELL_AXES)
LUCK_KEYS = tuple(axis.name for axis in AXES if axis.enters == LUCK)
# What may differ within a cell: settings, and what cells may be pooled over.
VARIED_AXES = tuple(a for a in AXES if a.enters == SETTING) + tuple(a for a in CELL_AXES if a.pools)
# Groups whose choice is an axis, and the key by which each axis' choice names its function.
GROUPS = tuple(dict.fromkeys(axis.group for axis in AXES if axis.group is not None))
SELECTORS = {axis.keys[-1]: axis.group for axis in AXES if axis.group is not None}
# Parts of a configuration that axes lie in, and those of them that old runs do not have.
SECTIONS = tuple(dict.fromkeys(key.partition(".")[0] for axis in AXES for key in axis.keys if "." in key))
ADDED = tuple(axis for axis in AXES if axis.added)


def value(config: Mapping[str, Any], axis: Axis) -> Any:
    """What a frozen configuration is on an axis; raises `KeyError` where it lacks the key of an axis of old."""
    found = None
    for key in axis.keys:
        node: Any = config
        *sections, last = key.split(".")
        for section in sections:
            node = node.get(section) or {} if axis.added else node[section]
        must = key == axis.keys[-1] and axis.enters != SETTING and not axis.added
        found = node[last] if must else node.get(last)
        if found is not None:
            break
    return axis.plain if found is None and axis.added else found


def axes_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """What a frozen configuration is on every axis, by name."""
    return {axis.name: value(config, axis) for axis in AXES}


def cell_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """The cell of a frozen configuration: its values on the axes by which runs are grouped and compared."""
    return {axis.name: value(config, axis) for axis in CELL_AXES}


def cell_name(facts: Mapping[str, Any]) -> tuple[str, ...]:
    """The values of a cell as texts, in the order of `CELL_KEYS`; "?" where they are not known."""
    told = (facts.get(axis.name, axis.plain if axis.added else None) for axis in CELL_AXES)
    return tuple("?" if found is None else str(found) for found in told)


def cell_words(facts: Mapping[str, Any]) -> str:
    """A cell in a few words: its choices, but for those that are none, and its numbers by name."""
    told = [(axis, facts.get(axis.name, axis.plain)) for axis in CELL_AXES]
    choices = [str(found) for axis, found in told if axis.kind is str and found != axis.plain]
    return " ".join([*choices, *(f"{axis.name}={found}" for axis, found in told if axis.kind is not str)])


def family(facts: Mapping[str, Any]) -> str:
    """What a cell's models are: the algorithm where it is none of old, the loss where there is one ("NS", "WGAN")."""
    words = [axis.text(facts.get(axis.name, axis.plain)) for axis in CELL_AXES if axis.mark == "word"]
    return " ".join(filter(None, words))


def method(facts: Mapping[str, Any]) -> str:
    """What sets a cell apart but its data, network and family: "GP", "SN", "GP+SN 5", or "W/O" for nothing."""
    joined, after = (
        [axis.text(facts.get(axis.name, axis.plain)) for axis in CELL_AXES if axis.mark == mark]
        for mark in ("plus", "after")
    )
    return " ".join(["+".join(filter(None, joined)) or "W/O", *filter(None, after)])


def cell_label(facts: Mapping[str, Any]) -> str:
    """The name of a cell within one data set and network, as the study writes it: "NS GP", "WGAN GP+SN 5"."""
    return " ".join(filter(None, [family(facts), method(facts)]))


def shown_axes(cells: Collection[tuple[str, ...]]) -> list[tuple[int, Axis]]:
    """The columns of a table of cells (by `cell_name`), each with its place there: one that came after the first
    release only where some cell is not plain."""
    columns = enumerate(CELL_AXES)
    return [(i, axis) for i, axis in columns if not axis.added or {cell[i] for cell in cells} - {str(axis.plain)}]
