"""What a job does in its allocation and at its end, where a fake scheduler answers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from fake_slurm import FakeSlurm
from slurm import wait_for
from support import TINY

from landscape.store import Store
from landscape.store.jobs import SubmissionEvent
from landscape.store.leases import LeaseMonitor, claim_in_force
from sweeps.cli.sweep import main
from sweeps.launchers.slurm import job as body
from sweeps.launchers.slurm.client import Client
from sweeps.launchers.slurm.submissions import append, submissions

GRID = ("-m", "seed=range(0,10)", *TINY, "launcher=slurm")


@pytest.mark.slow
def test_a_job_packs_short_runs_side_by_side(store: Store, site: FakeSlurm) -> None:
    packing = ("launcher.runs_per_job=3", "launcher.at_once=2")
    main(["-m", "seed=range(0,4)", *TINY, "launcher=slurm", *packing, f"store={store.root}"])
    assert site.queue() == {"1": [0, 1]}
    job = site.start("1", 0)
    out, _ = job.communicate(timeout=300)
    assert job.returncode == 0, out
    assert "job 1_0" in out and "3 runs, 2 at once" in out and "3 of 3 runs finished, 0 failed" in out
    assert sorted(run.status().state for run in store.run_folders()) == ["done", "done", "done", "queued"]


def end_of(
    store: Store, monkeypatch: pytest.MonkeyPatch, state: str | None, numbers: list[int], no_progress: bool = False
) -> list[str]:
    """What a job of this state that got these signals with runs to go puts back into the queue."""
    requeued: list[str] = []
    monkeypatch.setattr(Client, "state", lambda self, job: state)
    monkeypatch.setattr(Client, "requeue", lambda self, job: requeued.append(job) is None)
    given = submissions(store.sweep_folders()[0])[0]
    code = body._requeue_or_stop(store, given, "1_2", list(numbers), no_progress)
    assert code == 75
    return requeued


USR2, TERM = signal.SIGUSR2, signal.SIGTERM


def test_a_job_queues_itself_again_where_the_scheduler_would_not(
    store: Store, site: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """submitit takes a signal after 80 % of a job's time for a time-out, and then may not queue it again."""
    main([*GRID, f"store={store.root}"])
    assert end_of(store, monkeypatch, "RUNNING", [USR2]) == ["1_2"]  # its time is nearly over
    assert end_of(store, monkeypatch, "RUNNING", [USR2], no_progress=True) == []  # and no end is in sight
    assert end_of(store, monkeypatch, "RUNNING", [TERM]) == ["1_2"]  # preempted, in its time of grace
    assert end_of(store, monkeypatch, "COMPLETING", [TERM]) == []  # requeued or cancelled already
    assert end_of(store, monkeypatch, None, [TERM]) == []
    (folder,) = store.sweep_folders()
    append(folder, SubmissionEvent(token=submissions(folder)[0].token, cancelled=True))
    assert end_of(store, monkeypatch, "RUNNING", [USR2]) == []


def test_a_job_of_runs_that_are_gone_says_so(store: Store, site: FakeSlurm) -> None:
    main([*GRID, f"store={store.root}"])
    command = [
        sys.executable,
        "-m",
        "sweeps.launchers.slurm.job",
        "--store",
        str(store.root),
        "--submission",
        "x",
        "--sweep",
    ]
    done = subprocess.run([*command, "y"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (2, "sweep y has no task -1 of submission x\n")


ANOTHER_NODE = """
import socket, time
now = time.time
time.time = lambda: now() + {skew}
socket.gethostname = lambda: "node7"
"""


@pytest.mark.slow
@pytest.mark.parametrize("skew", [60, -60])
def test_a_clock_that_is_a_minute_off_neither_loses_nor_keeps_a_run(
    store: Store, site: FakeSlurm, tmp_path: Path, skew: int
) -> None:
    """A worker of another node is judged by its heart and the observer's own clock."""
    main(["seed=0", *TINY, "train.steps=1000000", "metrics=none", "launcher=slurm", f"store={store.root}"])
    (run,) = store.run_folders()
    (tmp_path / "node").mkdir()
    (tmp_path / "node" / "sitecustomize.py").write_text(ANOTHER_NODE.format(skew=skew))
    there = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path / "node"), *sys.path])}
    command = [sys.executable, "-m", "landscape.runtime.worker", "--store", str(store.root), "--run", run.id]
    worker = subprocess.Popen(command, env=there, stdout=subprocess.DEVNULL)
    try:
        wait_for(lambda: run.status().step > 0)
        job = site.start("1", 0)
        out, _ = job.communicate(timeout=300)
        assert job.returncode == 0 and f"process {worker.pid} on node7 trains it" in out, out
    finally:
        worker.kill()
        worker.wait()
    observer = LeaseMonitor(lost_after_s=0.5)
    claim = claim_in_force(run)
    assert claim is not None and not observer.is_lost(run, claim)
    wait_for(lambda: observer.is_lost(run, claim))


@pytest.mark.slow
def test_a_worker_that_does_not_save_in_time_does_not_keep_its_job_from_the_queue(
    store: Store, site: FakeSlurm
) -> None:
    more = ("train.steps=1000000", "metrics=none", "launcher=slurm", "launcher.signal_s=4")
    main(["seed=0", *TINY, *more, f"store={store.root}"])
    (run,) = store.run_folders()
    job = site.start("1", 0)
    wait_for(lambda: run.status().step > 0)
    claim = claim_in_force(run)
    assert claim is not None
    os.kill(claim.pid, signal.SIGSTOP)  # in a long evaluation, say
    job.send_signal(USR2)
    try:
        out, _ = job.communicate(timeout=300)
    finally:
        os.kill(claim.pid, signal.SIGKILL)
    assert job.returncode == 75 and "SIGUSR2: the job is requeued" in out, out
    assert site.calls("scontrol")[-1] == "scontrol requeue 1_0"
