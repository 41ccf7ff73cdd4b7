"""A search's own rules, without a GAN: what is asked, owned, taken up and told, on every storage."""

from __future__ import annotations

import json
import math
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from optuna.storages import BaseStorage, InMemoryStorage
from searching import bowl, cell, ledger, nobody_is_lost, planned
from slurm import wait_for
from support import ROOT

from landscape.config.errors import UserError
from landscape.config.identity import run_id
from landscape.store import Store
from landscape.store.searches import SearchSpec
from sweeps.credentials import environment, without_password
from sweeps.planning.plan import make_plan
from sweeps.planning.search_space import params_of, with_params
from sweeps.planning.search_spec import MAX_FAILURES, MAX_KILLS, read_searches
from sweeps.search.confirmation import mean_and_std
from sweeps.search.samplers import SAMPLERS
from sweeps.search.storage import open_storage
from sweeps.search.trial_queue import WAIT, Trial, TrialQueue


def search_for_least(search: SearchSpec, folder: Path, f: Callable[[dict[str, float]], float] = bowl) -> list[Trial]:
    book = ledger(search, folder)
    trials = []
    while isinstance(trial := book.next(nobody_is_lost), Trial):
        assert book.tell(trial, f(trial.params))
        trials.append(trial)
    return trials


# What is searched


def names(search: SearchSpec) -> dict[str, tuple[float, float, bool]]:
    return {d.name: (d.low, d.high, d.log) for d in search.space}


STUDY = {"lr": (1e-5, 1e-2, True), "beta1": (0, 0.9999, False), "beta2": (0, 0.9999, False)}


def test_the_studys_ranges_and_only_what_a_cell_uses() -> None:
    assert names(cell("reg=none")) == STUDY
    assert names(cell("reg=gp")) == {**STUDY, "strength": (0.1, 100, True)}
    assert names(cell("reg=l2")) == {**STUDY, "strength": (1e-4, 10, True)}
    assert names(cell("optim=rmsprop")) == {"lr": STUDY["lr"]}
    assert names(cell("search.space.beta1=null", "search.space.lr.high=1e-3")) == {
        "lr": (1e-5, 1e-3, True),
        "beta2": STUDY["beta2"],
    }


def test_a_rate_given_for_one_network_is_left_to_it() -> None:
    (rate, *_) = cell("optim.lr_g=1e-4").space
    assert rate.keys == ("optim.lr", "optim.lr_d")


def test_a_trial_is_the_run_that_typing_its_values_gives() -> None:
    search = cell("reg=gp")
    params = {"lr": 0.000123456789, "strength": 0.5, "beta1": 0.25, "beta2": 0.9999}
    config = with_params(search.base, search.space, params)
    typed = ["reg=gp", "optim.lr=0.000123457", "reg.strength=0.5", "optim.beta1=0.25", "optim.beta2=0.9999"]
    assert run_id(config) == make_plan(typed, multirun=False).runs[0].id
    assert params_of(config, search.space) == {**params, "lr": 0.000123457}
    assert params_of({**config, "optim": {**config["optim"], "lr_g": 1.0}}, search.space) is None


def test_every_cell_of_the_study_is_searched_with_n_dis_as_part_of_the_cell() -> None:
    plan = make_plan(["study=landscape_losses"], multirun=False)
    found = {(s.cell["loss"], s.cell["penalty"], s.cell["norm"], s.cell["n_dis"]) for s in plan.searches}
    assert len(plan.searches) == len(found) == 8 and ("ns", "gp", "none", 5) in found
    assert {(s.sampler, s.trials, len(s.space)) for s in plan.searches} == {("gp", 120, 3), ("gp", 120, 4)}
    without = make_plan(["study=landscape_losses", "search=none"], multirun=False)
    assert without.searches == [] and [r.id for r in without.runs] == [r.id for r in plan.runs]


def test_a_bigger_budget_is_the_same_sweep_and_another_sampler_is_not() -> None:
    def name(*overrides: str) -> str:
        return make_plan(["reg=none,gp", *overrides], multirun=True).name

    assert name("search=gp", "search.trials=5") == name("search=gp", "search.trials=6")
    assert len({name(), name("search=gp"), name("search=random"), name("search=gp", "search.seed=1")}) == 4


