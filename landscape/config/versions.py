"""Choices whose meaning has changed: which configurations train otherwise than they once did, since when, and why.

A mend of `landscape` that changes what some runs train is a row of `CHANGES`. Each row raises the version of its choice
for the configurations that it speaks of, and the version is part of a run's id (`landscape.config.identity`): such runs
are trained anew, and those trained before keep their ids and are known by them. Version 1 is no key, so that all other
ids stay as they are. No torch.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, eq=False)
class Change:
    """From `when` on, `choice` means something else in configurations that have one of the values of each key."""

    choice: str
    where: dict[str, tuple[Any, ...]]
    when: str
    why: str

    @property
    def before(self) -> str:
        """What runs that it came after are called."""
        return f"{self.choice} before {self.when}"


# Append-only, oldest first: ids depend on the order. Keys are those of a flat configuration.
CHANGES = (
    Change(
        "arch.g_spectral",
        {"arch.g_spectral": (True,), "arch.kind": ("sndcgan", "dcgan")},
        "2026-11-25",
        "the generator's transposed convolutions were not normalized: one of five weight layers was",
    ),
    Change(
        "arch.kind",
        {"arch.kind": ("dcgan",)},
        "2026-11-25",
        "its discriminator was fed images in [-1, 1], its convolutions' initial weights were not truncated, and its "
        "generator's padding was the mirror image of the study's",
    ),
)


def changes_of(flat: dict[str, Any]) -> list[Change]:
    """The changes that a flat configuration is affected by, oldest first."""
    return [one for one in CHANGES if all(flat.get(key) in values for key, values in one.where.items())]


def versions(changes: list[Change]) -> dict[str, int]:
    """What these changes add to a run's identity: the version of each choice, where it is above 1."""
    return {f"version.{choice}": 1 + count for choice, count in Counter(one.choice for one in changes).items()}
