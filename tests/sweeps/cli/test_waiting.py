"""python -m sweeps watch and wait: they end when nothing is left to wait for, and their exit codes say how."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from held import hold, let_go
from support import PATIENCE_S, TINY, command, frozen_runs

from landscape.runtime.worker import work
from landscape.store import RunFolder, Store
from landscape.store.leases import LeaseMonitor, acquire
from landscape.store.processes import machine, process_start
from landscape.store.run_status import Stalled
from landscape.store.trials import TrialRecord, put_rows
from sweeps.cli import wait as waiting
from sweeps.cli.status import status
from sweeps.cli.sweep import main
from sweeps.cli.wait import wait
from sweeps.cli.watch import watch
from sweeps.monitor import StoreMonitor
from sweeps.planning.search_spec import read_searches

VERBS = {"wait": wait, "watch": watch}


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "POLL_S", 0.05)
    monkeypatch.setattr(waiting, "IDLE_S", 0.3)


def set_status(run: RunFolder, **values: Any) -> None:
    run.write_status(replace(run.status(), **values), durable=False)


@pytest.mark.parametrize("verb", VERBS)
def test_a_finished_sweep_is_not_waited_for(verb: str, store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    runs = frozen_runs(store, *TINY, "seed=0,1")
    for run, state in zip(runs, ("done", "diverged"), strict=True):
        set_status(run, state=state)
    assert VERBS[verb]([f"store={store.root}"]) == 0
    assert "2 runs: 1 done, 1 diverged" in capsys.readouterr().out


@pytest.mark.parametrize("verb", VERBS)
def test_failures_and_what_nobody_works_on_are_1_and_named(
    verb: str, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad, _ = frozen_runs(store, *TINY, "seed=0,1,2")
    set_status(good, state="done")
    set_status(bad, state="failed", reason="RuntimeError: out of luck")
    assert VERBS[verb]([f"store={store.root}"]) == 1
    out = capsys.readouterr().out
    assert f"{bad.id} failed seed=1 (RuntimeError: out of luck)" in out and "planned seed=2" in out
    assert "2 runs idle" in out and "python -m sweeps retry sweep-" in out


def test_the_newest_sweep_is_meant_where_none_is_named(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    old = frozen_runs(store, *TINY, "seed=5")
    new = frozen_runs(store, *TINY, "seed=0,1")
    folders = {len(folder.plan().runs): folder for folder in store.sweep_folders()}
    os.utime(folders[1].plan_file, (1, 1))
    for run in new:
        set_status(run, state="done")
    assert wait([f"store={store.root}"]) == 0 and folders[2].name in capsys.readouterr().out
    assert wait([folders[1].name, f"store={store.root}"]) == 1
    assert old[0].id in capsys.readouterr().out


def test_scores_that_are_still_owed_are_waited_for_and_then_told(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    (run,) = frozen_runs(store, *TINY)
    work(store, run.id, lambda text: None)
    frozen_runs(store, *TINY, "metrics.n_fake=32")
    assert wait([f"store={store.root}"]) == 1  # nobody makes them
    work(store, run.id, lambda text: None)
    assert wait([f"store={store.root}"]) == 0


def test_a_controller_that_lives_is_waited_for(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two of its runs nobody holds a claim."""
    (run,) = frozen_runs(store, *TINY)
    set_status(run, state="queued")
    (folder,) = store.sweep_folders()
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        who = {**machine(), "pid": child.pid, "started": process_start(child.pid)}
        folder.controller_file.write_text(json.dumps(who))
        before = time.monotonic()

        def later(seconds: float) -> None:
            if time.monotonic() - before > 1 and child.poll() is None:
                child.communicate(b"\n")
            real(seconds)

        real = time.sleep
        monkeypatch.setattr(waiting.time, "sleep", later)
        assert wait([f"store={store.root}"]) == 1
        assert time.monotonic() - before > 1.3  # the second in which it lived, and the time without a sign of life
    finally:
        child.kill()
        child.wait()


