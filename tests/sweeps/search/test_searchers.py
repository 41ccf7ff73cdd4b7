"""Searches that train: trials as ordinary runs, workers killed and stopped, pruning, the record, confirmation."""

from __future__ import annotations

import math
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from held import hold, let_go
from searching import equal_weights, planned, search_here, trials
from support import TINY, wait_for
from sweeping import start, workers

from landscape.config.identity import run_id
from landscape.runtime.worker import work
from landscape.store import Store
from landscape.store.run_meta import RunOrigin
from landscape.store.trials import TrialRecord, put_rows, read_rows
from sweeps.cli.sweep import main
from sweeps.planning.plan import make_plan
from sweeps.planning.search_spec import MAX_FAILURES
from sweeps.planning.select_runs import planned_runs
from sweeps.search.trial_queue import Trial
from sweeps.search.worker import CellWorker, SearchWorker

LONG = ("train.steps=300", *TINY[1:], "metrics.every=150", "checkpoint.every_s=0.2")
RANDOM = ("search=random", "search.trials=3")


def test_a_trial_is_an_ordinary_run_with_the_bits_of_a_grids(store: Store, tmp_path: Path, warm_cache: Path) -> None:
    plan = planned(store, *RANDOM)
    assert search_here(store, plan) == 0
    rows = trials(store, plan)
    assert [(r["order"], r["sampler"], r["round"], r["diverged"]) for r in rows] == [
        (i, "random", None, False) for i in range(3)
    ]
    for r in rows:
        run = store.run(r["run"])
        assert r["cell"] == {k: run.status().axes[k] for k in r["cell"]} and run.status().state == "done"
        assert r["value"] == math.log(run.rows()[-1].values["fd_classifier"]) and run_id(run.config()) == run.id
        assert not {"search", "confirm", "stage", "study"} & run.config().keys()
    assert {r["run"] for r in rows} < set(planned_runs(store, plan.name))
    run = store.run(rows[0]["run"])
    assert "optim.lr=" in " ".join(run.meta().overrides)
    meta = run.meta()
    assert meta.origin == RunOrigin(kind="search", sampler="random") and meta.command is None
    other = Store(tmp_path / "other")
    os.makedirs(other.root)
    shutil.copytree(warm_cache, other.cache)
    typed = planned(other, *(text for text in run.meta().overrides if not text.startswith(("store=", "search"))))
    assert typed.runs[0].id == run.id
    work(other, run.id, lambda text: None)
    assert equal_weights(run, other.run(run.id))


def test_a_search_worked_again_asks_nothing_and_a_larger_budget_asks_the_rest(store: Store) -> None:
    plan = planned(store, "search=random", "search.trials=1")
    search_here(store, plan)
    before = trials(store, plan)
    assert search_here(store, plan) == 0 and trials(store, plan) == before
    more = planned(store, "search=random", "search.trials=2")
    assert more.name == plan.name and more.settled == 1
    search_here(store, more)
    assert trials(store, more)[0] == before[0] and len(trials(store, more)) == 2


def test_other_scores_ask_for_the_same_runs(store: Store) -> None:
    first, second = (planned(store, *RANDOM, how) for how in ("metrics.quantise=uint8", "metrics.quantise=float"))
    cells = [SearchWorker(store, plan.name, None, {}).cells[0] for plan in (first, second)]
    trials = [cell.next() for cell in cells]
    assert first.name != second.name
    assert len({cell.run(t.params).id for cell, t in zip(cells, trials, strict=True) if isinstance(t, Trial)}) == 1


def test_a_model_can_be_told_the_grid(store: Store) -> None:
    plan = planned(store, "search=gp", "search.trials=1", "search.startup=1", "search.grid=true", "optim.lr=1e-3,1")
    inside, outside = (store.run(r.id) for r in plan.runs)
    for run in (inside, outside):  # a rate of 1 lies outside the ranges
        work(store, run.id, lambda text: None)
    assert search_here(store, plan) == 0
    (cell,) = SearchWorker(store, plan.name, None, {}).cells
    told = {t.user_attrs["grid"]: t.value for t in cell.queue.study.trials if "grid" in t.user_attrs}
    assert told == {inside.id: math.log(inside.rows()[-1].values["fd_classifier"])}
    assert len(trials(store, plan)) == 1 and trials(store, plan)[0]["order"] == 0


