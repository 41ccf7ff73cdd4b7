"""Claims about the practitioner and about hours: what simulation must agree with, and where it must not speak."""

from itertools import permutations
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.estimators.practitioner import rounds_of
from analysis.estimators.simulation import best_over_time, practitioner, random_orders
from analysis.estimators.time_budget import measured_apart, over_hours, timed
from analysis.estimators.tuning_curves import budgets, mean_best
from landscape.config.errors import UserError


def exact(grid, rounds):
    """The practitioner's mean in closed form: in each part, the mean of the best of k values cut at the best so far."""
    found, best = [], np.inf
    for part in (grid, *rounds):
        found += list(mean_best(np.minimum(part, best), budgets(len(part))))
        best = min(best, part.min())
    return np.array(found)


def test_the_practitioner_is_within_its_monte_carlo_error():
    rng = np.random.default_rng(3)
    grid, rounds = rng.lognormal(3, 1, 30), list(rng.lognormal(2.5, 1, (12, 10)))
    found = practitioner(grid, rounds, np.random.default_rng(0))
    truth = exact(grid, rounds)
    assert found.ks.tolist() == list(range(1, 151))
    assert (np.abs(found.mean - truth) <= 4 * found.error + 1e-9).all()
    assert found.error[0] > 0 and found.mean[-1] == pytest.approx(min(grid.min(), min(map(np.min, rounds))))


def test_a_grid_alone_is_the_mean_of_the_best_of_k_and_the_order_of_rounds_matters():
    grid = np.array([5.0, 7.0, 3.0])
    found = practitioner(grid, [], np.random.default_rng(0), 4000)
    np.testing.assert_allclose(found.mean, mean_best(grid, budgets(3)), atol=5 * found.error.max())
    early = practitioner(grid, [np.array([1.0]), np.array([9.0])], np.random.default_rng(0))
    late = practitioner(grid, [np.array([9.0]), np.array([1.0])], np.random.default_rng(0))
    assert early.mean[3] == 1 and late.mean[3] == 3 and late.mean[4] == 1
    for bad in ((np.array([]), []), (np.array([np.inf]), [])):
        with pytest.raises(ValueError):
            practitioner(*bad, np.random.default_rng(0))


def test_hours_agree_with_all_orders_of_a_few_runs():
    costs, values = np.array([1.0, 2.0, 4.0]), np.array([9.0, np.inf, 3.0])
    found = best_over_time(costs, values, random_orders(len(costs), np.random.default_rng(0), 3000))

    def known(order, time):
        ends = np.cumsum(costs[list(order)])
        return min((v for v, end in zip(values[list(order)], ends, strict=True) if end <= time), default=np.inf)

    for at in (0, 30, 60, 99):
        all_orders = sorted(known(order, found.times[at]) for order in permutations(range(3)))
        assert all_orders[2] <= found.median[at] <= all_orders[3]
        assert found.lower[at] <= found.median[at] <= found.upper[at]
    assert found.times[-1] == 7 and found.median[-1] == 3 and np.isinf(found.median[0])
    with pytest.raises(ValueError):
        best_over_time(np.array([0.0]), np.array([1.0]), np.zeros((1, 1), int))


def test_cheap_runs_reach_as_far_in_less_time():
    values, costs = np.random.default_rng(0).lognormal(3, 1, 40), np.full(40, 2.0)
    order = random_orders(40, np.random.default_rng(1))
    cheap, dear = (best_over_time(cost, values, order) for cost in (costs, 3 * costs))
    np.testing.assert_allclose(cheap.median, dear.median)
    np.testing.assert_allclose(3 * cheap.times, dear.times)


def runs(**changes):
    made = pd.DataFrame({"id": list("abcd"), "worth": [5.0, 3.0, np.inf, 8.0], "train_s": [3600.0, 7200, 1800, 60]})
    made = made.assign(
        cell="NS GP",
        setting=made["id"],
        seed=0,
        fid_start=90.0,
        stage="grid",
        status="done",
        sampler=None,
        superseded=None,
    )
    made = made.assign(train_cpu_s=np.nan, eval_cpu_s=np.nan)
    return made.assign(eval_s=60.0, device="P100", device_kinds=1, sharing=1, step=1000, loss="ns", data="d").assign(
        **changes
    )