# Asking


@pytest.mark.slow
def test_a_gaussian_process_finds_the_least_value_sooner_than_random(tmp_path: Path) -> None:
    """Medians over 5 seeds of the best of 20 trials; the bowl's values span 0 to 6."""
    best = {
        kind: statistics.median(
            min(bowl(t.params) for t in search_for_least(replace(base, sampler=kind, seed=seed), tmp_path))
            for seed in range(5)
        )
        for base in [cell("search.space.beta2=null", trials=20, startup=6)]
        for kind in ("gp", "random")
    }
    assert best["gp"] < 0.001 < 0.01 < best["random"]


@pytest.mark.parametrize("kind", SAMPLERS)
def test_a_search_by_one_worker_is_reproducible(kind: str, tmp_path: Path) -> None:
    search = cell(sampler=kind, trials=8, startup=5)
    first, second = (search_for_least(search, tmp_path, lambda p: p["beta1"]) for _ in range(2))
    other = search_for_least(replace(search, seed=1), tmp_path, lambda p: p["beta1"])
    assert first == second and first[0] != other[0]
    assert len({t.params["lr"] for t in first}) == 8
    assert all(d.low <= t.params[d.name] <= d.high for t in first for d in search.space)


def test_a_random_search_is_the_same_whoever_works_on_it_and_starts_over(tmp_path: Path) -> None:
    search = cell(trials=6)
    alone = [t.params for t in search_for_least(search, tmp_path)]
    storage = InMemoryStorage()
    found = []
    for i in range(6):  # a worker of its own for each trial, values told from last to first
        trial = ledger(search, tmp_path, lambda: storage).next(nobody_is_lost)
        assert isinstance(trial, Trial) and trial.order == i
        found.append(trial.params)
    assert found == alone


def test_each_trial_has_a_seed_of_its_own_unless_the_search_fixes_it(tmp_path: Path) -> None:
    """One seed for all trials of a cell would pass for what its settings are worth."""
    search = cell(trials=24)
    fresh = [t.params for t in search_for_least(search, tmp_path)]
    seeds = {with_params(search.base, search.space, params)["seed"] for params in fresh}
    assert len(seeds) == 24 and all(0 <= seed < 10**6 for seed in seeds)
    assert [t.params for t in search_for_least(search, tmp_path)] == fresh, "a trial's seed is a function of its place"
    assert [t.params["seed"] for t in search_for_least(replace(search, seed=1), tmp_path)] != [p["seed"] for p in fresh]
    fixed = cell("search.seed=fixed", trials=24)
    old = [t.params for t in search_for_least(fixed, tmp_path)]
    assert fixed.id != search.id and {with_params(fixed.base, fixed.space, params)["seed"] for params in old} == {0}
    assert [{**params, "seed": 0} for params in old] == [{**params, "seed": 0} for params in fresh], (
        "settings are as before"
    )


def test_a_search_that_is_in_a_store_goes_on_with_the_seeds_that_it_was_planned_with(store: Store) -> None:
    plan = planned(store, "search=random", "search.trials=2")
    file = store.search_file(plan.name)
    content = json.loads(file.read_text())
    assert content["cells"][0].pop("fresh") is True
    file.write_text(json.dumps(content))  # as it was before trials had seeds of their own
    again = planned(store, "search=random", "search.trials=3")
    (search,) = read_searches(store, again.name).cells
    assert again.name == plan.name and (search.fresh, search.trials) == (False, 3)


@pytest.mark.parametrize("seed", ["-1", "fresh", "0.5", "null", str(2**63)])
def test_the_seed_of_a_search_is_a_number_or_fixed(seed: str) -> None:
    with pytest.raises(UserError, match=r"search\.seed"):
        make_plan(["search=random", f"search.seed={seed}"], multirun=False)


def test_a_sobol_search_covers_each_range_evenly(tmp_path: Path) -> None:
    trials = search_for_least(cell(sampler="qmc", trials=16), tmp_path)
    sixteenths = {int(16 * t.params["beta1"] / 0.9999) for t in trials}
    assert len(sixteenths) >= 15  # at random, 10.3 of 16 are met


