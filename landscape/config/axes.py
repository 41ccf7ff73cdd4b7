"""The axes on which runs differ, one row each in `AXES`. No torch.

Everything that groups or distinguishes runs is derived from `AXES`: the groups of `conf/`, the run id
(`landscape.config.identity`), cells and settings, columns of `status` and of the report, labels, figure styles, and the
keys of `--where`. A new axis needs a row here, its keys in `landscape.config.schema` and, if its values are named
choices, a folder in `conf/`.
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
    """An axis: where a frozen configuration holds it, and how it enters cells, labels, tables and figures."""

    name: str  # column name, and key in `--where`
    keys: tuple[str, ...]  # dotted configuration keys; the first that is not null counts
    enters: Literal["cell", "setting", "luck"]  # runs are compared by cell; a setting has one or more seeds
    title: str  # column header in a report
    kind: type[str] | type[int] | type[float] = str
    group: str | None = None  # folder in `conf/`, if its values are named choices
    # Place in the label of a cell: before everything else, joined to other methods by "+", or after them. None: not in
    # the label, which is for one data set and network.
    mark: Literal["word", "plus", "after"] | None = None
    plain: Any = None  # value that labels omit
    word: str | None = None  # what labels show instead of the value, in which {} is the value
    # Added after the first release. At `plain` it is not part of the run id, and runs that lack the key have `plain`.
    added: bool = False
    pools: bool = False  # whether cells may be pooled over it
    matched: bool = True  # whether runs of two cells must agree on it to be compared at equal settings
    follows: str | None = None  # axis whose value it takes if not given

    def text(self, value: Any) -> str:
        """How a cell's label shows a value; empty if it is omitted."""
        return "" if self.mark is None or value == self.plain else (self.word or "{}").format(str(value).upper())