def test_hours_are_of_the_processor_where_every_run_has_them_and_say_where_the_clock_differs():
    # a machine with four times as much to do
    cpu: dict[str, Any] = {"train_cpu_s": [900.0, 1800, 450, 15], "eval_cpu_s": 15.0}
    found = timed(runs(**cpu))
    np.testing.assert_allclose(found.hours["training"]["NS GP"] * 3600, cpu["train_cpu_s"])
    assert found.by_cpu and found.apart == {"NS GP": pytest.approx(4)}
    near = timed(runs(train_cpu_s=[3000.0, 6000, 1500, 50], eval_cpu_s=55.0))
    assert near.by_cpu and near.apart == {}
    lacking = timed(runs(**cpu | {"train_cpu_s": [900.0, 1800, 450, np.nan]}))
    assert not lacking.by_cpu and lacking.hours["training"]["NS GP"].max() == 2


def test_hours_take_stopped_runs_on_one_kind_of_device_and_no_confirming_ones():
    found = timed(runs(status=["done", "done", "diverged", "stopped"]))
    curves = over_hours(found, seed=0)
    assert curves["training"]["NS GP"].times[-1] == pytest.approx(3 + 1860 / 3600)
    assert found.stopped == 1 and found.left_out == 0 and set(curves) > {"evaluation"}
    other = timed(runs(device=["P100", "P100", "A100", "P100"], device_kinds=[1, 1, 1, 2]))
    assert other.device == "P100" and other.left_out == 2 and not other.unsure
    some = timed(runs(sharing=[1, 2, 0, 1]))
    assert (some.shared, some.left_out, some.unsure, len(some.worth["NS GP"])) == (1, 0, True, 3)
    assert timed(runs(sharing=4)).hours == {}
    assert over_hours(timed(runs(stage="confirm")), seed=0) == {}


def test_the_cost_of_a_step_may_be_measured_apart(tmp_path):
    file = tmp_path / "costs.csv"
    file.write_text("loss,step_s\nns,0.5\nwgan,0.25\n")
    made = measured_apart(runs(loss=["ns", "ns", "wgan", "wgan"]), str(file))
    assert made["train_s"].tolist() == [500, 500, 250, 250] and made["device"].nunique() == 1
    for text, message in (
        ("loss,step_s\nwgan,1\n", "loss=ns"),
        ("loss\nns\n", "step_s"),
        ("loss,step_s\nns,0\n", "above 0"),
        ("loss,step_s\nns,1\nns,2\n", "several"),
    ):
        file.write_text(text)
        with pytest.raises(UserError, match=message):
            measured_apart(runs(), str(file))


def test_rounds_keep_their_order_and_random_search_has_none():
    cell = runs(stage=["grid", "search", "search", "search"])
    trials = pd.DataFrame({"sweep": "s", "id": list("bcd"), "stage": "search", "sampler": "gp", "search": None})
    asynchronous = trials.assign(order=[2.0, 0.0, 1.0], round=np.nan)
    ((grid, rounds),) = rounds_of(cell, asynchronous)
    assert grid.tolist() == [5] and [r.tolist() for r in rounds] == [[90], [8], [3]], "diverged at its step-0 score"
    ((_, rounds),) = rounds_of(cell, asynchronous.assign(round=[1.0, 0.0, 0.0]))
    assert [sorted(r) for r in rounds] == [[8, 90], [3]]
    ((_, rounds),) = rounds_of(cell, asynchronous.assign(sampler="random", round=[1.0, 0.0, 0.0]))
    assert [sorted(r) for r in rounds] == [[3, 8, 90]]
    two = pd.concat([asynchronous, asynchronous.assign(sweep="t")])
    assert len(rounds_of(cell, two)) == 2 and rounds_of(cell, trials.iloc[:0].assign(order=[], round=[]))[0][1] == []