@pytest.mark.slow
def test_watch_in_a_terminal_draws_leaves_with_ctrl_c_and_stops_nothing(store: Store) -> None:
    grid = command("-m", "seed=0,1", "train.steps=400", *TINY[1:], "metrics.every=100", f"store={store.root}")
    sweep = subprocess.Popen(grid, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, pid = hold(store, lambda run: len(run.rows()) > 0)
    main_end, its_end = pty.openpty()
    arguments = [sys.executable, "-m", "sweeps", "watch", f"store={store.root}"]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "30"}
    watching = subprocess.Popen(arguments, stdin=its_end, stdout=its_end, stderr=its_end, env=environment)
    os.close(its_end)

    def read() -> bytes:
        assert select.select([main_end], [], [], PATIENCE_S)[0], "not a word"
        return os.read(main_end, 4096)

    shown = b""
    while b"MS-SSIM" not in shown:
        shown += read()
    watching.send_signal(signal.SIGINT)
    while True:
        try:
            more = read()
        except OSError:  # the other end is closed
            break
        if not more:
            break
        shown += more
    text = shown.decode(errors="replace")
    assert watching.wait(300) == 0 and "MS-SSIM" in text and "Ctrl-C leaves" in text and "Traceback" not in text
    assert text.rfind("\x1b[?25h") > text.rfind("\x1b[?25l")  # the cursor is back
    let_go(pid)
    piped = subprocess.run(arguments, capture_output=True, text=True, timeout=300)  # to the end, in plain lines
    assert piped.returncode == 0 and "2 runs: 2 done" in piped.stdout and "\x1b" not in piped.stdout
    assert sweep.wait(300) == 0


def test_wait_leaves_with_ctrl_c(store: Store, tmp_path: Path) -> None:
    (run,) = frozen_runs(store, *TINY)
    set_status(run, state="running")
    far = {"token": "t", "host": "far-away", "boot": "b", "pids": "p", "pid": 1, "started": "1"}
    (run.claims / "1.json").write_text(json.dumps(far))
    arguments = [sys.executable, "-m", "sweeps", "wait", f"store={store.root}"]
    process = subprocess.Popen(
        arguments,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    )
    assert process.stderr is not None
    assert "waiting for sweep" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 130 and "the runs continue" in err and out == ""


