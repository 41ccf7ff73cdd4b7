"""Workers of a search: rounds that are whole, trials that are given up, workers that are cancelled."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import pytest
from optuna.storages import InMemoryStorage
from searching import ledger, nobody_is_lost, planned, search_here, trials
from slurm import wait_for
from support import TINY

from landscape.config.errors import ExitCode
from landscape.store import PREEMPTED, RunFolder, Store
from landscape.store.atomic_io import write_whole
from landscape.store.trials import read_rows
from sweeps.__main__ import VERBS
from sweeps.cli.sweep import main
from sweeps.launchers.devices import Slots
from sweeps.launchers.local_search import LocalSearch
from sweeps.planning.plan import Plan, make_plan
from sweeps.planning.search_spec import read_searches, write_searches
from sweeps.search.trial_queue import Trial
from sweeps.search.worker import SearchWorker

SMALL = ("train.steps=2", "train.batch_size=16", "arch.width=0.04", "metrics.every=2", "metrics.n_fake=64")


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes of a test; none outlives it."""
    processes: list[subprocess.Popen[bytes]] = []
    yield processes
    for process in processes:
        process.kill()
        process.wait()


def by_hand(store: Store, plan: Plan) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "sweeps.search.worker", "--store", str(store.root), "--sweep", plan.name]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.mark.slow
def test_two_workers_wait_until_a_round_is_whole(store: Store, started: list[subprocess.Popen[bytes]]) -> None:
    """This process holds a trial of the first round until the workers have told its others, and wait."""
    plan = planned(store, "search=tpe", "search.trials=6", "search.rounds=2", "search.startup=2", base=SMALL)
    (cell,) = SearchWorker(store, plan.name, None, {}).cells
    held = cell.next()
    assert isinstance(held, Trial) and held.order == 0
    started += [by_hand(store, plan) for _ in range(2)]
    wait_for(lambda: cell.queue.results() and sum(one.state == "complete" for one in cell.queue.results()) == 2)
    wait_for(lambda: len(list(store.search_workers(plan.name).glob("*.json"))) == 2)
    assert [one.order for one in cell.queue.results()] == [0, 1, 2]
    cell.freeze(held)
    assert cell.queue.tell(held, 1.0)
    assert [process.wait(timeout=300) for process in started] == [0, 0]
    asked = [trial.datetime_start for trial in cell.queue.study.trials]
    told = [trial.datetime_complete for trial in cell.queue.study.trials]
    assert len(asked) == 6 and max(told[:3]) == told[0] <= min(asked[3:])  # type: ignore[type-var, operator]
    assert [(r["order"], r["round"]) for r in trials(store, plan)] == [(i, i // 3) for i in range(6)]
    assert not list(store.search_workers(plan.name).iterdir())


@pytest.mark.slow
def test_cancel_reaches_workers_that_train_and_workers_that_wait(
    store: Store, started: list[subprocess.Popen[bytes]]
) -> None:
    long = (*TINY, "train.steps=1000000", "metrics.every=null", "search=random", "search.trials=2", "search.rounds=2")
    plan = planned(store, *long, base=())
    started += [by_hand(store, plan) for _ in range(2)]  # a round is one trial: one of them has nothing to do
    wait_for(lambda: any(run.status().step > 0 for run in store.run_folders()))
    wait_for(lambda: len(list(store.search_workers(plan.name).glob("*.json"))) == 2)
    assert VERBS["cancel"]([f"store={store.root}"]) == 0
    assert [process.wait(timeout=300) for process in started] == [ExitCode.PREEMPTED] * 2
    (begun,) = [run for run in store.run_folders() if run.status().state == "preempted"]
    assert begun.newest_checkpoint.exists()
    assert VERBS["cancel"]([f"store={store.root}"]) == 0  # nothing is left to cancel


def obstruct(store: Store, plan: Plan, folder: Path, orders: list[int]) -> list[RunFolder]:
    """Make trials of these orders fail: their runs' first sample grid cannot be written."""
    (cell,) = SearchWorker(store, plan.name, None, {}).cells
    book = ledger(replace(cell.search, rounds=None), folder, InMemoryStorage)
    drawn = [book.next(nobody_is_lost) for _ in range(cell.search.trials)]
    runs = [cell.freeze(trial) for trial in drawn if isinstance(trial, Trial) and trial.order in orders]
    for run in runs:
        run.samples.rmdir()
        run.samples.write_text("in the way")
    return runs


@pytest.mark.slow
def test_trials_that_are_given_up_in_every_round_count_and_the_search_goes_on_to_its_end(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("search=random", "search.trials=4", "search.rounds=2", "stage=search")
    plan = planned(store, *asked, base=SMALL)
    lost = obstruct(store, plan, tmp_path, [0, 2])
    # A generation of the launcher's workers is one worker here, and in this process.
    monkeypatch.setattr(LocalSearch, "_generation", lambda self: [search_here(store, plan)])
    assert LocalSearch(plan, Slots(1, (), "")).run() == 1
    assert str(lost[0].log_file) in capsys.readouterr().err
    rows = trials(store, plan)
    assert [(r["order"], r["round"], r["value"] is None, r.get("failed", False)) for r in rows] == [
        (0, 0, True, True),
        (1, 0, False, False),
        (2, 1, True, True),
        (3, 1, False, False),
    ]
    assert [run.id for run in lost] == [rows[0]["run"], rows[2]["run"]]
    assert [run.log_file.read_text().count("failed: ") for run in lost] == [3, 3]

    assert main([*SMALL, *asked, f"store={store.root}"]) == 1  # given again it neither tries nor claims success
    assert "2 given up" in capsys.readouterr().err and trials(store, plan) == rows
    for of in ([plan.name], []):
        assert VERBS["status"]([*of, f"store={store.root}"]) == 0
        out = capsys.readouterr().out
        assert "2 failed" in out and "python -m sweeps retry" in out
        assert ("1 run idle" in out) == (not of)  # the grid's run, which stage=search leaves alone
    for run in lost:  # what was in the way is gone
        run.samples.unlink()
        run.samples.mkdir()
    monkeypatch.setattr(
        "sweeps.launchers.local_search.LocalSearch._generation", lambda self: [search_here(store, self.plan)]
    )
    assert VERBS["retry"]([plan.name, f"store={store.root}"]) == 0
    rows = trials(store, plan)
    assert [(r["order"], r["value"] is None, r.get("failed", False)) for r in rows] == [
        (i, False, False) for i in range(4)
    ]
    assert [rows[0]["run"], rows[2]["run"]] == [run.id for run in lost]
    assert search_here(store, planned(store, *asked, "search.trials=6", base=SMALL)) == 0  # a larger budget goes on
    assert [r["value"] is None for r in trials(store, plan)] == [False] * 6


def rounds(store: Store, *asked: str) -> list[int | None]:
    """The rounds of the trials of the one search that this command plans into the store."""
    plan = planned(store, "search=random", "search.rounds=2", *asked)
    (cell,) = read_searches(store, plan.name).cells
    return [cell.round_of(order) for order in range(cell.trials)]


def test_a_larger_budget_adds_rounds_of_the_size_that_the_search_has_begun_with(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its first trial settles it, long before that is told: others wait for the rounds that they know."""
    assert rounds(store, "search.trials=2", "stage=grid") == [0, 1]
    assert rounds(store, "search.trials=4") == [0, 0, 1, 1]
    (name,) = store.sweep_names()
    monkeypatch.setattr("landscape.runtime.worker.work", lambda *given: PREEMPTED)
    assert SearchWorker(store, name, None, {}, lambda text: None).work() == ExitCode.PREEMPTED
    assert [(r.order, r.value) for r in read_rows(store, name)] == [(0, None), (1, None)]
    assert rounds(store, "search.trials=7") == [0, 0, 1, 1, 2, 2, 3]
    assert rounds(store, "search.trials=8") == [0, 0, 1, 1, 2, 2, 3, 3]
    assert store.sweep_names() == [name]


def test_two_first_launches_at_once_agree_on_one_search(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each would else make a token of its own, and so trials of its own."""
    plan = make_plan([*TINY, "search=random", f"store={store.root}"], multirun=False)
    both = Barrier(2)

    def write_slowly(file: Path, text: str) -> None:
        time.sleep(0.2)
        write_whole(file, text)

    def launch(_: int) -> str:
        both.wait()
        return write_searches(store, plan.name, "sqlite", plan.searches).token

    monkeypatch.setattr("sweeps.planning.search_spec.write_whole", write_slowly)
    with ThreadPoolExecutor(2) as threads:
        assert set(threads.map(launch, range(2))) == {read_searches(store, plan.name).token}
