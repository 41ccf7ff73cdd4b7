"""Runs that begin as shorter runs do: equal in all but their length, where nothing depends on it. No torch."""

from __future__ import annotations

from typing import Any

from landscape.config.identity import flatten, identity, short_hash

# Keys whose schedules run to the end of training, unless they are null or "none". What networks make of their progress
# is seen when they are built (`landscape.training.loop.listeners`).
TO_THE_END = ("optim.decay", "train.noise_std")


def bound_to_length(config: dict[str, Any]) -> str | None:
    """The first setting by which training depends on its length ("optim.decay=linear"), or None."""
    flat = flatten(config)
    return next((f"{key}={flat[key]}" for key in TO_THE_END if flat.get(key) not in (None, "none")), None)


def but_for_length(config: dict[str, Any]) -> str:
    """A hash of all that determines training except its length."""
    return short_hash({key: value for key, value in identity(config).items() if key != "train.steps"})
