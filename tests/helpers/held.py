"""A worker held still amid its run, so that what a test does to it never races against the run's end."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from support import PATIENCE_S

from landscape.store import RUNNING, RunFolder, Store
from landscape.store.leases import claim_in_force
from landscape.store.processes import process_start

PROC = Path("/proc/self/status").exists()


def has_saved(run: RunFolder) -> bool:
    """Whether a run has a checkpoint to go on from; a finished one keeps none."""
    return run.newest_checkpoint.exists()


def hold(
    store: Store, when: Callable[[RunFolder], bool] = has_saved, pid: int | None = None, seconds: float = PATIENCE_S
) -> tuple[RunFolder, int]:
    """Stop (SIGSTOP) a worker, the process `pid` where given, of a run that trains and of which `when` holds.

    Returns the run and the worker's pid; raises `AssertionError` where none is caught in so many seconds.
    """
    deadline = time.monotonic() + seconds
    while True:
        for run in store.run_folders():
            claim = claim_in_force(run) if when(run) else None
            if claim is None or pid not in (None, claim.pid) or process_start(claim.pid) != claim.started:
                continue
            with suppress(ProcessLookupError):
                os.kill(claim.pid, signal.SIGSTOP)
            while not is_still(claim.pid):  # a signal sent sooner would overtake this one
                assert time.monotonic() < deadline, "a worker that was told to stop did not"
                time.sleep(0.01)
            if run.status().state == RUNNING and when(run) and claim_in_force(run) == claim:
                return run, int(claim.pid)
            with suppress(ProcessLookupError):  # it has just ended
                os.kill(claim.pid, signal.SIGCONT)
        assert time.monotonic() < deadline, "no worker was caught amid its run"
        time.sleep(0.01)


def is_still(pid: int) -> bool:
    """Whether every thread of a process has stopped, or the process is gone."""
    if not PROC:
        time.sleep(1)
        return True
    states = []
    for file in Path(f"/proc/{pid}/task").glob("*/stat"):
        with suppress(FileNotFoundError, ProcessLookupError):  # the thread has ended
            states.append(file.read_text().rpartition(")")[2].split()[0])
    return all(state in "TtZX" for state in states)


def let_go(pid: int, told: signal.Signals | None = None, seconds: float = PATIENCE_S) -> None:
    """Let a held worker go on, once it has been sent the signal `told`."""
    deadline = time.monotonic() + seconds
    while told is not None and not is_told(pid, told):
        assert time.monotonic() < deadline, f"nobody sent it {told.name}"
        time.sleep(0.02)
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


def is_told(pid: int, number: signal.Signals) -> bool:
    """Whether a held process has been sent a signal."""
    if not PROC:
        time.sleep(2)
        return True
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    masks = [int(line.split()[1], 16) for line in lines if line.startswith(("ShdPnd", "SigPnd"))]
    return any(mask >> (number - 1) & 1 for mask in masks)
