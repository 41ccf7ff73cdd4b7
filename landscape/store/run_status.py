"""`status.json`: state, heartbeat and latest scores of a run, and how it ended."""

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
    """Why a run was stopped early, as stored."""

    COLLAPSED = "collapsed"  # the distance far exceeded the run's best
    SATURATED = "saturated"  # the discriminator's loss was near 0
    PRUNED = "pruned"  # a search's pruner


@dataclass(frozen=True, kw_only=True)
class EarlyStop(Record):
    """When and why a run was stopped early: cause (for programs) and reason (for people)."""

    step: int = field(metadata=holds(count))
    reason: str = field(default="", metadata=holds(text))
    cause: str | None = field(default=None, metadata=holds(text))  # a `StopCause`, or a value of a later version
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
        """The cause; None if not recorded, or unknown to this version."""
        return next((cause for cause in StopCause if cause == self.cause), None)


def cause_of_old_sentence(reason: str) -> tuple[StopCause | None, str | None]:
    """Cause and pruner in older stores without `cause`, from the beginning of the reason."""
    if reason.startswith("pruned by"):
        return StopCause.PRUNED, next(iter(reason.removeprefix("pruned by").split()), None)
    if reason.startswith("the discriminator is saturated"):
        return StopCause.SATURATED, None
    return StopCause.COLLAPSED if reason.startswith("the distance was above") else None, None


@dataclass(frozen=True, kw_only=True)
class Stalled(Record):
    """The activity that takes a worker too long, by its own judgment."""

    doing: str = field(metadata=holds(text, "in"))
    for_s: float = field(metadata=holds(seconds))
    usual_s: float = field(metadata=holds(seconds))


@dataclass(frozen=True, kw_only=True)
class RunStatus(Record):
    """The status of a run, readable without its other files."""

    LIMIT: ClassVar[int] = 1 << 20

    state: str = field(metadata=holds(one_of(*STATES), "status"))
    axes: Mapping[str, Any] = field(default_factory=dict, metadata=holds(Kind({}, {"steps": count})))
    beat: int = field(default=0, metadata=holds(count))  # increases while a worker is alive
    step: int = field(default=0, metadata=holds(count))  # D updates done
    steps: int = field(default=0, metadata=holds(count))  # D updates in total; 0 before the start
    train_s: float | None = field(default=None, metadata=holds(seconds))
    eval_s: float | None = field(default=None, metadata=holds(seconds))
    train_busy_s: float | None = field(default=None, metadata=holds(number))
    eval_busy_s: float | None = field(default=None, metadata=holds(number))
    wasted_s: float = field(default=0.0, metadata=holds(seconds))  # lost by interruptions
    # The latest row: step, protocol and scores by name.
    scores: Mapping[str, Any] = field(
        default_factory=dict,
        metadata=holds(Kind({}, {"step": count, "protocol": ident, **dict.fromkeys(STORED, score)})),
    )
    # By request: its available scores, and why it failed.
    scored: Mapping[str, Sequence[str]] = field(default_factory=dict, metadata=holds(mapped(listed(text))))
    unmet: Mapping[str, str] = field(default_factory=dict, metadata=holds(mapped(text)))
    reason: str | None = field(default=None, metadata=holds(text))
    errno: str | None = field(default=None, metadata=holds(text))  # system error behind a failure: "ENOSPC"
    fault: str | None = field(default=None, metadata=holds(text))  # of a failure, as of `errors.fault_of`
    warnings: Sequence[str] = field(default_factory=list, metadata=holds(listed(text)))
    stops: tuple[EarlyStop, ...] = field(default=(), metadata=records(EarlyStop))
    stalled: Stalled | None = field(default=None, metadata=one_record(Stalled))

    @property
    def finished(self) -> bool:
        """Whether training has ended with a result."""
        return self.state in FINISHED
