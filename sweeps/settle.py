"""From a composed configuration to the one that is frozen: unused keys null, normalizer decided, all checked."""

from __future__ import annotations

from functools import cache
from typing import Any

from landscape.checks import check
from landscape.config import Data
from landscape.data import Dataset, find_data
from landscape.errors import UserError
from landscape.identity import flatten
from landscape.store import Store
from sweeps.choices import kinds, mentioned
from sweeps.compose import Composed

# Groups whose choice's file says which keys it uses. (A study is no part of a run.)
AXES = ("loss", "reg", "norm", "arch", "optim", "data", "metrics", "launcher", "logger")
# The key of each that names a function of `landscape`, and so must name one that some choice names.
FUNCTIONS = {"loss": "kind", "reg": "penalty", "norm": "kind", "arch": "kind", "optim": "kind", "data": "kind"}


class Contradiction(UserError):
    """A cell that asks for two things at once; collected, so that a plan names all of them."""


@cache
def dataset(store: str, **data: Any) -> Dataset:
    """The data set of a plan, found once (and decoded, if need be); `make_plan` forgets those of plans before."""
    return find_data(Data(**data), Store(store))


def settle(composed: Composed, unused: set[str]) -> dict[str, Any]:
    """The configuration to freeze, changed in place and returned.

    Names of keys that were given but that the cell's choices do not use are added to `unused`. Raises
    `Contradiction`, or `UserError` for a value that is out of range.
    """
    config = composed.config
    del config["study"]
    for group in AXES:
        drop_unused(composed, group, unused)
    _decide_norm(config)
    for group, key in FUNCTIONS.items():
        legal = kinds(group, key)
        if config[group][key] not in legal:
            raise UserError(f"{group}.{key}={config[group][key]} is not known; legal: {', '.join(sorted(legal))}")
    flat = flatten(config)
    check_given(flat)
    check(flat)
    _add_content(config)
    return config


def drop_unused(composed: Composed, group: str, unused: set[str]) -> None:
    """Make null the keys of a group that its choice does not use, adding to `unused` those that a grid gave."""
    choice, keys = composed.choices.get(group), composed.config[group]
    used = mentioned(group, choice)
    for key, value in keys.items():
        if key not in used and value is not None and value != []:
            if any(picked.startswith(f"{group}.{key}=") for picked in composed.picked):
                unused.add(f"{group}.{key} by {group}={choice}")
            keys[key] = [] if isinstance(value, list) else None


def check_given(flat: dict[str, Any]) -> None:
    """Raise `UserError` for the first key that a choice leaves to the user and that was not given."""
    missing = [key for key, value in flat.items() if value == "???"]
    if missing:
        raise UserError(f"{missing[0]} must be given")


def _decide_norm(config: dict[str, Any]) -> None:
    """Unset means what the shorthand on `reg` means, else none; asked for twice it must be the same."""
    short, norm = config["reg"]["norm"], config["norm"]
    if norm["kind"] is None:
        norm["kind"] = "none"
    if short is not None and norm["kind"] != short:
        raise Contradiction(f"reg={short} means norm={short}, so it contradicts norm={norm['kind']}")
    config["reg"]["norm"] = None


def _add_content(config: dict[str, Any]) -> None:
    data = dataset(config["store"], **config["data"])
    config["data"]["content"] = data.content
    if config["train"]["batch_size"] > len(data.train):
        raise UserError(
            f"train.batch_size={config['train']['batch_size']} is out of range; "
            f"legal: up to the {len(data.train)} training images of data={data.name}"
        )
    if config["metrics"]["extractor"] == "classifier" and data.labels is None:
        raise UserError(f"metrics.extractor=classifier needs labels, and data={data.name} has none")
