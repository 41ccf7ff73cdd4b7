"""`python -m sweeps cancel` and `retry` for sweeps that this machine trains itself."""

from __future__ import annotations

import json
import subprocess

import pytest
from slurm import wait_for
from support import TINY, command, frozen_runs

from landscape.claims import Observer, claim_in_force, machine
from landscape.store import Store
from sweeps.__main__ import VERBS

LONG = (*TINY, "train.steps=100000", "metrics=none")


def states(store: Store) -> list[str]:
    return sorted(run.status()["status"] for run in store.run_folders())


def test_cancel_asks_the_sweeps_process_to_stop_and_its_workers_save(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = command("-m", "seed=range(0,3)", *LONG, "launcher.jobs=2", f"store={store.root}")
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wait_for(lambda: any(run.status().get("step", 0) > 0 for run in store.run_folders()))
    assert VERBS["cancel"](["--store", str(store.root)]) == 0
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 130 and f"process {process.pid} was asked to stop" in capsys.readouterr().out, out
    assert set(states(store)) == {"preempted", "planned"} and "failed" not in out
    claims = [(run, claim_in_force(run)) for run in store.run_folders()]
    assert all(claim is None or Observer().is_lost(run, claim) for run, claim in claims)
    assert VERBS["cancel"](["--store", str(store.root)]) == 0
    assert "nothing to cancel" in capsys.readouterr().out


def test_retry_trains_here_what_failed_or_was_lost_and_nothing_else(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    failed, lost, planned = frozen_runs(store, *TINY, "seed=0,1,2")
    failed.write_status({**failed.status(), "status": "failed", "reason": "a full disk"})
    lost.write_status({**lost.status(), "status": "running"})
    assert VERBS["retry"](["--store", str(store.root)]) == 0
    assert [run.status()["status"] for run in (failed, lost, planned)] == ["done", "done", "planned"]
    assert "reason" not in failed.status() and "running 2," in capsys.readouterr().out
    assert VERBS["retry"](["--store", str(store.root)]) == 0
    assert "nothing to retry" in capsys.readouterr().out


def test_what_a_killed_worker_left_of_itself_is_cleared_away_and_another_machines_is_not(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    frozen_runs(store, *TINY, "search=random")
    (sweep,) = store.sweep_names()
    folder = store.search_workers(sweep)
    folder.mkdir(parents=True)
    for name, more in (("dead", {}), ("elsewhere", {"host": "another"})):
        (folder / f"{name}.json").write_text(json.dumps({**machine(), **more, "pid": 2**22 + 1, "started": "1"}))
    assert VERBS["cancel"](["--store", str(store.root)]) == 0
    assert "nothing to cancel" in capsys.readouterr().out
    assert [file.name for file in folder.iterdir()] == ["elsewhere.json"]
