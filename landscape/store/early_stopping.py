"""When a collapsed run may be ended early: rules over the rows of its own scores. No torch.

Where nothing stops a run but its last step and numbers that are not finite (`stop.factor` and `stop.loss_d` null, the
default), nothing here is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from landscape.config.schema import Stop
from landscape.scores import distance_of


class StopCause(StrEnum):
    """What ended a run early, as it is stored."""

    COLLAPSED = "collapsed"  # the distance was far above the run's best
    SATURATED = "saturated"  # the discriminator's loss was next to nothing
    PRUNED = "pruned"  # a search's pruner


@dataclass(frozen=True)
class EarlyStop:
    """Why a run ends early: the cause, for programs, and the sentence, for people."""

    cause: StopCause | None  # None: not on record
    reason: str
    pruner: str | None = None

    def stored(self, step: int) -> dict[str, Any]:
        """As an entry of `stops` in status.json."""
        pruner = {} if self.pruner is None else {"pruner": self.pruner}
        return {"step": step, "reason": self.reason, "cause": self.cause, **pruner}


# Asked after each evaluation but the last with the number of D updates and the row just written; the answer, where
# there is one, ends the run. This is how a search prunes.
Watch = Callable[[int, dict[str, Any]], EarlyStop | None]


class Stopped(Exception):
    """The run is ended early; `stop` says why, and its full checkpoint is kept."""

    def __init__(self, stop: EarlyStop) -> None:
        super().__init__(stop.reason)
        self.stop = stop


def read_stop(entry: Mapping[str, Any]) -> EarlyStop:
    """An entry of `stops` in status.json; a cause that only a later version knows is None."""
    reason, cause = str(entry.get("reason")), entry.get("cause")
    if cause is None:
        return stop_of_old_sentence(reason)
    known = StopCause(cause) if cause in list(StopCause) else None
    return EarlyStop(known, reason, entry.get("pruner"))


def stop_of_old_sentence(reason: str) -> EarlyStop:
    """The cause as stores say it that have no `cause`: by how the sentence begins."""
    if reason.startswith("pruned by"):
        return EarlyStop(StopCause.PRUNED, reason, next(iter(reason.removeprefix("pruned by").split()), None))
    if reason.startswith("the discriminator is saturated"):
        return EarlyStop(StopCause.SATURATED, reason)
    return EarlyStop(StopCause.COLLAPSED if reason.startswith("the distance was above") else None, reason)


def may_stop(stop: Stop) -> bool:
    """Whether any rule is set."""
    return stop.factor is not None or stop.loss_d is not None


def rule_text(given: Mapping[str, Any]) -> str | None:
    """The rules of a configuration's `stop` as typed, "stop.factor=3 stop.evaluations=3"; None for none."""
    stop = Stop(**{key: given.get(key) for key in ("factor", "loss_d", "evaluations")})
    if not may_stop(stop):
        return None
    values = {"factor": stop.factor, "loss_d": stop.loss_d, "evaluations": stop.evaluations or 1}
    return " ".join(f"stop.{key}={str(value).removesuffix('.0')}" for key, value in values.items() if value is not None)


def rule_of(text: str) -> Stop:
    """`rule_text` read back; raises `ValueError` for what is none."""
    pairs = dict(part.removeprefix("stop.").split("=") for part in text.split())
    if not pairs or set(pairs) - {"factor", "loss_d", "evaluations"}:
        raise ValueError(f"{text!r} is no rule to stop by")
    evaluations = int(pairs.pop("evaluations", 1))
    return Stop(**{key: float(value) for key, value in pairs.items()}, evaluations=evaluations)


def reason_to_stop(rows: list[dict[str, Any]], stop: Stop) -> EarlyStop | None:
    """Why a run with these rows (of one protocol, oldest first) should end now, by the rules of `stop`; else None.

    A distance that is not finite counts as far above any best. A discriminator's loss that is negative (a critic's) is
    never saturated.
    """
    n = stop.evaluations or 1
    newest = rows[-n:]
    if len(newest) < n:
        return None
    if stop.loss_d is not None and all(_within(row.get("loss_d"), stop.loss_d) for row in newest):
        why = f"the discriminator is saturated: its loss was at most {stop.loss_d:g} at {n} evaluations in a row"
        return EarlyStop(StopCause.SATURATED, why)
    known = [distance for row in rows if (distance := distance_of(row)) is not None]
    if stop.factor is not None and known:
        limit = stop.factor * min(known)
        if all(distance is None or distance > limit for distance in map(distance_of, newest)):
            best = min(known)
            why = f"the distance was above {stop.factor:g} times its best, {best:.4g}, at {n} evaluations in a row"
            return EarlyStop(StopCause.COLLAPSED, why)
    return None


def _within(loss: float | None, limit: float) -> bool:
    return loss is not None and 0 <= loss <= limit
