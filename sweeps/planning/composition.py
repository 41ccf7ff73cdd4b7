"""Composes the configurations of a grid from its axes, in order.

Hydra takes about 0.15 s per composition, so it composes only the first point, as a check. All points are merged from
fragments, one per choice, that are loaded and typed once; other values (a seed, a rate) are typed once per value.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, NamedTuple

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from landscape.config.conf_dir import conf_dir
from landscape.config.errors import CorruptFile, UserError
from landscape.config.schema import Schema
from sweeps.planning.config_groups import Leaves, choose, copy_tree, leaves, merge, put, type_value
from sweeps.planning.hydra_errors import refused, sentence
from sweeps.planning.overrides import Command, Setting, parse

NODE = re.compile(r"\$\{(\w[\w.]*)\}")


class Composed(NamedTuple):
    """One point of a grid: its configuration as plain data, and what it was composed from."""

    config: dict[str, Any]
    choices: dict[str, str | None]  # of every group
    chosen: frozenset[str]  # groups whose choice the command gives
    picked: list[str]  # "key=value" of each axis
    fixed: list[str]  # "key=value" of what all points share
    given: frozenset[str]  # configuration keys that either sets


@contextmanager
def hydra() -> Iterator[None]:
    """Initialize Hydra's compose API on `conf/`; its errors and OmegaConf's become `UserError`."""
    ConfigStore.instance().store("schema", Schema)
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(conf_dir()), version_base="1.3"):
            yield
    except (HydraException, OmegaConfBaseException) as e:
        raise UserError(sentence(e)) from e
    except CorruptFile as e:
        raise UserError(str(e)) from e


def combinations(command: Command) -> Iterator[Composed]:
    """Every point of a command's grid, in order; must run inside `hydra()`. Raises `UserError` for illegal values."""
    given, values = _fixed(command)
    shared = [text for setting in command.fixed for text in setting.texts]
    shared_groups = frozenset(group for setting in command.fixed for group in setting.choices)
    shared_keys = frozenset(key for setting in command.fixed for key in setting.values)
    probe = OmegaConf.structured(Schema)
    typed = [[_typed(setting, probe) for setting in axis.settings] for axis in command.axes]
    merged: dict[tuple[tuple[str, str], ...], tuple[dict[str, Any], dict[str, str | None]]] = {}
    first = True
    for point in itertools.product(*(range(len(axis.settings)) for axis in command.axes)):
        settings = [axis.settings[i] for axis, i in zip(command.axes, point, strict=True)]
        choices = dict(given)
        for setting in settings:
            choices |= setting.choices
        key = tuple(sorted(choices.items()))
        if key not in merged:
            chosen = choose(choices)
            merged[key] = (merge(chosen), chosen)
        plain, chosen = merged[key]
        config = copy_tree(plain)
        put(config, values)
        for j, i in enumerate(point):
            put(config, typed[j][i])
        if first:
            _agree_with_hydra(config, [*command.fixed, *settings])
            first = False
        resolve(config, config)
        picked = [text for setting in settings for text in setting.texts]
        keys = [key for setting in settings for key in setting.values]
        groups = [group for setting in settings for group in setting.choices]
        asked = shared_groups.union(groups)
        yield Composed(config, chosen, asked, picked, shared, shared_keys.union(keys))


def _fixed(command: Command) -> tuple[dict[str, str], Leaves]:
    """The choices and values that all points share, typed; composed once by Hydra to check them."""
    choices: dict[str, str] = {}
    values: Leaves = {}
    probe = OmegaConf.structured(Schema)
    for setting in command.fixed:
        choices |= setting.choices
        values |= _typed(setting, probe)
    texts = [text for setting in command.fixed for text in setting.overrides]
    with refused(" ".join(texts)):
        compose("config", texts)
    return choices, values


def _typed(setting: Setting, probe: Any) -> Leaves:
    """A setting's values as typed leaves (1 to 1.0 for a rate); a wrong type raises `UserError`."""
    paths = {tuple(key.split(".")): value for key, value in setting.values.items()}
    with refused(" ".join(setting.texts)):
        return {path: type_value(path, value, probe) for path, value in paths.items()}


def _agree_with_hydra(config: dict[str, Any], settings: list[Setting]) -> None:
    """Assert that Hydra composes the same: `conf/` must not use features of Hydra that `config_groups` lacks."""
    reference = OmegaConf.to_container(compose("config", [t for s in settings for t in s.overrides]), resolve=False)
    assert isinstance(reference, dict)
    mine, theirs = leaves(config), leaves(reference)  # type: ignore[arg-type]
    different = [
        ".".join(path) for path in mine.keys() | theirs.keys() if repr(mine.get(path)) != repr(theirs.get(path))
    ]
    assert not different, f"composition differs from Hydra's at {different}"


def validate(overrides: list[str]) -> None:
    """Raise `UserError` if these overrides do not compose."""
    with hydra():
        command = parse(overrides, multirun=True)
        next(combinations(command))


def resolve(tree: dict[str, Any], root: dict[str, Any], path: tuple[str, ...] = ()) -> None:
    """Resolve interpolations in place: `${other.key}`, `${oc.env:NAME}` and all that Hydra supports.

    The values are typed by the schema. Raises `UserError` for what does not resolve or has the wrong type.
    """
    for key, value in tree.items():
        here = (*path, str(key))
        if isinstance(value, dict):
            resolve(value, root, here)
        elif isinstance(value, str | list) and "${" in str(value):
            with refused(f"{'.'.join(here)}={value}"):
                tree[key] = _schema_value(here, _look_up(value, here, root))


def _look_up(value: Any, path: tuple[str, ...], root: dict[str, Any], depth: int = 0) -> Any:
    """The value of an interpolation at `path`."""
    match = NODE.fullmatch(value) if isinstance(value, str) and depth < 8 else None
    if match is None:
        # Relative keys, text around them, resolvers and lists are left to OmegaConf.
        found: Any = OmegaConf.select(OmegaConf.create(root), ".".join(path), throw_on_missing=True)
        found = OmegaConf.to_container(found, resolve=True) if OmegaConf.is_config(found) else found
        if "${" in str(found):
            raise UserError(f"{'.'.join(path)}={value} resolves to {found}, which is an interpolation again")
        return found
    found, target = root, tuple(match[1].split("."))
    for part in target:
        if not isinstance(found, dict) or part not in found:
            raise UserError(f"{'.'.join(path)}={value}: {value} names no configuration key")
        found = found[part]
    return _look_up(found, target, root, depth + 1) if isinstance(found, str | list) and "${" in str(found) else found


def _schema_value(path: tuple[str, ...], value: Any) -> Any:
    """A resolved value, typed by the schema; cached, as the points of a grid share values."""
    if isinstance(value, list | dict):
        return type_value(path, value, OmegaConf.structured(Schema))
    return _known(path, value)


@lru_cache(maxsize=4096, typed=True)
def _known(path: tuple[str, ...], value: Any) -> Any:
    return type_value(path, value, OmegaConf.structured(Schema))
