"""Bad environments: a full disk, a store that cannot be written, clocks that differ."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from held import hold, let_go
from resuming import resumed_at
from support import TINY, command, frozen_runs, sweep

from landscape.store import RunFolder, Store, leases
from landscape.store.atomic_io import create_exclusively
from landscape.store.leases import LeaseMonitor, acquire, claim_in_force
from sweeps import __main__ as doors
from sweeps.cli.sweep import main
from sweeps.monitor import StoreMonitor
from sweeps.states import LOST


class Disk:
    """A file system of 8 MB with a store on it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.store = Store(path / "store")
        self.filling = path / "filling"

    def fill(self) -> None:
        """Leave not a block."""
        with open(self.filling, "ab", buffering=0) as f:
            for size in (1 << 20, 1 << 12):
                try:
                    while f.write(b"x" * size) == size:
                        pass
                except OSError:
                    continue

    def free(self) -> None:
        self.filling.unlink()

    def remount(self, how: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{how}", str(self.path)], check=True)


@pytest.fixture
def disk(tmp_path: Path, warm_cache: Path) -> Iterator[Disk]:
    path = tmp_path / "disk"
    path.mkdir()
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(path)], capture_output=True, text=True)
    if made.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {made.stderr.strip()}")
    try:
        disk = Disk(path)
        shutil.copytree(warm_cache, disk.store.cache)
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


def states(store: Store) -> list[str]:
    return [run.status().state for run in store.run_folders()]


def test_planning_on_a_full_disk_writes_nothing_and_says_so(disk: Disk, capsys: pytest.CaptureFixture[str]) -> None:
    disk.fill()
    assert main(["-q", "-m", "seed=0,1", *TINY, f"store={disk.store.root}"]) == 2
    err = capsys.readouterr().err
    assert "cannot be written (No space left on device)" in err and err.count("\n") == 1
    assert list(disk.store.runs.iterdir()) == []
    disk.free()
    assert len(frozen_runs(disk.store, *TINY, "seed=0,1")) == 2


@pytest.mark.slow
def test_a_disk_that_fills_up_under_a_run_loses_nothing(disk: Disk) -> None:
    grid = ["-m", "seed=0,1,2", "train.steps=600", "checkpoint.every_s=0.1", *TINY[1:], "metrics.every=100"]
    grid += [f"store={disk.store.root}", "launcher.jobs=1"]
    process = subprocess.Popen(command(*grid), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    _, pid = hold(disk.store, lambda run: run.previous_checkpoint.exists())
    begun = sum(run.log_file.exists() for run in disk.store.run_folders())
    disk.fill()
    let_go(pid)
    out, _ = process.communicate(timeout=300)
    assert process.returncode == 1, out
    assert out.count("the store cannot be written (No space left on device): no more runs are started") == 1
    assert sum(run.log_file.exists() for run in disk.store.run_folders()) == begun  # no other was tried
    disk.free()
    assert not list(disk.store.root.rglob("*.tmp"))
    done = sweep(*grid)
    assert done.returncode == 0 and states(disk.store) == ["done"] * 3, done.stdout + done.stderr
    assert [[row.step for row in run.rows()] for run in disk.store.run_folders()] == [list(range(0, 601, 100))] * 3
    assert sum(len(resumed_at(run)) for run in disk.store.run_folders()) == 1


def test_a_read_only_store_is_looked_at_and_not_trained_in(
    disk: Disk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first, _ = frozen_runs(disk.store, *TINY, "seed=0,1")
    where = [f"store={disk.store.root}"]
    disk.remount("ro")

    def call(*arguments: str) -> int:
        monkeypatch.setattr("sys.argv", ["sweeps", *arguments, *where])
        return doors.main()

    assert call("status") == 0 and call("plan", "-m", "seed=0,1,2", *TINY) == 0 and call("logs", first.id[:8]) == 0
    assert "3 runs: 3 to train" in capsys.readouterr().out
    assert main(["-q", "-m", "seed=0,1", *TINY, f"store={disk.store.root}"]) == 2
    err = capsys.readouterr().err
    assert "cannot be written (Read-only file system)" in err and err.count("\n") == 1
    disk.remount("rw")
    assert states(disk.store) == ["planned", "planned"]


# Clocks: files of a node whose clock is off by a minute bear times of its own, and nothing may depend on them.


@pytest.mark.parametrize("skew_s", [-60, 60])
def test_nodes_whose_clocks_differ_by_a_minute_rob_nobody(
    run: RunFolder, skew_s: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(leases.time, "monotonic", lambda: now[0])
    wall = time.time
    monkeypatch.setattr("time.time", lambda: wall() + skew_s)
    far = {"token": "t", "host": "far-away", "boot": "b", "pids": "p", "pid": 1, "started": "1"}
    create_exclusively(run.claims / "1.json", json.dumps(far))
    observer, monitor = LeaseMonitor(), StoreMonitor(Store(run.path.parent.parent))
    for beat in range(4):  # the other node lives, and its files are a minute old or of a minute to come
        run.write_status(replace(run.status(), state="running", beat=beat))
        for file in (run.status_file, run.claims / "1.json"):
            os.utime(file, (wall() - skew_s, wall() - skew_s))
        claim = claim_in_force(run)
        assert claim is not None and not observer.is_lost(run, claim) and acquire(run, observer) is None
        assert [seen.state for seen in monitor.snapshot().runs] == ["running"]
        now[0] += 100
    now[0] += 100  # then its heart stops
    claim = claim_in_force(run)
    assert claim is not None and observer.is_lost(run, claim)
    assert [seen.state for seen in monitor.snapshot().runs] == [LOST]
    assert acquire(run, observer) is not None
