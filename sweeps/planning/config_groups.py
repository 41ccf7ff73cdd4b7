"""What can be chosen: the groups and files of `conf/`, and what each file contributes, loaded and typed once.

This repeats the part of Hydra's composition that `conf/` uses: a defaults list of groups in order, files packaged
in their group or `_global_`, and `override /group: choice` inside a file. The first point of every plan is also
composed by Hydra and must come out equal, and a test holds a sample of all choices to that.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from omegaconf import OmegaConf

from landscape.config.conf_dir import conf_dir
from landscape.config.schema import Schema
from landscape.store.atomic_io import read_yaml

# What a sweep is asked, and its runs do not know of.
SWEEP = ("search", "confirm", "stage", "max_points")
# How and where runs are trained: a sweep has one of each.
NO_AXES = ("store", "device", "threads", "launcher", "logger", "checkpoint", *SWEEP, "stop")

Leaves = dict[tuple[str, ...], Any]  # path -> value; interpolations as they are written


@cache
def groups() -> dict[str, list[str]]:
    """Every group and its choices, sorted."""
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
    """The keys that a choice uses: those its own file mentions. None (nothing chosen) uses none."""
    if choice is None:
        return frozenset()
    content = read_choice(group, choice)
    # A file that is packaged `_global_` (a data set, with defaults for other groups) has a section of its own.
    return frozenset(content.get(group, content)) - {"defaults"}


class Fragment(NamedTuple):
    """A file's own values, and the choices that it makes for other groups."""

    leaves: Leaves
    overrides: dict[str, str]


def leaves(tree: dict[str, Any], path: tuple[str, ...] = ()) -> Leaves:
    """Every leaf of nested dictionaries by its path; lists are leaves."""
    found: Leaves = {}
    for key, value in tree.items():
        here = (*path, str(key))
        if isinstance(value, dict) and value:
            found |= leaves(value, here)
        else:
            found[here] = value
    return found


def typed_leaves(tree: dict[str, Any]) -> Leaves:
    """The leaves of a part of a configuration, as the schema types them; OmegaConf's errors pass."""
    probe: Any = OmegaConf.structured(Schema)
    return {path: type_value(path, value, probe) for path, value in leaves(tree).items()}


def type_value(path: tuple[str, ...], value: Any, probe: Any) -> Any:
    """One value as the schema types it, by way of `probe`, a structured configuration that is changed."""
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
    """What `conf/<group>/<choice>.yaml` contributes."""
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
    """Whether a choice's file is packaged `_global_`: it may set any key, not only its group's."""
    first = (conf_dir() / group / f"{choice}.yaml").read_text().lstrip().partition("\n")[0]
    return first.replace(" ", "") == "#@package_global_"


def choose(given: dict[str, str]) -> dict[str, str | None]:
    """The choice of every group: what was given, else what a chosen file overrides, else the default."""
    defaults, _ = primary()
    chosen: dict[str, str | None] = {group: given.get(group, choice) for group, choice in defaults}
    while True:  # a choice that is overridden may override others itself: a preset's data set brings its scores
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
    """The configuration of a choice for every group, interpolations unresolved."""
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
