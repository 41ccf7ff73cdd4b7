"""What a run is: the hash of everything that determines its training, and of nothing else.

The *resolved values* count, never the names of the choices that brought them, so that `reg=sn` and
`norm=sn` are one run. Not in it: device, threads, paths, launcher, logger, cadence of checkpoints, and the
scores asked for, because training does not depend on them.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from landscape.config.axes import ADDED, LUCK_KEYS, SECTIONS
from landscape.config.errors import UserError
from landscape.config.versions import Change, changes_of, versions

ID_LENGTH = 16  # hex digits, 64 bits: ten thousand runs collide with a chance of 3e-12

# Parts of the configuration that determine the training, whole: those in which an axis lies, and the latents. Of the
# data their content does, wherever they lie.
GROUPS = (*(section for section in SECTIONS if section != "data"), "latent")
# Keys inside them that only feed other keys.
DERIVED = ("optim.lr",)
# Append-only. A key that was added after the first release stands here with the value that means what runs
# did before there was such a key; at that value it does not enter the hash, so that old runs stay done.
NEUTRAL: dict[str, Any] = {
    "arch.g_norm": "bn",
    "arch.g_spectral": False,
    "optim.decay": "none",
    "optim.burn_in": False,
    "train.sync_bn": False,
    "optim.epsilon_form": "torch",
    "norm.moves": "update",
    "train.bn_variance": "unbiased",
    **{axis.keys[-1]: axis.plain for axis in ADDED},
}
# Parts that came with an axis that did: a run of old has none.
LATER = {axis.keys[-1].partition(".")[0] for axis in ADDED if axis.group is not None}


def flatten(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"a": {"b": 1}} -> {"a.b": 1}; lists are leaves."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def identity(config: dict[str, Any], before: int = 0) -> dict[str, Any]:
    """The flat dictionary that is hashed: keys of `config` that determine training; a null key is no key.

    With `before`, as it was before the newest so many of the changes that affect it (`landscape.config.versions`).
    """
    flat = flatten({group: config[group] for group in GROUPS if group in config or group not in LATER})
    changes = changes_of(flat)
    flat |= versions(changes[: len(changes) - before])
    flat |= {
        "data.content": config["data"]["content"],
        "seed": config["seed"],
        "repeat": config["repeat"],
        "world_size": flat.pop("train.world_size", None) or 1,  # once no key, and always 1
    }
    return {
        key: value
        for key, value in flat.items()
        if value is not None and key not in DERIVED and not (key in NEUTRAL and NEUTRAL[key] == value)
    }


def setting_of(config: dict[str, Any], before: int = 0) -> dict[str, Any]:
    """All that a run's training depends on but luck: its identity without seed and repeat; `before` as above."""
    return {key: value for key, value in identity(config, before).items() if key not in LUCK_KEYS}


def short_hash(value: Any) -> str:
    """The first 64 bits of SHA-256 over canonical JSON: sorted keys, floats by their shortest text."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:ID_LENGTH]


def run_id(config: dict[str, Any], before: int = 0) -> str:
    """The id of a frozen configuration (nested plain dictionaries, `data.content` filled in); `before` as above."""
    return short_hash(identity(config, before))


def superseded(run: str, config: dict[str, Any]) -> list[Change]:
    """The changes that a run of this id came before, oldest first; none where its configuration means it now."""
    changes = changes_of(flatten(config))
    older = (before for before in range(len(changes), 0, -1) if run_id(config, before) == run)
    return changes[-before:] if (before := next(older, 0)) else []


def check_current(run: str, config: dict[str, Any]) -> None:
    """Raise `UserError` for a run that this code would train, or draw from, as another than it is."""
    for change in superseded(run, config):
        raise UserError(
            f"run {run} was planned when {change.choice} meant something else (before {change.when} {change.why}); "
            "what it gave stays, and its sweep's command given again trains it anew under another id"
        )