def test_a_worker_whose_launcher_is_gone_asks_no_more(store: Store) -> None:
    plan = planned(store, *RANDOM)
    assert SearchWorker(store, plan.name, None, {}, lambda text: None, parent=-1).work() == 0
    assert trials(store, plan) == []


def test_a_trial_that_makes_steps_is_taken_up_from_however_many_killed_workers(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CellWorker, "is_lost", lambda self, params, owner: True)
    plan = planned(store, "search=random", "search.trials=1")
    runs = set()
    for step in range(2 * MAX_FAILURES):
        (cell,) = SearchWorker(store, plan.name, None, {}).cells
        trial = cell.next()
        assert isinstance(trial, Trial)
        run = cell.freeze(trial)
        runs.add(run.id)
        run.write_status(replace(run.status(), state="running", step=step + 1), durable=False)
    assert len(runs) == 1
    taken = [SearchWorker(store, plan.name, None, {}).cells[0].next() for _ in range(MAX_FAILURES + 1)]
    assert all(isinstance(one, Trial) for one in taken)  # nor is one that makes none


def test_a_diverged_trial_is_told_its_own_start(store: Store) -> None:
    wild = ("search.space.lr={low: 1e3, high: 2e3, log: true}", "reg=gp", "search=random", "search.trials=1")
    plan = planned(store, *wild)
    assert search_here(store, plan) == 0
    (r,) = trials(store, plan)
    run = store.run(r["run"])
    assert run.status().state == "diverged" and r["diverged"]
    assert r["value"] == math.log(run.rows()[0].values["fd_classifier"]) and run.rows()[0].step == 0


def test_a_run_that_fails_is_tried_again_and_then_counts_as_failed(store: Store) -> None:
    plan = planned(store, "search=random", "search.trials=2")
    search_here(store, planned(store, "search=random", "search.trials=1"))
    (first,) = trials(store, plan)
    planned(store, "search=random", "search.trials=2")
    second = SearchWorker(store, plan.name, None, {}, lambda text: None).cells[0]
    trial = second.next()
    assert trial is not None and not isinstance(trial, str)
    run = second.freeze(trial)
    second.queue.release(trial, tried=False)
    run.samples.rmdir()
    run.samples.write_text("in the way")
    codes = [search_here(store, plan) for _ in range(4)]
    assert codes[-1] == 0 and all(codes[:-1]) and len(codes) == 4
    rows = trials(store, plan)
    assert [r["value"] for r in rows] == [first["value"], None] and rows[1]["run"] == run.id


def searcher(store: Store, name: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "sweeps.search.worker", "--store", str(store.root), "--sweep", name]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.mark.slow
def test_independent_workers_share_a_search_and_one_that_is_killed_leaves_its_run(store: Store) -> None:
    """Two processes as the tasks of a cluster's array would be; one is killed with -9 while it trains."""
    plan = planned(store, "search=random", "search.trials=4", "search.storage=journal", base=LONG)
    first = searcher(store, plan.name)
    lost, _ = hold(store, pid=first.pid)
    second = searcher(store, plan.name)
    wait_for(lambda: len(list(store.search_workers(plan.name).iterdir())) == 2)  # it loads torch before it asks
    first.kill()
    first.wait()
    assert second.wait(timeout=300) == 0
    rows = trials(store, plan)
    assert sorted(r["order"] for r in rows) == [0, 1, 2, 3] and all(r["value"] is not None for r in rows)
    assert lost.id in {r["run"] for r in rows} and lost.status().state == "done"
    done = {run.id for run in store.run_folders() if run.status().state == "done"}
    assert done == {r["run"] for r in rows}  # nothing was proposed anew