def test_a_search_is_not_over_while_trials_are_to_go(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """Its trials are the sweep's runs too, those under way, which its record does not know yet, included."""
    (grid,) = frozen_runs(store, *TINY, "search=random", "search.trials=2")
    (folder,) = store.sweep_folders()
    set_status(grid, state="done")
    snapshot = StoreMonitor(store, folder).snapshot()
    assert [seen.id for seen in snapshot.runs] == [grid.id] and snapshot.trials_left == 2 and not snapshot.finished
    assert wait([f"store={store.root}"]) == 1 and "2 trials left" in capsys.readouterr().out
    (trial,) = frozen_runs(store, *TINY, "optim.lr=3e-3")  # as a searcher freezes it
    other = next(one for one in store.sweep_folders() if one.name != folder.name)
    trial.write_meta(replace(trial.meta(), sweep=folder.name))
    assert [seen.id for seen in StoreMonitor(store, folder).snapshot().runs] == [grid.id, trial.id]
    assert [seen.id for seen in StoreMonitor(store, other).snapshot().runs] == [trial.id]


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.slow
def test_the_stages_that_were_asked_for_are_waited_for_and_no_others(
    verb: str, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """stage=grid leaves its search out, stage=search the grid; a plan of an older version means both."""
    searched = (*TINY, "search=random", "search.trials=2")
    (grid,) = frozen_runs(store, *searched, "stage=grid")
    (folder,) = store.sweep_folders()
    assert VERBS[verb]([f"store={store.root}"]) == 1, "the grid itself is to be finished"
    set_status(grid, state="done")
    assert VERBS[verb]([f"store={store.root}"]) == 0
    out = capsys.readouterr().out
    assert "2 trials left" in out and "stage=grid left out its search" in out
    frozen_runs(store, *searched, "stage=all")
    assert VERBS[verb]([f"store={store.root}"]) == 1
    plan = folder.plan().to_json()
    del plan["stage"]
    folder.plan_file.write_text(json.dumps(plan))
    assert VERBS[verb]([f"store={store.root}"]) == 1
    set_status(grid, state="planned")
    frozen_runs(store, *searched, "stage=search")
    (search,) = read_searches(store, folder.name).cells
    trials = [frozen_runs(store, *TINY, f"seed={seed}")[0] for seed in (7, 8)]
    for trial in trials:
        set_status(trial, state="done")
    rows = [TrialRecord(one.id, search.cell, "search", i, value=1.0, search=search.id) for i, one in enumerate(trials)]
    put_rows(store, folder.name, rows)
    assert VERBS[verb]([folder.name, f"store={store.root}"]) == 0, "nobody was asked for the grid"
    capsys.readouterr()
    assert status([folder.name, f"store={store.root}"]) == 0 and "idle" not in capsys.readouterr().out
    grid.status_file.write_text("{")
    assert VERBS[verb]([folder.name, f"store={store.root}"]) == 0, "nor for a grid that reads"
    folder.plan_file.write_text(json.dumps(replace(folder.plan(), stage="grid").to_json()))
    assert VERBS[verb]([folder.name, f"store={store.root}"]) == 1
    assert status([folder.name, f"store={store.root}"]) == 2


def test_a_stage_that_is_finished_already_is_what_was_asked_for_last(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """stage=all was cut off after the grid; stage=grid then finds nothing to do, and so does whoever waits."""
    asked = ("search=random", "search.trials=2", *TINY)
    (grid,) = frozen_runs(store, *asked)
    work(store, grid.id, lambda text: None)
    (folder,) = store.sweep_folders()
    assert wait([f"store={store.root}"]) == 1
    assert main([*asked, "stage=grid", f"store={store.root}"]) == 0
    assert "nothing to do" in capsys.readouterr().err and folder.plan().stage == "grid"
    assert wait([f"store={store.root}"]) == 0
    before = folder.plan_file.stat()
    assert main([*asked, "stage=grid", f"store={store.root}"]) == 0
    assert folder.plan_file.stat() == before  # so that a finished store may be read alone


def test_a_run_that_stalls_is_told_once_and_waited_for(
    store: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (run,) = frozen_runs(store, *TINY)
    claim = acquire(run, LeaseMonitor())
    assert claim is not None
    set_status(run, state="running", stalled=Stalled(doing="training", for_s=900, usual_s=2))
    rests, rest = [0], time.sleep

    def ends(seconds: float) -> None:
        rests[0] += 1
        if rests[0] == 5:
            set_status(run, state="done")
            claim.release()
        rest(0)

    monkeypatch.setattr(waiting.time, "sleep", ends)
    assert wait([f"store={store.root}"]) == 0 and rests[0] == 5
    assert capsys.readouterr().err.count(f"{run.id} is stalled: 900 s in training, which usually takes 2 s") == 1


@pytest.mark.parametrize("verb", VERBS)
def test_a_sweep_of_which_only_stalled_runs_are_left_is_not_waited_for_without_end(
    verb: str, store: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "STALL_S", 0.1)
    stalled, moves = frozen_runs(store, *TINY, "seed=0,1")
    claims = [acquire(run, LeaseMonitor()) for run in (stalled, moves)]
    set_status(stalled, state="running", stalled=Stalled(doing="training", for_s=900, usual_s=2))
    set_status(moves, state="running")
    rests, rest = [0], time.sleep

    def ends(seconds: float) -> None:
        rest(seconds)
        rests[0] += 1
        if rests[0] == 10:  # long after the time that stalled runs are given
            set_status(moves, state="done")
            claims[1].release()

    monkeypatch.setattr(waiting.time, "sleep", ends)
    assert VERBS[verb]([f"store={store.root}"]) == 1 and rests[0] > 10
    out = capsys.readouterr().out
    assert f"{stalled.id} stalled" in out and "only stalled runs are left" in out
    claims[0].release()
