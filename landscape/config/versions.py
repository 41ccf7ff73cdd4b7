"""Versions of choices whose meaning changed: which configurations are trained differently since when, and why.

A fix that changes what some runs train is a row of `CHANGES`. It raises the version of its choice for the affected
configurations. Versions above 1 are part of the run id (`landscape.config.identity`), so affected runs are trained
again and all other ids stay valid. No torch.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, eq=False)
class Change:
    """Since `when`, `choice` has another meaning in configurations with one of the given values for every key."""

    choice: str
    where: dict[str, tuple[Any, ...]]
    when: str
    why: str

    @property
    def before(self) -> str:
        """Label of runs planned before the change."""
        return f"{self.choice} before {self.when}"


# Append-only, oldest first, because ids depend on the order. Keys are dotted.
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
    """The changes that affect a flat configuration, oldest first."""
    return [one for one in CHANGES if all(flat.get(key) in values for key, values in one.where.items())]


def versions(changes: list[Change]) -> dict[str, int]:
    """What these changes add to a run's identity: versions above 1, by key."""
    return {f"version.{choice}": 1 + count for choice, count in Counter(one.choice for one in changes).items()}
