"""Validation of the store's files when they are read. No torch.

Files may have been written by anyone with access to the store. A file is refused unless it is a mapping with the
required keys, and known keys have the expected type and range. Unknown keys are allowed, so that stores of later
versions can be read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from landscape.config.errors import CorruptFile
from landscape.store.atomic_io import (
    SMALL,
)

RUN_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")  # a hash; also for protocols, requests and searches
SWEEP_NAME = re.compile(r"\w[\w .,+=@()-]{0,150}")  # a study's name and a hash

# States of a run. "lost" is not stored: a monitor derives it for running and queued runs.
PLANNED, QUEUED, RUNNING, DONE = "planned", "queued", "running", "done"
DIVERGED, STOPPED, FAILED, PREEMPTED = "diverged", "stopped", "failed", "preempted"
STATES = (PLANNED, QUEUED, RUNNING, DONE, DIVERGED, STOPPED, FAILED, PREEMPTED)
FINISHED = (DONE, DIVERGED, STOPPED)  # training has ended with a result
STAGES = ("all", "grid", "search", "confirm")

Check = Callable[[Any], bool]


def text(value: Any) -> bool:
    """A string."""
    return isinstance(value, str)


def line(value: Any) -> bool:
    """A string of printable characters, without line breaks."""
    return isinstance(value, str) and value.isprintable()


def ident(value: Any) -> bool:
    """An id."""
    return isinstance(value, str) and RUN_ID.fullmatch(value) is not None


def flag(value: Any) -> bool:
    """A boolean."""
    return isinstance(value, bool)


def number(value: Any) -> bool:
    """An integer or float."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def count(value: Any) -> bool:
    """A non-negative integer below 2^53."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53


def positive(value: Any) -> bool:
    """A positive integer below 2^53."""
    return count(value) and value > 0


def positive_or_auto(value: Any) -> bool:
    """A positive integer, or the word that leaves it to what is measured."""
    return value == "auto" or positive(value)


def seed(value: Any) -> bool:
    """A non-negative integer below 2^64."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**64


def seconds(value: Any) -> bool:
    """A non-negative number."""
    return number(value) and value >= 0


def scalar(value: Any) -> bool:
    """A string, a number, a boolean or null."""
    return value is None or isinstance(value, str | int | float)


def one_of(*values: str) -> Check:
    """Check for one of these strings."""
    return lambda value: isinstance(value, str) and value in values


def or_null(check: Check) -> Check:
    """Check for null or a value that passes `check`."""
    return lambda value: value is None or check(value)


def listed(check: Check) -> Check:
    """Check for a list whose items all pass."""
    return lambda value: isinstance(value, list) and all(map(check, value))


def mapped(check: Check = lambda value: True) -> Check:
    """Check for a mapping with string keys whose values all pass."""
    return lambda value: isinstance(value, dict) and all(map(text, value)) and all(map(check, value.values()))


@dataclass(frozen=True)
class Kind:
    """Checks of a mapping: required keys and optional keys."""

    must: Mapping[str, Check] = field(default_factory=dict)
    may: Mapping[str, Check] = field(default_factory=dict)
    limit: int = SMALL  # limit of a file of this kind, in bytes

    def wrong(self, value: Any) -> str | None:
        """What is wrong with a value, as the rest of a sentence after the file's name; None if it is valid."""
        if not isinstance(value, dict):
            return "is not a mapping"
        for key, check in self.must.items():
            if key not in value:
                return f"lacks the key {key}"
            if not check(value[key]):
                return f"has an invalid value for {key}"
        for key, check in self.may.items():
            if key in value and not check(value[key]):
                return f"has an invalid value for {key}"
        return None

    def __call__(self, value: Any) -> bool:
        """Use as a `Check` inside another kind."""
        return self.wrong(value) is None

    def checked(self, value: Any, where: object) -> dict[str, Any]:
        """`value` if it is valid. Raises `CorruptFile`, which names `where`."""
        wrong = self.wrong(value)
        if wrong is not None:
            raise CorruptFile(f"{where} {wrong}")
        known: dict[str, Any] = value
        return known


score = or_null(number)

LOGGER = Kind({"kind": text}, {"mode": or_null(text), "project": or_null(text), "entity": or_null(text)})
CHECKPOINT = Kind({}, {"every_s": seconds, "keep": text})
STOP = Kind({}, {"factor": score, "loss_d": score, "evaluations": or_null(positive)})
EXECUTION = Kind({}, {"device": text, "threads": positive, "checkpoint": CHECKPOINT, "stop": STOP, "logger": LOGGER})
LAUNCHER = Kind(
    {"kind": text},
    {"jobs": or_null(positive_or_auto), "warm": or_null(flag), "price": score, "setup": or_null(listed(text))}
    | {"extra": or_null(listed(text)), "classes": or_null(listed(mapped())), "max_submit": or_null(count)},
)
CONFIG = Kind(
    {
        "loss": Kind({"kind": text}),
        "reg": Kind({"penalty": text}, {"strength": score}),
        "norm": Kind({"kind": text}),
        "arch": Kind({"kind": text}, {"width": score}),
        "latent": mapped(scalar),
        "optim": Kind({"n_dis": positive, "lr_d": number, "lr_g": number}, {"beta1": score, "beta2": score}),
        "data": Kind({"kind": text, "content": text}, {"name": or_null(text), "size": positive}),
        "train": Kind({"steps": positive, "batch_size": positive}, {"world_size": or_null(positive), "ema": score}),
        "metrics": Kind({}, {"scores": or_null(listed(text)), "every": or_null(count), "extractor": or_null(text)}),
        "seed": seed,
        "repeat": count,
    },
    {**EXECUTION.may, "store": text, "launcher": LAUNCHER, "algorithm": Kind({"kind": text})},
    limit=1 << 20,
)
MIRROR = Kind({"rows": mapped(number), "samples": number}, limit=1 << 20)
