"""Collapsed runs end early where a sweep allows it, and are taken up again where another wants them whole."""

from __future__ import annotations

import pytest
import torch
from support import TINY, frozen_runs

from landscape.config.schema import Stop
from landscape.runtime.worker import work
from landscape.store import Store
from landscape.store.early_stopping import reason_to_stop
from landscape.store.metrics_row import MetricsRow
from landscape.training import checkpoint
from sweeps.planning.needs import survey
from sweeps.planning.plan import NOTHING, TRAIN, make_plan


def rows(*fids: float | None, loss: float | None = 1.0) -> list[MetricsRow]:
    return [MetricsRow(step=i, protocol="p", more={"fid": fid, "loss_d": loss}) for i, fid in enumerate(fids)]


RULE = Stop(factor=2, evaluations=2)
SATURATED = Stop(loss_d=0.01, evaluations=2)

# Rows, rule, whether they are stopped.
CASES: list[tuple[list[MetricsRow], Stop, bool]] = [
    (rows(10, 4, 9, 9), RULE, True),
    (rows(10, 4, 9, 7), RULE, False),
    (rows(10, 4, 9), RULE, False),
    (rows(10, 4, None, None), RULE, True),
    (rows(None, None), RULE, False),
    (rows(10, 4, 8, 8), RULE, False),
    (rows(10, 4, 9, 9), Stop(), False),
    (rows(3, 3, loss=0.01), SATURATED, True),
    (rows(3, 3, loss=0.02), SATURATED, False),
    (rows(3, 3, loss=-5.0), SATURATED, False),
    (rows(3, 3, loss=None), SATURATED, False),
    (rows(3, loss=0.0), SATURATED, False),
]


@pytest.mark.parametrize(("given", "rule", "stops"), CASES)
def test_the_rules(given: list[MetricsRow], rule: Stop, stops: bool) -> None:
    assert (reason_to_stop(given, rule) is not None) == stops


def needs(store: Store, *overrides: str) -> str:
    plan = make_plan([*TINY, *overrides, f"store={store.root}"], multirun=False)
    survey(plan)
    return plan.runs[0].need


def silent(text: str) -> None:
    pass


def test_a_stopped_run_is_finished_where_stopping_is_allowed_and_goes_on_exactly_where_not(store: Store) -> None:
    rule = ("stop.loss_d=100", "stop.evaluations=1")
    (run,) = frozen_runs(store, *TINY, *rule)
    assert work(store, run.id, silent) == "stopped"
    status = run.status()
    assert status.step == 6 and "the discriminator is saturated" in (status.reason or "")
    assert run.newest_checkpoint.exists() and run.weights.exists() and [r.step for r in run.rows()] == [0, 6]
    assert needs(store, *rule) == NOTHING and needs(store) == TRAIN
    assert work(store, run.id, silent) == "stopped"  # the frozen rule still allows it
    assert work(store, run.id, silent, {"stop": {"factor": None, "loss_d": None, "evaluations": 3}}) == "done"
    assert needs(store) == NOTHING == needs(store, *rule) and run.status().reason is None
    stops = run.status().stops  # that it was stopped once stays on record
    assert [stop.to_json() for stop in stops] == [{"step": 6, "reason": status.reason, "cause": "saturated"}]

    (whole,) = frozen_runs(store, *TINY, "repeat=1")
    work(store, whole.id, silent)
    assert [r.values["fd_classifier"] for r in run.rows()] == [r.values["fd_classifier"] for r in whole.rows()]
    left, right = (checkpoint.load(r.weights) for r in (run, whole))
    assert all(torch.equal(left[net][k], right[net][k]) for net in ("g", "d") for k in left[net])


def test_rules_are_no_part_of_what_a_run_is() -> None:
    plain, ruled = (make_plan([*TINY, *more], multirun=False).runs[0] for more in ((), ("stop.factor=2",)))
    assert plain.id == ruled.id
