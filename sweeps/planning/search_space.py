"""The search space: ranges from `conf/`, and the configuration of a setting.

Values are rounded to six significant digits, so that tables show exactly what was trained.
"""

from __future__ import annotations

import itertools
from typing import Any

from landscape.config.errors import UserError
from landscape.config.identity import short_hash
from landscape.store.searches import Dimension
from sweeps.planning.config_groups import copy_tree

Params = dict[str, float]
SEED = "seed"  # among the parameters of a trial whose run has a seed of its own

# Ranges of `search.space` -> the keys that each sets. lr sets both networks' rates, except for a given one.
KEYS = {
    "lr": ("optim.lr", "optim.lr_d", "optim.lr_g"),
    "strength": ("reg.strength",),
    "beta1": ("optim.beta1",),
    "beta2": ("optim.beta2",),
}


def dimensions(space: dict[str, Any], config: dict[str, Any], given: frozenset[str]) -> list[Dimension]:
    """The ranges of keys that a cell uses, except for keys in `given`. Raises `UserError` if low > high."""
    found = []
    for name, keys in KEYS.items():
        own = tuple(key for key in keys if look_up(config, key) is not None and (key == keys[0] or key not in given))
        chosen = f"{name}_l2" if name == "strength" and config["reg"]["penalty"] == "l2" else name
        span = space[chosen]
        if span is None or not own or own == ("optim.lr",):
            continue
        if span["low"] > span["high"]:
            raise UserError(
                f"search.space.{chosen} runs from {span['low']:g} to {span['high']:g}; give low <= high, "
                f"or search.space.{chosen}=null to keep it fixed"
            )
        found.append(Dimension(name, own, span["low"], span["high"], span["log"]))
    return found


def look_up(config: dict[str, Any], key: str) -> Any:
    """The value of a dotted key."""
    node: Any = config
    for part in key.split("."):
        node = node[part]
    return node


def rounded(dimension: Dimension, value: float) -> float:
    """The value to train for a proposed one: six significant digits, inside the range."""
    return min(max(float(f"{value:.6g}"), dimension.low), dimension.high)


def with_params(base: dict[str, Any], space: list[Dimension], params: Params) -> dict[str, Any]:
    """The configuration of a setting: a copy of `base` with the keys of the parameters, and a given seed."""
    config: dict[str, Any] = copy_tree(base)
    config["seed"] = int(params.get(SEED, base["seed"]))
    for dimension in space:
        for key in dimension.keys:
            group, name = key.split(".")
            config[group][name] = rounded(dimension, params[dimension.name])
    return config


def trial_seeds(first: int, count: int) -> list[int]:
    """The different seeds of a trial's runs, which its first one decides; short, as tables show them."""
    found = [first]
    for place in itertools.count(1):
        if len(found) == count:
            return found
        seed = int(short_hash([first, place])[:8], 16) % 10**6
        if seed not in found:
            found.append(seed)
    raise AssertionError("unreachable")


def params_of(config: dict[str, Any], space: list[Dimension]) -> Params | None:
    """The parameters of a configuration; None if it is outside the space, or its two rates differ."""
    params = {}
    for dimension in space:
        values = {look_up(config, key) for key in dimension.keys if key != "optim.lr"}
        if len(values) != 1 or not dimension.low <= next(iter(values)) <= dimension.high:
            return None
        params[dimension.name] = float(values.pop())
    return params