@pytest.mark.slow
def test_the_command_makes_grid_search_and_confirmation(store: Store, capfd: pytest.CaptureFixture[str]) -> None:
    command = ["-m", "reg=none", "seed=0,1", *TINY, "search=tpe", "search.trials=2", f"store={store.root}"]
    assert main([*command, "stage=search"]) == 0
    assert main(command) == 0
    plan = make_plan(command[1:], multirun=True)
    rows = [r.to_json() for r in read_rows(store, plan.name)]
    assert [(r["stage"], r["order"]) for r in rows] == [("grid", 0), ("grid", 1), ("search", 0), ("search", 1)]
    assert all(r["value"] is not None for r in rows)
    assert main(command) == 0 and [r.to_json() for r in read_rows(store, plan.name)] == rows

    capfd.readouterr()
    assert main([*command, "stage=confirm", "confirm.seeds=2"]) == 0
    assert "(n = 2)" in capfd.readouterr().out
    last = [r.to_json() for r in read_rows(store, plan.name) if r.stage == "confirm"]
    configs = [store.run(r["run"]).config() for r in last]
    assert [c["seed"] for c in configs] == [1000, 1001]
    assert {(c["metrics"]["real"], c["metrics"]["seed"]) for c in configs} == {("train", 1042)}
    assert {len({row.protocol for row in store.run(r["run"]).rows() if row.step == 12}) for r in last} == {2}
    best = min((r["value"], r["run"]) for r in rows if r["stage"] == "search")
    medians = {"search": best[0], "grid": sum(r["value"] for r in rows if r["stage"] == "grid") / 2}
    if medians["search"] < medians["grid"] - 0.01:
        assert configs[0]["optim"]["lr_d"] == store.run(best[1]).config()["optim"]["lr_d"]
    before = read_rows(store, plan.name)
    assert main([*command, "stage=confirm", "confirm.seeds=2"]) == 0 and read_rows(store, plan.name) == before


@pytest.mark.slow
def test_ctrl_c_stops_a_search_and_the_same_command_goes_on_though_its_worker_is_killed(store: Store) -> None:
    command = ("search=random", "search.trials=3", "stage=search", "launcher.jobs=1", *LONG)
    process = start(store, *command)
    _, pid = hold(store)
    process.send_signal(signal.SIGINT)
    let_go(pid, signal.SIGTERM)
    out, _ = process.communicate(timeout=300)
    assert process.returncode == 130, out
    assert workers(store) == []

    again = start(store, *command)
    _, pid = hold(store)
    os.kill(pid, signal.SIGKILL)
    out, _ = again.communicate(timeout=300)
    assert again.returncode == 0, out
    plan = make_plan([*command, f"store={store.root}"], multirun=False)
    assert len(trials(store, plan)) == 3 and all(r["value"] is not None for r in trials(store, plan))


# The record


def test_the_record_has_every_trial_and_replaces_what_is_told_again(store: Store) -> None:
    cell = {"loss": "ns"}
    put_rows(store, "s", [TrialRecord("a", cell, "grid", 0), TrialRecord("b", cell, "grid", 1)])
    for value in (None, 1.0):
        put_rows(
            store, "s", [TrialRecord(r, cell, "search", i, "gp", 0, value, False, "x") for i, r in enumerate("bc")]
        )
    put_rows(store, "s", [TrialRecord("d", cell, "search", 0, "gp", search="y")])
    found = [(r.run, r.stage, r.value) for r in read_rows(store, "s")]
    grid, searched = [("a", "grid", None), ("b", "grid", None)], [("b", "search", 1.0), ("c", "search", 1.0)]
    assert found == [*grid, *searched, ("d", "search", None)]
    put_rows(store, "s", [TrialRecord("e", cell, "search", i, "gp", search="z", value=2.0) for i in range(3)])
    put_rows(store, "s", [TrialRecord("b", cell, "confirm", 0)])
    again = [r for r in read_rows(store, "s") if r.search == "z" or r.stage == "confirm"]
    assert [r.run for r in again] == ["e", "e", "e"]  # a setting that was proposed thrice is three trials
