"""Early stopping of collapsed runs, by rules on their scores. No torch.

Without rules (`stop.factor` and `stop.loss_d` null, the default) a run stops only at its last step or when it diverges.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from landscape.config.schema import Stop
from landscape.scores import distance_of
from landscape.store.metrics_row import MetricsRow
from landscape.store.run_status import EarlyStop, StopCause

# Called after each evaluation but the last, with the new row. A result ends the run; searches prune this way.
StopCheck = Callable[[MetricsRow], EarlyStop | None]


class Stopped(Exception):
    """The run was stopped early for the reason `stop`. Its full checkpoint is kept."""

    def __init__(self, stop: EarlyStop) -> None:
        super().__init__(stop.reason)
        self.stop = stop


def may_stop(stop: Stop) -> bool:
    """Whether any rule is set."""
    return stop.factor is not None or stop.loss_d is not None


def rule_text(given: Mapping[str, Any]) -> str | None:
    """The rules as typed ("stop.factor=3 stop.evaluations=3"); None if there are none."""
    stop = Stop(**{key: given.get(key) for key in ("factor", "loss_d", "evaluations")})
    if not may_stop(stop):
        return None
    values = {"factor": stop.factor, "loss_d": stop.loss_d, "evaluations": stop.evaluations or 1}
    return " ".join(f"stop.{key}={str(value).removesuffix('.0')}" for key, value in values.items() if value is not None)


def rule_of(text: str) -> Stop:
    """Parse the result of `rule_text`. Raises `ValueError` for anything else."""
    pairs = dict(part.removeprefix("stop.").split("=") for part in text.split())
    if not pairs or set(pairs) - {"factor", "loss_d", "evaluations"}:
        raise ValueError(f"{text!r} is not a stopping rule")
    evaluations = int(pairs.pop("evaluations", 1))
    return Stop(**{key: float(value) for key, value in pairs.items()}, evaluations=evaluations)


def reason_to_stop(rows: list[MetricsRow], stop: Stop) -> EarlyStop | None:
    """The stop that the rules demand after these rows (of one protocol, oldest first), else None.

    A distance that is not finite counts as above any limit. A negative loss of D (a critic's) never counts as
    saturated.
    """
    n = stop.evaluations or 1
    newest = rows[-n:]
    if len(newest) < n:
        return None
    if stop.loss_d is not None and all(_within(row.values.get("loss_d"), stop.loss_d) for row in newest):
        why = f"the discriminator is saturated: its loss was at most {stop.loss_d:g} at {n} consecutive evaluations"
        return EarlyStop(step=newest[-1].step, cause=StopCause.SATURATED, reason=why)
    distances = [distance_of(row.values) for row in rows]
    known = [distance for distance in distances if distance is not None]
    if stop.factor is not None and known:
        limit = stop.factor * min(known)
        if all(distance is None or distance > limit for distance in distances[-n:]):
            best = min(known)
            why = f"the distance was above {stop.factor:g} times its best, {best:.4g}, at {n} consecutive evaluations"
            return EarlyStop(step=newest[-1].step, cause=StopCause.COLLAPSED, reason=why)
    return None


def _within(loss: float | None, limit: float) -> bool:
    return loss is not None and 0 <= loss <= limit