def test_rounds_wait_until_the_last_is_told(tmp_path: Path) -> None:
    book = ledger(cell(trials=6, rounds=2), tmp_path)
    first = [book.next(nobody_is_lost) for _ in range(3)]
    assert [t.order for t in first if isinstance(t, Trial)] == [0, 1, 2]
    assert book.next(nobody_is_lost) == WAIT
    for trial in first[:2]:
        assert isinstance(trial, Trial) and book.tell(trial, 1.0)
    assert book.next(nobody_is_lost) == WAIT
    assert isinstance(first[2], Trial) and book.tell(first[2], 1.0)
    second = book.next(nobody_is_lost)
    assert isinstance(second, Trial) and second.order == 3
    assert [book.search.round_of(i) for i in range(6)] == [0, 0, 0, 1, 1, 1]


def test_without_rounds_nobody_waits_and_the_budget_is_kept(tmp_path: Path) -> None:
    book = ledger(cell(trials=3), tmp_path)
    assert [isinstance(book.next(nobody_is_lost), Trial) for _ in range(3)] == [True] * 3
    assert book.next(nobody_is_lost) == WAIT  # all are under way: nothing to ask, nothing to take up


def test_the_grid_is_told_once_and_is_no_trial(tmp_path: Path) -> None:
    book = ledger(cell(sampler="gp", trials=2, startup=1), tmp_path)
    grid = {f"run{i}": ({"lr": 10.0**-i, "beta1": 0.5, "beta2": 0.9}, 5.0 - i) for i in (2, 3, 4)}
    for _ in range(2):
        book.tell_grid(grid)
    assert len(book.study.trials) == 3 and book.results() == []
    trial = book.next(nobody_is_lost)
    assert isinstance(trial, Trial) and trial.order == 0 and len(book.results()) == 1


# Taking up and telling


def test_a_value_is_told_once(tmp_path: Path) -> None:
    book = ledger(cell(trials=2), tmp_path)
    trial = book.next(nobody_is_lost)
    assert isinstance(trial, Trial)
    assert book.tell(trial, 1.5, diverged=True) and not book.tell(trial, 7.0)
    assert [(t.value, t.diverged, t.state) for t in book.results()] == [(1.5, True, "complete")]


def test_a_lost_trial_is_taken_up_with_its_own_setting(tmp_path: Path) -> None:
    storage = InMemoryStorage()
    dead, other = (ledger(cell(trials=2), tmp_path, lambda: storage) for _ in range(2))
    lost = dead.next(nobody_is_lost)
    taken = other.next(lambda params, owner: True)
    assert isinstance(lost, Trial) and isinstance(taken, Trial)
    assert (taken.number, taken.params, taken.resumed) == (lost.number, lost.params, True)
    assert other.tell(taken, 1.0) and not dead.tell(lost, 2.0)


def everybody_is_lost(params: Any, owner: Any) -> bool:
    return True


def test_a_kill_is_not_a_trials_failure(tmp_path: Path) -> None:
    """Two hundred kills in set-up, where no run ever makes a step, cost no trial; no trial gets much more than its
    share of them."""
    storage, search = InMemoryStorage(), cell(trials=16)
    taken = [ledger(search, tmp_path, lambda: storage).next(everybody_is_lost) for _ in range(200)]
    counts = Counter(trial.order for trial in taken if isinstance(trial, Trial))
    assert sum(counts.values()) == 200 and counts.keys() == set(range(16)) and max(counts.values()) <= 13
    book = ledger(search, tmp_path, lambda: storage)
    assert {trial.state for trial in book.results()} == {"running"}
    while isinstance(trial := book.next(everybody_is_lost), Trial):
        assert book.tell(trial, 1.0)
    assert [trial.state for trial in book.results()] == ["complete"] * 16


def test_a_trial_that_kills_every_worker_ends_by_a_bound_of_its_own_and_is_named(tmp_path: Path) -> None:
    storage, search = InMemoryStorage(), cell(trials=1)
    for again in range(MAX_KILLS):
        trial = ledger(search, tmp_path, lambda: storage).next(everybody_is_lost)
        assert isinstance(trial, Trial) and trial.resumed == (again > 0)
    last = ledger(search, tmp_path, lambda: storage)
    assert last.next(everybody_is_lost) is None
    assert [t.state for t in last.results()] == ["fail"] and MAX_KILLS >= 100
    assert str(last.results()[0].why).startswith(f"lost {MAX_KILLS} killed workers")


