"""The groups and choices of `conf/`, and what each choice's file contributes, loaded and typed by the schema once.

This reimplements the part of Hydra's composition that `conf/` uses: a defaults list of groups in order, files packaged
in their group or `_global_`, and `override /group: choice` inside a file. The first point of every plan is compared
with Hydra's composition, and a test compares a sample of all choices.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from omegaconf import OmegaConf

from landscape.config.conf_dir import conf_dir
from landscape.config.schema import Schema
from landscape.store.atomic_io import read_yaml

# Keys of a sweep that are not part of a run's configuration.
SWEEP = ("search", "confirm", "stage", "canary", "max_points")
# Keys that a grid cannot vary: how and where runs are trained.
NOT_SWEPT = ("store", "device", "threads", "launcher", "logger", "checkpoint", *SWEEP, "stop")

Leaves = dict[tuple[str, ...], Any]  # path -> value; interpolations unresolved


@cache
def groups() -> dict[str, list[str]]:
    """Group -> its choices, sorted."""
    return {
        folder.name: sorted(file.stem for file in folder.glob("*.yaml"))
        for folder in sorted(conf_dir().iterdir())
        if folder.is_dir() and folder.name != "hydra"
    }


@cache
def read_choice(group: str, choice: str) -> dict[str, Any]:
    """The content of `conf/<group>/<choice>.yaml`."""
    return read_yaml(conf_dir() / group / f"{choice}.yaml", aliases=True)


@cache
def mentioned(group: str, choice: str | None) -> frozenset[str]:
    """The keys that a choice uses: those in its file. None (no choice) uses none."""
    if choice is None:
        return frozenset()
    content = read_choice(group, choice)
    # A file packaged as `_global_` (a data set, with defaults for other groups) has a section for its group.
    return frozenset(content.get(group, content)) - {"defaults"}


class Fragment(NamedTuple):
    """A file's own values, and its choices for other groups."""

    leaves: Leaves
    overrides: dict[str, str]


def leaves(tree: dict[str, Any], path: tuple[str, ...] = ()) -> Leaves:
    """The leaves of nested dictionaries by path; lists are leaves."""
    found: Leaves = {}
    for key, value in tree.items():
        here = (*path, str(key))
        if isinstance(value, dict) and value:
            found |= leaves(value, here)
        else:
            found[here] = value
    return found


def typed_leaves(tree: dict[str, Any]) -> Leaves:
    """The leaves of a part of a configuration, typed by the schema. Raises OmegaConf's errors."""
    probe: Any = OmegaConf.structured(Schema)
    return {path: type_value(path, value, probe) for path, value in leaves(tree).items()}


def type_value(path: tuple[str, ...], value: Any, probe: Any) -> Any:
    """One value, typed by the schema; `probe` is a structured configuration that is changed for it."""
    OmegaConf.update(probe, ".".join(path), value, merge=False)
    for part in path[:-1]:
        probe = probe[part]
    node: Any = OmegaConf.to_container(probe, resolve=False)
    return node[path[-1]]


@cache
def primary() -> tuple[tuple[tuple[str, str | None], ...], Leaves]:
    """`conf/config.yaml`: its groups with their default choices, in order, and its own values."""
    content = read_yaml(conf_dir() / "config.yaml", aliases=True)
    defaults = []
    for item in content.pop("defaults"):
        if isinstance(item, dict):
            ((group, choice),) = item.items()
            defaults.append((group, choice))
    return tuple(defaults), typed_leaves(content)


@cache
def fragment(group: str, choice: str) -> Fragment:
    """The contribution of `conf/<group>/<choice>.yaml`."""
    content = dict(read_choice(group, choice))
    overrides = {}
    for item in content.pop("defaults", []):
        if isinstance(item, dict):
            for key, value in item.items():
                word, _, target = key.partition(" ")
                assert word == "override" and target.startswith("/"), f"{group}/{choice}.yaml: {key}"
                overrides[target[1:]] = value
    tree = content if is_global(group, choice) else {group: content}
    return Fragment(typed_leaves(tree), overrides)


@cache
def is_global(group: str, choice: str) -> bool:
    """Whether a choice's file is packaged as `_global_`: it may set keys of any group."""
    first = (conf_dir() / group / f"{choice}.yaml").read_text().lstrip().partition("\n")[0]
    return first.replace(" ", "") == "#@package_global_"


def choose(given: dict[str, str]) -> dict[str, str | None]:
    """The choice of every group: the given one, else that of a chosen file's override, else the default."""
    defaults, _ = primary()
    chosen: dict[str, str | None] = {group: given.get(group, choice) for group, choice in defaults}
    while True:  # an overriding choice may override others itself: a preset's data set its scores
        before = dict(chosen)
        for group, _ in defaults:
            choice = chosen[group]
            if choice is not None:
                chosen |= {
                    other: value for other, value in fragment(group, choice).overrides.items() if other not in given
                }
        if chosen == before:
            return chosen


def merge(chosen: dict[str, str | None]) -> dict[str, Any]:
    """The configuration of these choices, interpolations unresolved."""
    defaults, own = primary()
    tree: Any = OmegaConf.to_container(_schema(), resolve=False)
    parts = [own, *(fragment(group, chosen[group]).leaves for group, _ in defaults if chosen[group] is not None)]
    for part in parts:
        put(tree, part)
    return dict(tree)


@cache
def _schema() -> Any:
    return OmegaConf.structured(Schema)


def put(tree: dict[Any, Any], part: Leaves) -> None:
    """Set leaves in a tree, in place."""
    for path, value in part.items():
        node = tree
        for key in path[:-1]:
            node = node.setdefault(key, {})
        node[path[-1]] = list(value) if isinstance(value, list) else value


def copy_tree(tree: Any) -> Any:
    """A deep copy of nested dictionaries and lists; several times faster than `copy.deepcopy`."""
    if isinstance(tree, dict):
        return {key: copy_tree(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [copy_tree(value) for value in tree]
    return tree
