"""A row of `metrics.jsonl`: the result of one evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from landscape.scores import STORED
from landscape.store.formats import Check, count, ident, mapped, or_null, score
from landscape.store.record import Record, holds


@dataclass(frozen=True, kw_only=True)
class MetricsRow(Record):
    """When a run was evaluated, under which protocol, and the scores. Seconds are totals of the run up to then."""

    LIMIT: ClassVar[int] = 256 << 20
    ALSO: ClassVar[Mapping[str, Check]] = dict.fromkeys((*STORED, "loss_d", "loss_g", "critic", "saturated"), score)

    step: int = field(metadata=holds(count))  # D updates
    protocol: str = field(metadata=holds(ident))
    g_step: int | None = field(default=None, metadata=holds(count))
    images: int | None = field(default=None, metadata=holds(count))  # real images seen in training
    train_s: float | None = field(default=None, metadata=holds(score))
    eval_s: float | None = field(default=None, metadata=holds(score))
    train_busy_s: float | None = field(default=None, metadata=holds(score))
    eval_busy_s: float | None = field(default=None, metadata=holds(score))
    why: Mapping[str, Any] = field(default_factory=dict, metadata=holds(or_null(mapped())))  # reasons for null scores
    copied_from: str | None = field(default=None, metadata=holds(ident))  # the shorter run that this run continues
    cost: Mapping[str, Any] = field(default_factory=dict, metadata=holds(or_null(mapped())))  # seconds per score

    @property
    def values(self) -> Mapping[str, Any]:
        """Scores, losses and logged values by name: a number, a curve, or None if not finite."""
        return self.more