def test_one_that_loses_its_workers_does_not_keep_others_waiting(tmp_path: Path) -> None:
    storage = InMemoryStorage()
    taken = [ledger(cell(trials=2), tmp_path, lambda: storage).next(everybody_is_lost) for _ in range(MAX_FAILURES + 1)]
    assert [trial.order for trial in taken if isinstance(trial, Trial)] == [0] * MAX_FAILURES + [1]


def test_kills_are_counted_since_the_run_got_further(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that goes on from its checkpoint may be seen at an earlier step than before: that is no progress."""
    monkeypatch.setattr("sweeps.search.trial_queue.MAX_KILLS", 3)
    storage = InMemoryStorage()

    def take_up(step: int) -> Trial | str | None:
        return ledger(cell(trials=1), tmp_path, lambda: storage).next(everybody_is_lost, lambda params: step)

    assert all(isinstance(take_up(step), Trial) for step in (0, 10, 20, 30, 40, 50))
    assert isinstance(take_up(50), Trial) and isinstance(take_up(45), Trial)
    assert take_up(50) is None


def test_what_was_given_up_is_opened_again_in_its_place(tmp_path: Path) -> None:
    storage, search = InMemoryStorage(), cell(trials=3, rounds=3)

    def fail() -> None:
        for _ in range(MAX_FAILURES):
            book = ledger(search, tmp_path, lambda: storage)
            trial = book.next(nobody_is_lost)
            assert isinstance(trial, Trial) and trial.order == 0
            book.release(trial, tried=True)

    fail()
    book = ledger(search, tmp_path, lambda: storage)
    while isinstance(trial := book.next(nobody_is_lost), Trial):
        assert trial.order > 0 and book.tell(trial, 1.0)
    first, *others = book.results()
    assert (first.state, first.why) == ("fail", f"failed {MAX_FAILURES} times") and [t.state for t in others] == [
        "complete"
    ] * 2
    assert book.reopen() == 1 and book.reopen() == 0
    assert [t.state for t in book.results()] == ["running", "complete", "complete"]
    fail()  # as often as before
    assert ledger(search, tmp_path, lambda: storage).next(nobody_is_lost) is None
    assert book.reopen() == 1
    again = book.next(nobody_is_lost)
    assert isinstance(again, Trial) and (again.order, again.params) == (0, first.params) and book.tell(again, 2.0)
    assert [(t.order, t.value, t.why) for t in book.results()] == [(0, 2.0, None), (1, 1.0, None), (2, 1.0, None)]


def test_a_run_that_fails_is_given_up_however_far_it_comes(tmp_path: Path) -> None:
    storage = InMemoryStorage()
    for step in range(0, 10 * MAX_FAILURES, 10):
        book = ledger(cell(trials=1), tmp_path, lambda: storage)
        trial = book.next(nobody_is_lost, lambda params, step=step: step)  # type: ignore[misc]
        assert isinstance(trial, Trial)
        book.release(trial, tried=True)
    assert ledger(cell(trials=1), tmp_path, lambda: storage).next(nobody_is_lost, lambda params: 100) is None


def test_an_interrupted_trial_is_taken_up_however_often(tmp_path: Path) -> None:
    book = ledger(cell(trials=1), tmp_path)
    for _ in range(2 * MAX_FAILURES):
        trial = book.next(nobody_is_lost)
        assert isinstance(trial, Trial)
        book.release(trial, tried=False)


def test_a_worker_that_died_while_asking_leaves_no_trial(tmp_path: Path) -> None:
    storage = InMemoryStorage()
    book = ledger(cell(trials=1), tmp_path, lambda: storage)
    half = book.study.ask()
    half.suggest_float("lr", 1e-5, 1e-2, log=True)
    trial = book.next(nobody_is_lost)
    assert isinstance(trial, Trial) and trial.number == 1 and trial.order == 0


# Storages


KILLED = """
import os, signal, sys, time
from pathlib import Path
from landscape.store.store import Store
from sweeps.search.trial_queue import TrialQueue, Trial
from sweeps.search.storage import open_storage
sys.path.insert(0, {tests!r})
from searching import cell
book = TrialQueue(cell(trials={trials}), lambda: open_storage({kind!r}, Store({root!r}), "s", "c"), "t", Path({lock!r}))
from landscape.store.processes import process_start
gone = lambda params, owner: process_start(owner.pid) != owner.started
while not isinstance(trial := book.next(gone), Trial) and trial is not None:
    time.sleep(0.05)
tells = int(sys.argv[1])  # so many; then it holds a trial until it is killed
while isinstance(trial, Trial):
    if tells == 0:
        print(trial.order, "held", flush=True)
        signal.pause()
    tells -= 1
    told = book.tell(trial, 1.0 + trial.order, run=str(os.getpid()))
    print(trial.order, told, flush=True)
    while not isinstance(trial := book.next(gone), Trial) and trial is not None:
        time.sleep(0.05)
"""


@pytest.mark.parametrize("kind", ["sqlite", "journal", "postgresql"])
@pytest.mark.slow
def test_killed_workers_lose_no_value_and_tell_none_twice(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two workers on one storage, each killed with -9 in mid-trial and replaced; the second while others go on."""
    where, trials = kind, 10
    if kind == "postgresql":
        where = without_password(url := request.getfixturevalue("database"))
        for variable, secret in environment(url).items():
            monkeypatch.setenv(variable, secret)
    root, lock = str(tmp_path / "a 'store'"), str(tmp_path / "lock")
    code = KILLED.format(tests=str(ROOT / "tests" / "helpers"), trials=trials, kind=where, root=root, lock=lock)

    # Into files, not pipes: what a pipe's reader holds back when its process is killed would be lost.
    outputs: list[Path] = []
    workers: list[subprocess.Popen[bytes]] = []

    def start(tells: int) -> None:
        outputs.append(tmp_path / f"output-{len(outputs)}")
        with open(outputs[-1], "wb") as output:
            workers.append(subprocess.Popen([sys.executable, "-c", code, str(tells)], stdout=output))

    try:
        for _ in range(2):
            start(tells=1)
        wait_for(lambda: all("held" in output.read_text() for output in outputs))
        for victim in workers[:2]:
            victim.kill()
            victim.wait()
            start(tells=trials)
        assert [worker.wait(timeout=300) for worker in workers[2:]] == [0] * 2
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    lines = [line for output in outputs for line in output.read_text().splitlines()]
    with TrialQueue(cell(trials=trials), lambda: open_storage(where, Store(root), "s", "c"), "t", Path(lock)) as book:
        told = book.results()
    assert [(t.order, t.value, t.state) for t in told] == [(i, 1.0 + i, "complete") for i in range(trials)]
    said = [int(line.split()[0]) for line in lines if line.endswith("True")]
    assert sorted(said) == list(range(trials)) and len([line for line in lines if line.endswith("held")]) == 2
    assert [t.params for t in told] == [t.params for t in search_for_least(cell(trials=trials), tmp_path)]


def test_a_torn_journal_goes_on(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def open_it() -> BaseStorage:
        return open_storage("journal", store, "s", "c")

    book = ledger(cell(trials=2), tmp_path, open_it)
    trial = book.next(nobody_is_lost)
    assert isinstance(trial, Trial) and book.tell(trial, 1.0)
    with open(store.search_storage("s", "c.journal"), "ab") as f:
        f.write(b'{"op_code": 4, "trial')
    again = ledger(cell(trials=2), tmp_path, open_it)
    second = again.next(nobody_is_lost)
    assert isinstance(second, Trial) and again.tell(second, 2.0)
    assert [t.value for t in again.results()] == [1.0, 2.0]


def test_a_diverged_seed_is_no_part_of_a_mean_that_flatters():
    assert mean_and_std([10.0, 12.0]) == "11 +- 1.4 (n = 2)" and mean_and_std([None]) == "- (n = 0)"
    assert mean_and_std([10.0, 12.0, math.inf]) == "median 12, no mean (n = 3, 1 diverged)"
    assert mean_and_std([10.0, math.inf]) == "no mean (n = 2, 1 diverged)"
