"""The groups and choices of `conf/`, read from its files."""

from __future__ import annotations

from functools import cache
from typing import Any

from landscape.config.conf_dir import conf_dir
from landscape.config.identity import flatten
from landscape.config.schema import Schema
from landscape.store.atomic_io import read_yaml

# Keys of a sweep that are not part of a run's configuration.
SWEEP = ("search", "confirm", "stage", "max_points")
# Keys that a grid cannot vary: how and where runs are trained.
NOT_SWEPT = ("store", "device", "threads", "launcher", "logger", "checkpoint", *SWEEP, "stop")


@cache
def groups() -> dict[str, list[str]]:
    """Group -> its choices, sorted."""
    return {
        folder.name: sorted(file.stem for file in folder.glob("*.yaml"))
        for folder in sorted(conf_dir().iterdir())
        if folder.is_dir() and folder.name != "hydra"
    }


@cache
def keys() -> list[str]:
    """All keys of a configuration, dotted and sorted."""
    from omegaconf import OmegaConf

    return sorted(flatten(OmegaConf.to_container(OmegaConf.structured(Schema))))  # type: ignore[arg-type]


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


@cache
def kinds(group: str, key: str) -> frozenset[str]:
    """The legal values of a key such as loss.kind: those that some choice sets."""
    found = set()
    for choice in groups()[group]:
        content = read_choice(group, choice)
        value = content.get(group, content).get(key)
        if value is not None:
            found.add(value)
    return frozenset(found)
