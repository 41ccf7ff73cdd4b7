"""From axes to frozen configurations: Hydra composes each combination of choices once, dictionaries do the rest.

Hydra takes about 0.15 s a composition; a value that is no choice (a seed, a rate) is set on a copy of the
composed dictionary in microseconds. Such a value is first put through the typed schema, once.
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
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from landscape.config import Config
from landscape.errors import UserError
from landscape.files import CorruptFile
from sweeps.choices import conf_dir, groups
from sweeps.grammar import Axis, Command, parse

NODE = re.compile(r"\$\{([\w.]+)\}")


class Composed(NamedTuple):
    """One combination: its plain configuration, the choice of each group, and what told it from the others."""

    config: dict[str, Any]
    choices: dict[str, str | None]
    picked: list[str]  # "key=value" of each axis


@contextmanager
def hydra() -> Iterator[None]:
    """Hydra's compose API on `conf/`; its and OmegaConf's errors leave as `UserError`."""
    ConfigStore.instance().store("schema", Config)
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
    choice_axes = [axis for axis in command.axes if axis.is_group]
    value_axes = [axis for axis in command.axes if not axis.is_group]
    coerced: list[list[tuple[str, Any]]] | None = None
    composed: dict[tuple[str, ...], tuple[Any, dict[str, str | None]]] = {}
    for choice in itertools.product(*(axis.texts for axis in choice_axes)):
        overrides = [f"{axis.key}={text}" for axis, text in zip(choice_axes, choice, strict=True)]
        cfg = compose("config", command.fixed + overrides, return_hydra_config=True)
        runtime = OmegaConf.to_container(cfg.hydra.runtime.choices)
        assert isinstance(runtime, dict)
        picks = {group: runtime.get(group) for group in groups()}
        OmegaConf.set_struct(cfg, False)
        del cfg["hydra"]
        OmegaConf.set_struct(cfg, True)
        if coerced is None:
            coerced = [_coerce(cfg, axis) for axis in value_axes]
        plain = OmegaConf.to_container(cfg, resolve=False)
        assert isinstance(plain, dict)
        composed[choice] = (plain, {str(k): None if v in (None, "null") else str(v) for k, v in picks.items()})
    assert coerced is not None

    order = [axis.key for axis in command.axes]
    for point in itertools.product(*(range(len(axis.texts)) for axis in command.axes)):
        at = dict(zip(order, point, strict=True))
        plain, picks = composed[tuple(axis.texts[at[axis.key]] for axis in choice_axes)]
        config = copy_tree(plain)
        for axis, values in zip(value_axes, coerced, strict=True):
            key, value = values[at[axis.key]]
            set_key(config, key, copy_tree(value))
        resolve(config, config)
        yield Composed(config, picks, [f"{axis.key}={axis.texts[at[axis.key]]}" for axis in command.axes])


def validate(overrides: list[str]) -> None:
    """Raise `UserError` where overrides would not compose; used before Hydra's own flags are handed on."""
    with hydra():
        command = parse(overrides, multirun=True)
        next(combinations(command))


def _coerce(cfg: DictConfig, axis: Axis) -> list[tuple[str, Any]]:
    """The axis' values as the schema types them (1 to 1.0 for a rate); a wrong type raises."""
    result = []
    for value in axis.values:
        probe = cfg.copy()
        OmegaConf.update(probe, axis.key, value, merge=False)
        node = OmegaConf.to_container(probe, resolve=False)
        for part in axis.key.split("."):
            assert isinstance(node, dict)
            node = node[part]
        result.append((axis.key, node))
    return result


def copy_tree(tree: Any) -> Any:
    """A deep copy of nested dictionaries and lists; several times faster than `copy.deepcopy`."""
    if isinstance(tree, dict):
        return {key: copy_tree(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [copy_tree(value) for value in tree]
    return tree


def set_key(tree: dict[str, Any], key: str, value: Any) -> None:
    """Set a dotted key that exists."""
    *path, last = key.split(".")
    for part in path:
        tree = tree[part]
    tree[last] = value


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
