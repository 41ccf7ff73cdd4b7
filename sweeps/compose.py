"""From axes to configurations, in the order of the grid.

Hydra takes about 0.15 s a composition, so it composes the first point alone; every other point is merged from
fragments that are loaded and typed once a choice, and a value that is no choice (a seed, a rate) is put through
the schema once and set on a copy in microseconds.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from landscape.config import Schema
from landscape.errors import UserError
from landscape.files import CorruptFile
from sweeps.choices import conf_dir
from sweeps.fragments import Leaves, choose, leaves, merge, put, type_value
from sweeps.grammar import Command, Setting, parse

NODE = re.compile(r"\$\{([\w.]+)\}")


class Composed(NamedTuple):
    """One point: its plain configuration, the choice of each group, and what was asked for."""

    config: dict[str, Any]
    choices: dict[str, str | None]
    picked: list[str]  # "key=value" of each axis
    fixed: list[str]  # and of what all points share
    given: frozenset[str]  # configuration keys that either sets


@contextmanager
def hydra() -> Iterator[None]:
    """Hydra's compose API on `conf/`; its and OmegaConf's errors leave as `UserError`."""
    ConfigStore.instance().store("schema", Schema)
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(conf_dir()), version_base="1.3"):
            yield
    except (HydraException, OmegaConfBaseException) as e:
        raise UserError(_sentence(e)) from e
    except CorruptFile as e:
        raise UserError(str(e)) from e


def _sentence(error: BaseException) -> str:
    """An error of Hydra or OmegaConf on one line: with its cause where it has one, without hints on syntax."""
    if error.__cause__ is not None and str(error).startswith("Error merging override"):
        return f"{str(error).removeprefix('Error merging override ')}: {_sentence(error.__cause__)}"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    keep = [line for line in lines if not line.startswith(("To append", "object_type=", "reference_type="))]
    return "; ".join(keep).replace("; full_key: ", ": ")


def combinations(command: Command) -> Iterator[Composed]:
    """Every point of a command's grid, in the order of its axes; must run inside `hydra()`."""
    given, values = _fixed(command)
    shared = [setting.text for setting in command.fixed]
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
        picked = [setting.text for setting in settings if setting.text]
        keys = [key for setting in settings for key in setting.values]
        yield Composed(config, chosen, picked, shared, shared_keys.union(keys))


def _fixed(command: Command) -> tuple[dict[str, str], Leaves]:
    """The choices and values that all points share; composing them first lets Hydra say what is wrong with them."""
    compose("config", [text for setting in command.fixed for text in setting.overrides])
    choices: dict[str, str] = {}
    values: Leaves = {}
    probe = OmegaConf.structured(Schema)
    for setting in command.fixed:
        choices |= setting.choices
        values |= _typed(setting, probe)
    return choices, values


def _typed(setting: Setting, probe: Any) -> Leaves:
    """A setting's values as typed leaves (1 to 1.0 for a rate); a wrong type raises OmegaConf's error."""
    paths = {tuple(key.split(".")): value for key, value in setting.values.items()}
    return {path: type_value(path, value, probe) for path, value in paths.items()}


def _agree_with_hydra(config: dict[str, Any], settings: list[Setting]) -> None:
    """Guards our own composition against the day when `conf/` uses more of Hydra than `fragments` repeats."""
    reference = OmegaConf.to_container(compose("config", [t for s in settings for t in s.overrides]), resolve=False)
    assert isinstance(reference, dict)
    mine, theirs = leaves(config), leaves(reference)  # type: ignore[arg-type]
    different = [
        ".".join(path) for path in mine.keys() | theirs.keys() if repr(mine.get(path)) != repr(theirs.get(path))
    ]
    assert not different, f"composition differs from Hydra's at {different}"


def validate(overrides: list[str]) -> None:
    """Raise `UserError` where overrides would not compose; used before Hydra's own flags are handed on."""
    with hydra():
        command = parse(overrides, multirun=True)
        next(combinations(command))


def copy_tree(tree: Any) -> Any:
    """A deep copy of nested dictionaries and lists; several times faster than `copy.deepcopy`."""
    if isinstance(tree, dict):
        return {key: copy_tree(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [copy_tree(value) for value in tree]
    return tree


def resolve(tree: dict[str, Any], root: dict[str, Any]) -> None:
    """Put values in the place of `${other.key}`, in place; other interpolations are left to OmegaConf."""
    for key, value in tree.items():
        if isinstance(value, dict):
            resolve(value, root)
        elif isinstance(value, str) and "${" in value:
            tree[key] = _lookup(value, root)


def _lookup(text: str, root: dict[str, Any], depth: int = 0) -> Any:
    match = NODE.fullmatch(text)
    if match is None or depth > 8:
        return OmegaConf.to_container(OmegaConf.create({**root, "_": text}), resolve=True)["_"]  # type: ignore[call-overload, index]
    value: Any = root
    for part in match[1].split("."):
        if not isinstance(value, dict) or part not in value:
            raise UserError(f"{text} names no configuration key")
        value = value[part]
    return _lookup(value, root, depth + 1) if isinstance(value, str) and "${" in value else value
