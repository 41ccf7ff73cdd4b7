"""python -m sweeps plan's estimate: medians of finished runs that are like those to come, by hand-made records."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from support import TINY, frozen_runs

from landscape.config.hardware import cpu
from landscape.store import RunFolder, Store
from landscape.store.metrics_row import MetricsRow
from landscape.store.protocols import EvalRequest
from landscape.store.run_meta import Machine
from landscape.store.trials import TrialRecord, put_rows
from sweeps.launchers.estimate import Estimate
from sweeps.launchers.estimate import estimate as estimate_by
from sweeps.launchers.registry import launcher_of
from sweeps.planning.needs import survey
from sweeps.planning.plan import Plan, make_plan

HERE = Machine(cpu=cpu(), threads=1)


def finished(run: RunFolder, step_s: float, evaluation_s: float = 2.0, **machine: Any) -> None:
    """As if the run had taken so many seconds a D step and a scoring."""
    steps = run.config()["train"]["steps"]
    rows = [0, 6, 12]
    run.write_meta(replace(run.meta(), machines=(replace(HERE, **machine),)))
    for step in rows:
        run.append_row(MetricsRow(step=step, protocol="p"))
    asked = EvalRequest.of(run.config())
    assert asked is not None
    scored = {asked.id: asked.scores}
    status = replace(run.status(), state="done", step=steps, scored=scored)
    run.write_status(replace(status, train_s=steps * step_s, eval_s=len(rows) * evaluation_s))


def planned(store: Store, *overrides: str) -> Plan:
    plan = make_plan([*TINY, *overrides, f"store={store.root}", "device=cpu"], multirun=True)
    survey(plan)
    return plan


def estimate(plan: Plan) -> Estimate | None:
    return estimate_by(plan, launcher_of(plan.runs[0].config["launcher"]).processor)


def describe(plan: Plan) -> list[str]:
    return launcher_of(plan.runs[0].config["launcher"]).estimate(plan)


def test_hours_are_the_median_of_equal_runs_and_scoring_is_apart(store: Store) -> None:
    for run, step_s in zip(frozen_runs(store, *TINY, "seed=range(0,3)"), (10.0, 30.0, 20.0), strict=True):
        finished(run, step_s)
    made = estimate(planned(store, "seed=3,4", "loss=ns,wgan"))
    assert made is not None and made.basis == {"similar finished runs": 4} and not made.unknown
    assert made.train_s == pytest.approx(4 * 12 * 20) and made.eval_s == pytest.approx(4 * 3 * 2)
    assert made.hours == pytest.approx((made.train_s + made.eval_s) / 3600) and made.longest_s == pytest.approx(246)


def test_the_next_broader_group_is_taken_and_named(store: Store) -> None:
    plain, penalised, other = (
        frozen_runs(store, *TINY, *more)[0] for more in (["seed=0"], ["reg=gp"], ["optim.n_dis=5"])
    )
    finished(plain, 10)
    finished(penalised, 40)
    finished(other, 5, cpu="another")
    for overrides, step_s, by in (
        ([], 10, "similar finished runs"),
        (["reg=r1"], 40, "similar finished runs"),  # with a penalty, whichever
        (["optim.n_dis=5"], 5, "finished runs that differ in machine"),
        (["reg=gp", "optim.n_dis=5"], 40, "finished runs that differ in n_dis"),
        (["train.batch_size=32"], 10, "finished runs that differ in machine, n_dis, penalty, batch size"),
    ):
        made = estimate(planned(store, "seed=9", *overrides))
        assert made is not None and made.train_s == pytest.approx(12 * step_s), overrides
        assert list(made.basis) == [by]


def test_a_plan_that_a_cpu_cannot_do_says_so_and_what_it_can(store: Store) -> None:
    plan = planned(store, "data.size=64", "train.steps=100000", "train.batch_size=64", "arch.width=1", "seed=0,1")
    assert describe(plan)[1:] == [
        "  a run of 100,000 D updates of 64 px at arch.width=1 takes a core some 7 d 9 h; for a first look, "
        "arch.width=0.25 train.steps=2000 takes some 18 min 20 s"
    ]
    assert len(describe(planned(store))) == 1  # short enough
    (run,) = frozen_runs(store, *TINY, "data.size=64")
    finished(run, 1)
    assert not any("first look" in line for line in describe(plan))  # measured


def test_a_penalty_that_is_paid_at_times_costs_its_share(store: Store) -> None:
    (plain,), (always,) = (frozen_runs(store, *TINY, *more) for more in (["seed=0"], ["reg=gp"]))
    finished(plain, 10)
    finished(always, 40)
    lazy = ("seed=9", "reg=gp", "reg.every=4")
    made = estimate(planned(store, *lazy))
    assert made is not None and made.train_s == pytest.approx(12 * 17.5)
    assert list(made.basis) == ["finished runs that differ in how often the penalty is paid"]
    (like,) = frozen_runs(store, *TINY, "reg=r1", "reg.every=4")
    finished(like, 16)
    made = estimate(planned(store, *lazy))
    assert made is not None and made.train_s == pytest.approx(12 * 16) and list(made.basis) == ["similar finished runs"]


def test_what_no_run_is_like_is_said_and_not_guessed(store: Store) -> None:
    assert describe(planned(store)) == [
        "estimate: none, the store has no finished run to estimate from (data=digits arch=sndcgan on a CPU)"
    ]
    finished(frozen_runs(store, *TINY)[0], 10)
    made = estimate(planned(store, "arch=sndcgan,dcgan", "seed=1", "data.size=16", "arch.width=0.04"))
    assert made is not None and not made.basis  # images of another size are other work
    lines = describe(planned(store, "arch=sndcgan,resnet19", "seed=1"))
    assert "not included, no finished run: data=digits arch=resnet19 on a CPU (1 run)" in lines[-1]


def test_a_gpu_is_not_estimated_from_a_cpu(store: Store) -> None:
    run, on_gpu = frozen_runs(store, *TINY, "seed=0,1")
    finished(run, 10)
    plan = planned(store, "seed=5")
    plan.runs[0].config["device"] = "cuda"
    made = estimate(plan)
    assert made is not None and made.unknown == {"data=digits arch=sndcgan on a GPU": 1}
    finished(on_gpu, 1, gpu="NVIDIA H100")
    made = estimate(plan)
    assert made is not None and made.train_s == pytest.approx(12)


def test_what_is_done_is_not_counted_again_and_the_price_multiplies(store: Store) -> None:
    done, half, _ = frozen_runs(store, *TINY, "seed=0,1,2")
    finished(done, 3600 / 12)
    half.write_status(replace(half.status(), state="preempted", step=6))
    plan = planned(store, "seed=0,1,2", "launcher.price=2", "launcher.jobs=2")
    made = estimate(plan)
    assert made is not None and made.train_s == pytest.approx(3600 + 1800)  # one run whole, one from its middle
    assert made.eval_s == pytest.approx((3 + 1) * 2)
    text = "\n".join(describe(plan))
    assert text.startswith("estimate: 1.5 core-hours (1 h 30 min of training, 8 s of scoring); about 1 h with 2 at")
    assert "cost: 3.00 at launcher.price=2 per core-hour" in text
    assert describe(planned(store, "seed=0")) == []  # nothing is left to do


def test_trials_of_searches_are_counted_as_runs_of_their_cells_by_the_stage_that_is_asked_for(store: Store) -> None:
    search = ("search=random", "search.trials=5", "loss=ns,wgan")
    done, _ = frozen_runs(store, *TINY, *search)
    finished(done, 10)
    plan = planned(store, *search)
    cell = plan.searches[0]
    put_rows(store, plan.name, [TrialRecord("a", cell.cell, "search", 0, "random", None, 1.0, False, cell.id)])  # told
    for stage, runs, trials in (("all", 1, 9), ("grid", 1, 0), ("search", 0, 9)):
        made = estimate(planned(store, *search, f"stage={stage}"))
        assert made is not None and made.trials == trials, stage
        assert made.train_s == pytest.approx((runs + trials) * 120)
        assert made.eval_s == pytest.approx((runs + trials) * 3 * 2)
    text = "\n".join(describe(planned(store, *search, "launcher.jobs=2")))
    assert "10 runs estimated from similar finished runs" in text and "about 10 min 30 s with 2 at once" in text
    assert "9 of them are trials, each counted as a full run of its cell" in text and "pruner" not in text
    pruned = describe(planned(store, *search, "search.pruner=asha", "search.grace=1"))
    assert "10 of them are trials, each counted as a full run of its cell, or less if the pruner ends them early" in (
        "\n".join(pruned)
    )
    jobs = describe(planned(store, *search, "launcher=slurm"))
    assert jobs[0].endswith("2 min 6 s if all jobs run at once")  # ten a cell, so that each has one trial


def test_on_a_cluster_runs_are_packed_and_trials_are_not(store: Store) -> None:
    search = ("search=random", "search.trials=8", "loss=ns,wgan", "launcher=slurm", "launcher.at_once=4")
    for run in frozen_runs(store, *TINY, "loss=ns,wgan", "seed=3"):
        finished(run, 10)  # two minutes and six seconds a run
    for more, wall in (
        (["launcher.parallel=2"], "about 16 min 48 s with 8 runs and 2 trials at once"),  # 16 trials by two workers
        (["launcher.parallel=2", "stage=search"], "about 16 min 48 s with 2 trials at once"),
        (["launcher.parallel=2", "stage=grid"], "about 2 min 6 s with 8 at once"),
        (
            ["launcher.parallel=1", "search.trials=1", "seed=range(10,50)"],
            "about 42 min with 4 runs and 1 trial at once",
        ),
        ([], "2 min 6 s if all jobs run at once"),
    ):
        assert describe(planned(store, *search, *more))[0].endswith(wall), more


def test_a_run_that_moved_between_machines_is_no_measure(store: Store) -> None:
    (run,) = frozen_runs(store, *TINY)
    finished(run, 10)
    run.write_meta(replace(run.meta(), machines=(HERE, replace(HERE, cpu="another"))))
    made = estimate(planned(store, "seed=1"))
    assert made is not None and not made.basis and made.unknown
