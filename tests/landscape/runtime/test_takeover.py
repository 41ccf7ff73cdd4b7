"""Runs whose worker died where it cannot be looked up (an earlier boot, another machine or PID namespace) go on.

Their claims are watched and then taken over, by whatever command asks for the runs.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fake_slurm import FakeSlurm
from searching import planned, trials
from slurm import wait_for
from support import TINY, frozen_runs

from landscape.config.errors import ExitCode
from landscape.runtime import worker
from landscape.runtime.worker import work
from landscape.store import DONE, RunFolder, Store, leases
from landscape.store.atomic_io import write_whole
from landscape.store.leases import LeaseMonitor, claim_in_force, newest_claim
from landscape.store.processes import myself
from sweeps import monitor
from sweeps.__main__ import VERBS
from sweeps.cli import evaluate
from sweeps.cli.sweep import main
from sweeps.launchers import local_pool
from sweeps.launchers.attached import AttachedLauncher
from sweeps.planning.plan import make_plan
from sweeps.search.trial_queue import Trial
from sweeps.search.worker import SearchWorker

ELSEWHERE: dict[str, dict[str, Any]] = {
    "boot": {"boot": "an-earlier-one"},
    "host": {"host": "node7", "boot": "its-own"},
    "namespace": {"pids": "pid:[1]"},
}


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes two minutes takes one second; processes that a test starts are handed the verdict."""
    monkeypatch.setattr(leases, "LOST_AFTER_S", 1.0)
    monkeypatch.setattr(monitor, "HEART_S", 0.05)


def abandon(run: RunFolder, where: str) -> None:
    """Leave a run as a worker does that died with its machine, or on one that nobody can ask."""
    number, _ = newest_claim(run)
    who = {"token": "t", **myself(), "pid": 4, "started": "5", **ELSEWHERE[where]}
    write_whole(run.claims / f"{number + 1}.json", json.dumps(who))
    status = run.status()
    if status.state != DONE:
        status = replace(status, state="running", step=0)
    run.write_status(replace(status, beat=17))


def done(*runs: RunFolder) -> bool:
    return all(run.status().state == DONE and claim_in_force(run) is None for run in runs)


