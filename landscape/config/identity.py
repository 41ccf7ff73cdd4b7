"""Run ids: a hash of everything that determines a run's training, and of nothing else.

The resolved values are hashed, not the names of choices: `reg=sn` and `norm=sn` are one run. Not included, because
training does not depend on them: device, threads, paths, launcher, logger, checkpoint interval, and scores.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from landscape.config.axes import ADDED, LUCK_KEYS, SECTIONS
from landscape.config.errors import UserError
from landscape.config.versions import Change, changes_of, versions

ID_LENGTH = 16  # hex digits (64 bits); 10,000 runs collide with probability 3e-12

# Sections that determine training: those that hold an axis, and the latents. Data enters by its content digest.
GROUPS = (*(section for section in SECTIONS if section != "data"), "latent")
# Keys that are only defaults of other keys.
DERIVED = ("optim.lr",)
# Append-only. Keys added after the first release, with the value that equals the behavior before. At that value a key
# is not hashed, so that ids of old runs stay valid.
NEUTRAL: dict[str, Any] = {
    "arch.g_norm": "bn",
    "arch.g_spectral": False,
    "optim.decay": "none",
    "optim.burn_in": False,
    "train.sync_bn": False,
    "optim.epsilon_form": "torch",
    "norm.moves": "update",
    "train.bn_variance": "unbiased",
    "reg.every": 1,
    **{axis.keys[-1]: axis.plain for axis in ADDED},
    "arch.conditional": False,
    "arch.symmetric": False,
}
# Sections that old runs lack, because they came with an added axis.
LATER = {axis.keys[-1].partition(".")[0] for axis in ADDED if axis.group is not None}


def flatten(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"a": {"b": 1}} -> {"a.b": 1}. Lists are leaves."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def identity(config: dict[str, Any], before: int = 0) -> dict[str, Any]:
    """The flat dictionary that is hashed: the keys of `config` that determine training. Null keys are omitted.

    `before`: undo this many of the newest changes that affect the configuration (`landscape.config.versions`).
    """
    flat = flatten({group: config[group] for group in GROUPS if group in config or group not in LATER})
    changes = changes_of(flat)
    flat |= versions(changes[: len(changes) - before])
    flat |= {
        "data.content": config["data"]["content"],
        "seed": config["seed"],
        "repeat": config["repeat"],
        "world_size": flat.pop("train.world_size", None) or 1,  # absent in old runs, which used one device
    }
    return {
        key: value
        for key, value in flat.items()
        if value is not None and key not in DERIVED and not (key in NEUTRAL and NEUTRAL[key] == value)
    }


def setting_of(config: dict[str, Any], before: int = 0) -> dict[str, Any]:
    """A run's identity without seed and repeat. `before` as in `identity`."""
    return {key: value for key, value in identity(config, before).items() if key not in LUCK_KEYS}


def short_hash(value: Any) -> str:
    """The first 64 bits, in hex, of SHA-256 of canonical JSON (sorted keys, shortest float representation)."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:ID_LENGTH]


def run_id(config: dict[str, Any], before: int = 0) -> str:
    """The id of a frozen configuration (nested dictionaries with `data.content`). `before` as in `identity`."""
    return short_hash(identity(config, before))


def superseded(run: str, config: dict[str, Any]) -> list[Change]:
    """The changes since the run with this id was planned, oldest first; empty if its meaning is unchanged."""
    changes = changes_of(flatten(config))
    older = (before for before in range(len(changes), 0, -1) if run_id(config, before) == run)
    return changes[-before:] if (before := next(older, 0)) else []


def check_current(run: str, config: dict[str, Any]) -> None:
    """Raise `UserError` if this code would train, or sample from, a different run than the id stands for."""
    for change in superseded(run, config):
        raise UserError(
            f"run {run} predates a change of {change.choice} (before {change.when} {change.why}); its results are "
            "kept, and running its sweep's command again trains it under a new id"
        )
