"""`status.json`: the state of a run, its heartbeat and newest scores, and how it came to its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, ClassVar, Self

from landscape.scores import STORED
from landscape.store.formats import (
    FINISHED,
    STATES,
    Kind,
    count,
    ident,
    listed,
    mapped,
    number,
    one_of,
    score,
    seconds,
    text,
)
from landscape.store.record import Record, holds, one_record, records


class StopCause(StrEnum):
    """What ended a run early, as it is stored."""

    COLLAPSED = "collapsed"  # the distance was far above the run's best
    SATURATED = "saturated"  # the discriminator's loss was next to nothing
    PRUNED = "pruned"  # a search's pruner


@dataclass(frozen=True, kw_only=True)
class EarlyStop(Record):
    """When and why a run was ended early: the cause, for programs, and the sentence, for people."""

    step: int = field(metadata=holds(count))
    reason: str = field(default="", metadata=holds(text))
    cause: str | None = field(default=None, metadata=holds(text))  # a `StopCause`, or one of a later version
    pruner: str | None = field(default=None, metadata=holds(text))

    @classmethod
    def _of(cls, checked: Mapping[str, Any]) -> Self:
        stop = super()._of(checked)
        if stop.cause is not None:
            return stop
        cause, pruner = cause_of_old_sentence(stop.reason)
        return replace(stop, cause=cause, pruner=pruner)

    @property
    def known_cause(self) -> StopCause | None:
        """The cause; None where it is not on record, or known to a later version alone."""
        return next((cause for cause in StopCause if cause == self.cause), None)


def cause_of_old_sentence(reason: str) -> tuple[StopCause | None, str | None]:
    """The cause, and the pruner, as stores say it that have no `cause`: by how the sentence begins."""
    if reason.startswith("pruned by"):
        return StopCause.PRUNED, next(iter(reason.removeprefix("pruned by").split()), None)
    if reason.startswith("the discriminator is saturated"):
        return StopCause.SATURATED, None
    return StopCause.COLLAPSED if reason.startswith("the distance was above") else None, None


@dataclass(frozen=True, kw_only=True)
class Stalled(Record):
    """What takes a worker too long, by its own judgement."""

    doing: str = field(metadata=holds(text, "in"))
    for_s: float = field(metadata=holds(seconds))
    usual_s: float = field(metadata=holds(seconds))


@dataclass(frozen=True, kw_only=True)
class RunStatus(Record):
    """What is known of a run without reading anything else of it."""

    LIMIT: ClassVar[int] = 1 << 20

    state: str = field(metadata=holds(one_of(*STATES), "status"))
    axes: Mapping[str, Any] = field(default_factory=dict, metadata=holds(Kind({}, {"steps": count})))
    beat: int = field(default=0, metadata=holds(count))  # moves while a worker lives
    step: int = field(default=0, metadata=holds(count))  # D updates done
    steps: int = field(default=0, metadata=holds(count))  # D updates asked for; 0 before it was begun
    train_s: float | None = field(default=None, metadata=holds(seconds))
    eval_s: float | None = field(default=None, metadata=holds(seconds))
    train_busy_s: float | None = field(default=None, metadata=holds(number))
    eval_busy_s: float | None = field(default=None, metadata=holds(number))
    wasted_s: float = field(default=0.0, metadata=holds(seconds))  # thrown away by interruptions
    # The newest row's: its step and protocol, and the scores by name.
    scores: Mapping[str, Any] = field(
        default_factory=dict,
        metadata=holds(Kind({}, {"step": count, "protocol": ident, **dict.fromkeys(STORED, score)})),
    )
    # By request: the scores of it that there are, and why it could not be met.
    scored: Mapping[str, Sequence[str]] = field(default_factory=dict, metadata=holds(mapped(listed(text))))
    unmet: Mapping[str, str] = field(default_factory=dict, metadata=holds(mapped(text)))
    reason: str | None = field(default=None, metadata=holds(text))
    errno: str | None = field(default=None, metadata=holds(text))  # of a failure that the system caused: "ENOSPC"
    warnings: Sequence[str] = field(default_factory=list, metadata=holds(listed(text)))
    stops: tuple[EarlyStop, ...] = field(default=(), metadata=records(EarlyStop))
    stalled: Stalled | None = field(default=None, metadata=one_record(Stalled))

    @property
    def finished(self) -> bool:
        """Whether training is over and its outcome is a result."""
        return self.state in FINISHED
