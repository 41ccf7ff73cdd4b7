"""Workers that live and make no progress are shown as stalled, with how to end them; what is merely slow is not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest
from held import hold, let_go
from slurm import wait_for
from support import TINY, frozen_runs

from landscape.runtime.worker import work
from landscape.store import RunFolder, Store, pace, run_writer
from landscape.store.leases import LeaseMonitor, acquire
from landscape.store.pace import FACTOR, FLOOR_S, Pace
from landscape.store.run_status import Stalled
from landscape.store.run_writer import RunWriter
from sweeps.cli.status import status
from sweeps.launchers.progress import LINE_S, Lines
from sweeps.monitor import StoreMonitor
from sweeps.planning.freeze import freeze
from sweeps.planning.needs import survey
from sweeps.planning.plan import make_plan


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(pace.time, "monotonic", lambda: now[0])
    return now


def test_the_first_of_each_kind_and_what_has_no_pace_may_take_any_time(clock: list[float]) -> None:
    one = Pace()
    for kind in (None, "training", "scoring", "saving", None):
        one.begin(kind)
        clock[0] += 1e6
        assert one.stalled() is None


@pytest.mark.parametrize("usual", [0.1, 30.0])
def test_a_step_is_stalled_when_it_takes_many_times_the_usual(usual: float, clock: list[float]) -> None:
    one = Pace()
    for _ in range(10):
        one.begin("training")
        clock[0] += usual
    one.begin("scoring")
    clock[0] += 600  # the first evaluation
    one.begin("training")
    allowed = max(FLOOR_S, FACTOR * usual)
    clock[0] += allowed
    assert one.stalled() is None
    clock[0] += 1
    assert one.stalled() == Stalled(doing="training", for_s=round(allowed + 1), usual_s=usual)
    one.begin("scoring")
    clock[0] += 600  # as long as the one before
    assert one.stalled() is None


def test_a_heart_beats_through_a_hung_thread_and_says_so(
    run: RunFolder, store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run_writer, "HEART_S", 0.02)
    monkeypatch.setattr(pace, "FLOOR_S", 0.2)
    monkeypatch.setattr(pace, "FACTOR", 0)
    claim = acquire(run, LeaseMonitor())
    assert claim is not None
    with RunWriter(run, claim) as one:
        one.write(state="running", step=3)
        one.pace.begin("training")
        one.pace.begin("training")
        wait_for(lambda: run.status().stalled is not None)
        (seen,) = StoreMonitor(store).snapshot().runs
        assert seen.state == "stalled" and f"kill -9 {os.getpid()}" in seen.stalled and "s in training" in seen.stalled
        assert status([f"store={store.root}"]) == 0
        out = capsys.readouterr().out
        assert "1 stalled" in out and f"{run.id} is stalled: " in out
        one.pace.begin(None)
        wait_for(lambda: run.status().stalled is None)
        assert [seen.state for seen in StoreMonitor(store).snapshot().runs] == ["running"]
    claim.release()


def test_a_run_tells_its_pace_in_training_scoring_and_saving(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    (run,) = frozen_runs(store, *TINY, "checkpoint.every_s=0")
    begun: list[str | None] = []
    real = Pace.begin
    monkeypatch.setattr(Pace, "begin", lambda self, kind: (begun.append(kind), real(self, kind))[1])
    assert work(store, run.id, lambda text: None) == "done"
    assert begun[:3] == ["scoring", "training", "saving"] and begun.count("scoring") == 3 and begun[-1] is None


def test_a_sweep_under_way_shows_what_is_stalled(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    plan = make_plan([*TINY, "loss=ns,ls,wgan", f"store={store.root}"], multirun=True)
    survey(plan)
    freeze(plan)
    claims = [acquire(store.run(planned.id), LeaseMonitor()) for planned in plan.runs]
    for planned in plan.runs:
        run = store.run(planned.id)
        run.write_status(replace(run.status(), state="running", step=2))
    told = store.run(plan.runs[0].id)
    told.write_status(replace(told.status(), stalled=Stalled(doing="training", for_s=300, usual_s=0.1)))
    shown = Lines(plan)
    shown.tracker.began -= LINE_S  # long enough for a line
    shown.tick()
    assert "2 running, 1 stalled; 30 s elapsed" in capsys.readouterr().err
    for claim in claims:
        assert claim is not None
        claim.release()


@pytest.fixture
def trained(store: Store) -> Iterator[subprocess.Popen[bytes]]:
    """A worker that trains for long."""
    (run,) = frozen_runs(store, *TINY, "train.steps=1000000", "metrics=none", "checkpoint.every_s=0.2")
    command = [sys.executable, "-m", "landscape.runtime.worker", "--store", str(store.root), "--run", run.id]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    yield process
    process.kill()
    process.wait()


@pytest.mark.slow
def test_a_worker_that_was_stopped_is_stalled_and_goes_on(store: Store, trained: subprocess.Popen[bytes]) -> None:
    _, pid = hold(store)
    snapshot = StoreMonitor(store).snapshot()
    (seen,) = snapshot.runs
    assert seen.state == "stalled" and snapshot.alive and f"kill -CONT {pid} resumes it" in seen.stalled
    let_go(pid)
    wait_for(lambda: StoreMonitor(store).snapshot().runs[0].state == "running")
    trained.send_signal(signal.SIGTERM)
    assert trained.wait(300) == 75