# In the order of tables and labels. Run ids do not depend on it.
AXES = (
    Axis("data", ("data.name", "data.kind"), CELL, "data set", group="data"),
    Axis("arch", ("arch.kind",), CELL, "network", group="arch"),
    Axis("algorithm", ("algorithm.kind",), CELL, "algorithm", group="algorithm", mark="word", plain="gan", added=True),
    Axis(
        "loss", ("loss.kind",), CELL, "loss", group="loss", mark="word", plain="none"
    ),  # value of algorithms without D
    Axis("penalty", ("reg.penalty",), CELL, "penalty", group="reg", mark="plus", plain="none"),
    Axis("norm", ("norm.kind",), CELL, "normalizer", group="norm", mark="plus", plain="none"),
    Axis(
        "conditional", ("arch.conditional",), CELL, "conditional", mark="after", plain="false", word="CGAN", added=True
    ),
    Axis("lens", ("lens.kind",), CELL, "lens", group="lens", mark="after", plain="none", word="LENS", added=True),
    Axis("batch", ("batch.kind",), CELL, "batches", group="batch", plain="pure", added=True),  # labels have its loss
    Axis("minibatch", ("arch.minibatch",), CELL, "minibatch", mark="after", plain="none", added=True),
    Axis("symmetric", ("arch.symmetric",), CELL, "symmetric", mark="after", plain="false", word="SYM", added=True),
    Axis("pack", ("arch.pack",), CELL, "pack", int, mark="after", plain=1, word="PACK {}", added=True),
    Axis("penalty_g", ("reg_g.penalty",), CELL, "penalty (G)", group="reg_g", mark="after", plain="none", added=True),
    Axis("n_dis", ("optim.n_dis",), CELL, "n_dis", int, mark="after", plain=1, pools=True),
    Axis("optim", ("optim.kind",), SETTING, "optimizer", group="optim"),
    Axis("lr_d", ("optim.lr_d",), SETTING, "lr (D)", float),
    Axis("lr_g", ("optim.lr_g",), SETTING, "lr (G)", float, follows="lr_d"),
    Axis("beta1", ("optim.beta1",), SETTING, "β1", float),
    Axis("beta2", ("optim.beta2",), SETTING, "β2", float),
    Axis("strength", ("reg.strength",), SETTING, "strength", float, matched=False),  # its scale depends on the penalty
    Axis("penalty_every", ("reg.every",), SETTING, "penalty every", int, plain=1, added=True, matched=False),
    Axis("strength_g", ("reg_g.strength",), SETTING, "strength (G)", float, matched=False, added=True),
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
# Axes that may differ within a cell: settings, and axes that cells may be pooled over.
VARIED_AXES = tuple(a for a in AXES if a.enters == SETTING) + tuple(a for a in CELL_AXES if a.pools)
# Groups of `conf/` that are axes, and the configuration key of each axis's choice.
GROUPS = tuple(dict.fromkeys(axis.group for axis in AXES if axis.group is not None))
SELECTORS = {axis.keys[-1]: axis.group for axis in AXES if axis.group is not None}
# Sections of a configuration that hold axes, and the axes that old runs lack.
SECTIONS = tuple(dict.fromkeys(key.partition(".")[0] for axis in AXES for key in axis.keys if "." in key))
ADDED = tuple(axis for axis in AXES if axis.added)


def value(config: Mapping[str, Any], axis: Axis) -> Any:
    """The value of a frozen configuration on an axis. Raises `KeyError` if a required key is missing."""
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
    if isinstance(found, bool):  # a switch has the values "true" and "false", as it is typed
        found = str(found).lower()
    return axis.plain if found is None and axis.added else found


def axes_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """Values of a frozen configuration on all axes, by name."""
    return {axis.name: value(config, axis) for axis in AXES}


def cell_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """The cell of a frozen configuration: its values on the axes by which runs are grouped and compared."""
    return {axis.name: value(config, axis) for axis in CELL_AXES}


def cell_name(facts: Mapping[str, Any]) -> tuple[str, ...]:
    """The values of a cell as strings, in the order of `CELL_KEYS`; "?" if unknown."""
    told = (facts.get(axis.name, axis.plain if axis.added else None) for axis in CELL_AXES)
    return tuple("?" if found is None else str(found) for found in told)


def cell_words(facts: Mapping[str, Any]) -> str:
    """A cell as short text: its choices other than "none", then its numbers as name=value.

    A number of an added axis is told where it is not `plain`.
    """
    told = [(axis, facts.get(axis.name, axis.plain)) for axis in CELL_AXES]
    told = [(axis, found) for axis, found in told if found != axis.plain or not (axis.kind is str or axis.added)]
    choices = [axis.name if found == "true" else str(found) for axis, found in told if axis.kind is str]
    return " ".join([*choices, *(f"{axis.name}={found}" for axis, found in told if axis.kind is not str)])


def family(facts: Mapping[str, Any]) -> str:
    """The label of a cell's family: the algorithm unless it is the default, and its loss ("NS", "WGAN")."""
    words = [axis.text(facts.get(axis.name, axis.plain)) for axis in CELL_AXES if axis.mark == "word"]
    return " ".join(filter(None, words))


def method(facts: Mapping[str, Any]) -> str:
    """The label of a cell's regularization: "GP", "SN", "GP+SN 5", or "W/O" for none."""
    joined, after = (
        [axis.text(facts.get(axis.name, axis.plain)) for axis in CELL_AXES if axis.mark == mark]
        for mark in ("plus", "after")
    )
    return " ".join(["+".join(filter(None, joined)) or "W/O", *filter(None, after)])


def cell_label(facts: Mapping[str, Any]) -> str:
    """The label of a cell within one data set and network, as in the study: "NS GP", "WGAN GP+SN 5"."""
    return " ".join(filter(None, [family(facts), method(facts)]))


def shown_axes(cells: Collection[tuple[str, ...]]) -> list[tuple[int, Axis]]:
    """The columns of a table of cells (by `cell_name`), each with its position. Added axes are shown only if some cell
    differs from `plain`."""
    columns = enumerate(CELL_AXES)
    return [(i, axis) for i, axis in columns if not axis.added or {cell[i] for cell in cells} - {str(axis.plain)}]
