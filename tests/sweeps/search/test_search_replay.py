"""Recorded curves stand in for training: what a rule would have saved, and what it would have missed."""

from __future__ import annotations

import math

import pytest
from optuna.pruners import MedianPruner, NopPruner, SuccessiveHalvingPruner

from sweeps.search.replay import Curve, replay_search

HOURS = (1.0, 2.0, 3.0, 4.0)


def flat(distance: float) -> Curve:
    return Curve([distance] * 4, HOURS)


def test_without_a_rule_everything_is_trained() -> None:
    curves = [flat(3), flat(2), Curve([1, math.inf], (1.0, 1.5))]
    assert replay_search(curves, NopPruner(), 1) == (9.5, 9.5, 2.0, ())
    assert replay_search(curves, NopPruner(), 2) == (9.5, 5.5, 2.0, ())  # 0-4 and 4-5.5, 0-4
    assert replay_search(curves, NopPruner(), 20) == (9.5, 4.0, 2.0, ())


def test_the_median_rule_ends_what_is_worse_than_the_median_at_the_same_evaluation() -> None:
    rule = MedianPruner(n_startup_trials=2, n_warmup_steps=1)
    curves = [flat(2), flat(4), flat(9), flat(1)]
    assert replay_search(curves, rule, 1) == (4 + 4 + 1 + 4, 13.0, 1.0, (2,))  # after its first evaluation
    assert replay_search(curves, rule, 4).stopped == ()  # none has ended when the others are asked


def test_a_late_bloomer_is_missed() -> None:
    late = Curve([9, 9, 9, 0.5], HOURS)
    found = replay_search([flat(2), flat(4), late], MedianPruner(n_startup_trials=2, n_warmup_steps=0), 1)
    assert found.best == 2.0 and found.stopped == (2,)


@pytest.mark.parametrize("workers", [1, 4])
def test_successive_halving_promotes_the_better_part(workers: int) -> None:
    rule = SuccessiveHalvingPruner(min_resource=1, reduction_factor=2)
    found = replay_search([flat(d) for d in (1, 2, 3, 4, 5, 6, 7, 8)], rule, workers)
    assert found.best == 1.0 and found.hours < 16 and 0 not in found.stopped and len(found.stopped) >= 4
