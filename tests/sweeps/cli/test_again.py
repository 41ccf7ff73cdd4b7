"""`python -m sweeps cancel` and `retry` for sweeps that this machine trains itself."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest
from slurm import wait_for
from support import TINY, command, frozen_runs

from landscape.store import Store
from landscape.store.leases import LeaseMonitor, claim_in_force, newest_claim
from landscape.store.process_record import ProcessRecord
from landscape.store.processes import machine, process_start
from sweeps.__main__ import VERBS
from sweeps.launchers import own_processes

LONG = (*TINY, "train.steps=100000", "metrics=none")


def states(store: Store) -> list[str]:
    return sorted(run.status().state for run in store.run_folders())


@pytest.mark.slow
def test_cancel_asks_the_sweeps_process_to_stop_and_its_workers_save(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = command("-m", "seed=range(0,3)", *LONG, "launcher.jobs=2", f"store={store.root}")
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wait_for(lambda: any(run.status().step > 0 for run in store.run_folders()))
    assert VERBS["cancel"]([f"store={store.root}"]) == 0
    out, _ = process.communicate(timeout=300)
    assert process.returncode == 130 and str(process.pid) in capsys.readouterr().err, out
    assert set(states(store)) == {"preempted", "planned"} and "failed" not in out
    claims = [(run, claim_in_force(run)) for run in store.run_folders()]
    assert all(claim is None or LeaseMonitor().is_lost(run, claim) for run, claim in claims)
    assert VERBS["cancel"]([f"store={store.root}"]) == 0  # nothing is left to cancel


@pytest.mark.slow
def test_retry_trains_here_what_failed_or_was_lost_and_nothing_else(store: Store) -> None:
    failed, lost, planned = frozen_runs(store, *TINY, "seed=0,1,2")
    failed.write_status(replace(failed.status(), state="failed", reason="a full disk"))
    lost.write_status(replace(lost.status(), state="running"))
    assert VERBS["retry"]([f"store={store.root}"]) == 0
    assert [run.status().state for run in (failed, lost, planned)] == ["done", "done", "planned"]
    assert failed.status().reason is None
    assert [newest_claim(run)[0] for run in (failed, lost, planned)] == [1, 1, 0]
    assert VERBS["retry"]([f"store={store.root}"]) == 0
    assert [newest_claim(run)[0] for run in (failed, lost, planned)] == [1, 1, 0]  # nobody took one up again


def test_what_a_killed_worker_left_of_itself_is_cleared_away_and_another_machines_is_not(store: Store) -> None:
    frozen_runs(store, *TINY, "search=random")
    (sweep,) = store.sweep_names()
    folder = store.search_workers(sweep)
    folder.mkdir(parents=True)
    for name, more in (("dead", {}), ("elsewhere", {"host": "another"})):
        (folder / f"{name}.json").write_text(json.dumps({**machine(), **more, "pid": 2**22 + 1, "started": "1"}))
    assert VERBS["cancel"]([f"store={store.root}"]) == 0
    assert [file.name for file in folder.iterdir()] == ["elsewhere.json"]


@pytest.fixture
def bystander() -> Iterator[subprocess.Popen[str]]:
    """A process that is none of this program's."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, text=True)
    yield process
    process.kill()
    process.communicate()


def test_cancel_signals_nobody_but_workers_of_this_store(
    store: Store, bystander: subprocess.Popen[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Files of a shared store may name any process, with the right start time too."""
    (run,) = frozen_runs(store, *TINY, "search=random")
    (folder,) = store.sweep_folders()
    workers = store.search_workers(folder.name)
    workers.mkdir(parents=True)
    named = {**machine(), "pid": bystander.pid, "started": process_start(bystander.pid)}
    for file in (run.claims / "1.json", folder.controller_file, workers / "one.json"):
        file.write_text(json.dumps(named))
    for pid in (0, -1, True, "1", None):  # a signal to these would reach a group, or everybody
        (workers / f"{pid}.json").write_text(json.dumps({**machine(), "pid": pid, "started": None}))
    assert VERBS["cancel"]([f"store={store.root}"]) == 0
    assert str(bystander.pid) in capsys.readouterr().err and bystander.poll() is None
    assert bystander.communicate("\n")[0] is None and bystander.returncode == 0


@pytest.mark.parametrize(
    ("words", "ours"),
    [
        (["-m", "landscape.runtime.worker", "--store", "{store}", "--run", "x"], True),
        (["-m", "landscape.runtime.forkserver", "--store={store}"], True),
        (["-m", "landscape.sweep", "-m", "seed=0,1", "store='{store}'"], True),
        (["/usr/bin/landscape-sweep", "-m", "seed=0,1", "store='{store}'"], True),
        (["/usr/bin/landscape-sweeps", "retry", "--store", "{store}"], True),
        (["/usr/bin/landscape-report", "store={store}"], False),
        (["-m", "sweeps", "retry", "store=store"], True),  # from where the process works
        (["-m", "landscape.sweep", "-m", "seed=0,1"], False),  # on the default store
        (["-m", "landscape.runtime.worker", "--store", "{store}-2", "--run", "x"], False),
        (["-m", "http.server", "--store", "{store}"], False),
        (["-c", "pass", "{store}", "landscape.runtime.worker"], False),
    ],
)
def test_a_process_is_a_worker_of_a_store_by_its_command(
    words: list[str], ours: bool, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ["/usr/bin/python", *(word.format(store=store.root) for word in words)]
    monkeypatch.setattr(own_processes.processes, "command", lambda pid: given)
    monkeypatch.setattr(own_processes.processes, "folder", lambda pid: store.root.parent)
    assert own_processes.works_on(store, ProcessRecord.of_this()) is ours
