"""Replay of a search: recorded learning curves stand in for training, with a simulated clock and workers.

The curves are trials in the order given. Workers take them up as they are free; after each evaluation but the last,
Optuna's pruner is asked as a real worker asks it. So a rule, a number of trials and a number of workers can be tried on
a finished study, in seconds and a thousand orders.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from typing import NamedTuple

import optuna
from optuna.pruners import BasePruner
from optuna.storages import InMemoryStorage

optuna.logging.set_verbosity(optuna.logging.ERROR)  # it tells of each study


class Curve(NamedTuple):
    """A recorded run: at each evaluation after step 0 its distance, and the hours that it had taken until then."""

    distances: Sequence[float]  # the last one is infinite for a run that diverged
    hours: Sequence[float]


class ReplayedSearch(NamedTuple):
    """What became of one order of curves."""

    hours: float  # of all trials
    clock: float  # until the last one ended
    best: float  # lowest final distance of the trials that were trained to the end
    stopped: tuple[int, ...]  # the trials that the pruner ended


def replay_search(curves: Sequence[Curve], pruner: BasePruner, workers: int) -> ReplayedSearch:
    """Work through these trials."""
    study = optuna.create_study(storage=InMemoryStorage(), pruner=pruner)
    events: list[tuple[float, int, int]] = []  # time, trial, evaluation
    trials, begun, stopped, spent, clock, best = [], list[float](), list[int](), 0.0, 0.0, math.inf

    def begin(now: float) -> None:
        number = len(begun)
        if number < len(curves):
            trials.append(study.ask())
            begun.append(now)
            heapq.heappush(events, (now + curves[number].hours[0], number, 0))

    for _ in range(workers):
        begin(0.0)
    while events:
        now, number, at = heapq.heappop(events)
        curve, last = curves[number], at == len(curves[number].distances) - 1
        value, ends = curve.distances[at], last
        if not last and 0 < value < math.inf:
            study._storage.set_trial_intermediate_value(trials[number]._trial_id, at + 1, math.log(value))
            ends = pruner.prune(study, study._storage.get_trial(trials[number]._trial_id))
        if not ends:
            heapq.heappush(events, (begun[number] + curve.hours[at + 1], number, at + 1))
            continue
        spent += curve.hours[at]
        clock = max(clock, now)
        if last:
            best = min(best, value)
        else:
            stopped.append(number)
        # Pruners look at the evaluations of ended trials, not at what these were told; a diverged one was told, too.
        study.tell(trials[number].number, math.log(value) if 0 < value < math.inf else 0.0)
        begin(now)
    return ReplayedSearch(spent, clock, best, tuple(sorted(stopped)))