@pytest.mark.slow
def test_the_same_sweep_command_goes_on(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("seed=0,1,2", *TINY)
    runs = frozen_runs(store, *asked)
    for run, where in zip(runs, ELSEWHERE, strict=True):
        abandon(run, where)
    assert main(["-m", *asked, "launcher.jobs=2", f"store={store.root}"]) == 0
    assert done(*runs) and [newest_claim(run)[0] for run in runs] == [2] * 3  # each was taken over, by one worker
    assert "process 4 on node7" in capsys.readouterr().err


@pytest.mark.parametrize("where", ELSEWHERE)
@pytest.mark.slow
def test_a_single_run_goes_on(where: str, store: Store) -> None:
    (run,) = frozen_runs(store, *TINY)
    abandon(run, where)
    assert main([*TINY, f"store={store.root}"]) == 0 and done(run)
    assert newest_claim(run)[0] == 2


def test_a_worker_that_is_started_by_hand_goes_on(run: RunFolder, store: Store) -> None:
    abandon(run, "boot")
    assert worker.main(["--store", str(store.root), "--run", run.id]) == 0 and done(run)


@pytest.fixture
def beating(run: RunFolder) -> Iterator[RunFolder]:
    """A run whose worker on another machine lives."""
    abandon(run, "host")
    over = threading.Event()

    def beat() -> None:
        while not over.wait(0.05):
            run.write_status(replace(run.status(), beat=run.status().beat + 1), durable=False)

    heart = threading.Thread(target=beat)
    heart.start()
    yield run
    over.set()
    heart.join()


def test_a_worker_elsewhere_that_lives_is_left_its_run(
    beating: RunFolder, store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(leases, "LOST_AFTER_S", 60.0)
    assert main([*TINY, f"store={store.root}"]) == 1
    assert "process 4 on node7" in capsys.readouterr().err
    assert VERBS["retry"]([f"store={store.root}"]) == 0
    assert newest_claim(beating)[0] == 1


@pytest.mark.slow
def test_retry_goes_on(store: Store) -> None:
    (run,) = frozen_runs(store, *TINY)
    abandon(run, "boot")
    assert VERBS["retry"]([f"store={store.root}"]) == 0 and done(run)


@pytest.mark.slow
def test_evaluate_goes_on(store: Store) -> None:
    (run,) = frozen_runs(store, *TINY)
    work(store, run.id, lambda text: None)
    abandon(run, "host")
    assert evaluate.main(["metrics.seed=7", f"store={store.root}"]) == 0
    assert done(run) and len({row.protocol for row in run.rows()}) == 2


@pytest.mark.slow
def test_a_confirmation_goes_on(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    (run,) = frozen_runs(store, *TINY)
    work(store, run.id, lambda text: None)
    asked = [*TINY, "stage=confirm", "confirm.seeds=1", f"store={store.root}"]
    with monkeypatch.context() as only_planned:
        only_planned.setattr(AttachedLauncher, "train", lambda *of: 1)
        main(["-m", *asked])
    (again,) = [other for other in store.run_folders() if other.id != run.id]
    abandon(again, "namespace")
    main(["-m", *asked])
    assert done(again)


def test_a_searchs_worker_watches_the_owner_of_the_last_trial(store: Store) -> None:
    plan = planned(store, "search=random", "search.trials=1")
    (cell,) = SearchWorker(store, plan.name, None, {}).cells
    cell.queue.me = replace(cell.queue.me, pid=4, started="5", **ELSEWHERE["boot"])
    trial = cell.next()
    assert isinstance(trial, Trial)
    run = cell.freeze(trial)
    abandon(run, "boot")
    assert SearchWorker(store, plan.name, None, {}, lambda text: None).work() == 0
    assert done(run) and [r["value"] is not None for r in trials(store, plan)] == [True]


SOON = "import landscape.store.leases\nlandscape.claims.LOST_AFTER_S = 1.0\n"


@pytest.mark.slow
def test_submit_hands_it_to_the_scheduler_and_its_job_goes_on(store: Store, site: FakeSlurm, tmp_path: Path) -> None:
    asked = ("seed=0,1", *TINY, "launcher=slurm", "launcher.runs_per_job=2")
    main(["-m", *asked, f"store={store.root}"])
    site.drop()
    runs = list(store.run_folders())
    for run, where in zip(runs, ("boot", "host"), strict=True):
        abandon(run, where)
    assert VERBS["submit"]([f"store={store.root}"]) == 0
    (job,) = site.queue()
    (tmp_path / "soon").mkdir()
    (tmp_path / "soon" / "sitecustomize.py").write_text(SOON)
    path = os.pathsep.join([str(tmp_path / "soon"), *sys.path])
    task = site.start(job, 0, PYTHONPATH=path)
    out, _ = task.communicate(timeout=300)
    assert task.returncode == 0 and done(*runs), out


# No storm of processes


class Refused:
    """A worker that finds somebody else's claim, whatever its launcher thinks."""

    pid = 2**22 + 1

    def poll(self) -> int:
        return ExitCode.CLAIMED


class Patient:
    """A display that lets a minute pass, and then asks to stop."""

    def __init__(self, clock: list[float]) -> None:
        self.clock = clock

    def tick(self) -> None:
        if self.clock[0] > 1060:
            signal.raise_signal(signal.SIGINT)

    def event(self, text: str) -> None: ...
    def ended(self, planned: Any, run: RunFolder) -> None: ...


def test_a_worker_that_comes_back_at_once_is_not_started_over_and_over(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    frozen_runs(store, *TINY)
    plan = make_plan([*TINY, f"store={store.root}"], multirun=True)
    clock, started = [1000.0], []

    def start(*of: Any) -> Refused:
        started.append(clock[0])
        return Refused()

    monkeypatch.setattr(local_pool.Pool, "start", start)
    monkeypatch.setattr(local_pool.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(local_pool.time, "sleep", lambda s: clock.__setitem__(0, clock[0] + s))
    plan.runs[0].need = "train"
    local_pool.run_pool(plan, local_pool.Slots(1, (), ""), Patient(clock))
    assert 2 <= len(started) <= 60 / local_pool.RETRY_S + 1


def test_a_worker_that_hears_of_a_beat_since_the_verdict_leaves(beating: RunFolder, store: Store) -> None:
    observer = LeaseMonitor()
    claim = claim_in_force(beating)
    assert claim is not None and not observer.is_lost(beating, claim)
    verdict = json.dumps(observer.verdict(beating))
    wait_for(lambda: observer.is_lost(beating, claim) or beating.id in observer.moved)
    given = ["--store", str(store.root), "--run", beating.id, "--lost", verdict]
    assert worker.main(given) == ExitCode.CLAIMED
