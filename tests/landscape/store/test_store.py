"""The store: files appear whole, what does not read is named, claims have one owner."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from support import TINY, frozen_runs

from landscape.config.errors import CorruptFile, UserError
from landscape.runtime.worker import work
from landscape.store import RunFolder, RunStatus, Store, atomic_io, leases
from landscape.store.atomic_io import create_exclusively, write_whole
from landscape.store.leases import Lease, LeaseLost, LeaseMonitor, acquire, claim_in_force
from landscape.store.metrics_row import MetricsRow
from landscape.store.process_record import ClaimRecord
from landscape.store.run_meta import RunMeta
from landscape.store.run_writer import RunWriter


def test_a_file_is_there_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.json"
    write_whole(path, "old")

    def broken(*_: object) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as m:
        m.setattr(atomic_io.os, "fsync", broken)
        with pytest.raises(OSError, match="disk full"):
            write_whole(path, "new")
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["x.json"]


def test_a_torn_last_row_is_ignored_and_a_bad_one_named(run: RunFolder) -> None:
    run.append_row(MetricsRow(step=0, protocol="p"))
    run.append_row(MetricsRow(step=6, protocol="p"))
    whole = run.metrics_file.read_bytes()
    for cut in range(len(whole) // 2 + 1, len(whole)):
        run.metrics_file.write_bytes(whole[:cut])
        assert [row.step for row in run.rows()] == [0]
    run.append_row(MetricsRow(step=12, protocol="p"))  # onto a torn tail
    assert [row.step for row in run.rows()] == [0, 12]
    run.metrics_file.write_bytes(b"{garbage}\n" + whole)
    with pytest.raises(CorruptFile, match=r"metrics\.jsonl line 1"):
        run.rows()


def test_a_row_with_nan_is_refused(run: RunFolder) -> None:
    with pytest.raises(ValueError, match="JSON"):
        run.append_row(MetricsRow(step=0, protocol="p", more={"fid": float("nan")}))
    assert run.rows() == []


def test_two_planners_freeze_a_run_once(store: Store) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(
            pool.map(lambda _: store.run("a" * 16).create({"x": 1}, RunMeta(), RunStatus(state="planned")), range(16))
        )
    assert len(made) == 16
    assert [run.id for run in store.run_folders()] == ["a" * 16]
    assert [p.name for p in store.runs.iterdir()] == ["a" * 16]


def test_store_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot be written \(Not a directory\)"):
        Store(tmp_path / "file" / "store").check_writable()


# Claims


def test_one_of_many_takers_wins(run: RunFolder) -> None:
    with ThreadPoolExecutor(8) as pool:
        won = [c for c in pool.map(lambda _: acquire(run, LeaseMonitor()), range(32)) if c is not None]
    assert len(won) == 1


def test_a_released_claim_leaves_the_run_free(run: RunFolder) -> None:
    first = acquire(run, LeaseMonitor())
    assert first is not None and acquire(run, LeaseMonitor()) is None
    first.release()
    assert claim_in_force(run) is None
    assert acquire(run, LeaseMonitor()) is not None


def test_a_dead_process_of_this_machine_is_lost_at_once(run: RunFolder) -> None:
    script = (
        "import sys; from pathlib import Path; from landscape.store import RunFolder;"
        "from landscape.store.leases import *;"
        "assert acquire(RunFolder(Path(sys.argv[1])), LeaseMonitor())"
    )
    subprocess.run([sys.executable, "-c", script, str(run.path)], check=True)
    claim = claim_in_force(run)
    assert claim is not None and LeaseMonitor().is_lost(run, claim)
    assert acquire(run, LeaseMonitor()) is not None


def test_a_reused_pid_does_not_revive_a_dead_worker(run: RunFolder) -> None:
    claim = acquire(run, LeaseMonitor())
    assert claim is not None
    other = replace(claim.content, started="1")
    assert LeaseMonitor().is_lost(run, other) and not LeaseMonitor().is_lost(run, claim.content)


def elsewhere(run: RunFolder) -> ClaimRecord:
    """A claim of another machine."""
    content = {"token": "t", "host": "far-away", "boot": "b", "pids": "p", "pid": 1, "started": "1"}
    create_exclusively(run.claims / "1.json", json.dumps(content))
    claim = claim_in_force(run)
    assert claim is not None
    return claim


def test_another_machines_worker_is_lost_when_its_heart_stops(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(leases.time, "monotonic", lambda: now[0])
    claim, observer = elsewhere(run), LeaseMonitor(lost_after_s=60)
    for beat in range(5):
        run.write_status(replace(run.status(), beat=beat))
        assert not observer.is_lost(run, claim)
        now[0] += 50
    assert not observer.is_lost(run, claim)  # 50 s since the last beat that was seen
    now[0] += 11
    assert observer.is_lost(run, claim)


def test_another_boot_of_the_same_name_is_watched_not_robbed(run: RunFolder) -> None:
    """It may be this machine started anew, or another of the same name on a shared disk that is well alive."""
    claim = acquire(run, LeaseMonitor())
    assert claim is not None
    observer = LeaseMonitor(lost_after_s=0)
    other = replace(claim.content, boot="another")
    assert not observer.is_lost(run, other)
    assert observer.is_lost(run, other)  # the counter has not moved since


def test_a_claim_taken_while_another_taker_looks_is_not_overtaken(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, first = leases.newest_claim, []

    def looks_slowly(run: RunFolder) -> tuple[int, ClaimRecord | None]:
        seen = real(run)
        monkeypatch.setattr(leases, "newest_claim", real)
        first.append(acquire(run, LeaseMonitor()))
        return seen

    monkeypatch.setattr(leases, "newest_claim", looks_slowly)
    assert acquire(run, LeaseMonitor()) is None
    assert first[0] is not None
    first[0].check()


def test_without_proc_the_dead_are_still_told_from_the_living(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "exists", lambda self: False)
    claim = acquire(run, LeaseMonitor())
    assert claim is not None and claim.content.started == "alive"
    assert not LeaseMonitor().is_lost(run, claim.content)
    assert LeaseMonitor().is_lost(run, replace(claim.content, pid=2**22 + 1))


def test_an_owner_that_lost_its_claim_writes_nothing_more(run: RunFolder) -> None:
    owner = acquire(run, LeaseMonitor())
    assert owner is not None
    with RunWriter(run, owner) as journal:
        journal.write(state="running")
        create_exclusively(run.claims / "2.json", json.dumps({**owner.content.to_json(), "token": "thief"}))
        before = run.status_file.read_bytes()
        for attempt in (lambda: journal.write(state="done"), lambda: journal.row(MetricsRow(step=1, protocol="p"))):
            with pytest.raises(LeaseLost):
                attempt()
    assert run.status_file.read_bytes() == before and run.rows() == []


@pytest.mark.slow
def test_a_worker_that_is_overtaken_stops_without_writing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    (run,) = frozen_runs(store, *TINY)
    real = Lease.check

    def check(self: Lease) -> None:
        if self.number == 1 and len(run.rows()) == 2:
            create_exclusively(run.claims / "2.json", json.dumps(self.content.to_json()))
        real(self)

    monkeypatch.setattr(Lease, "check", check)
    said: list[str] = []
    assert work(store, run.id, said.append) is None
    assert "taken over" in said[-1]
    assert len(run.rows()) == 2 and run.status().state == "running" and not run.weights.exists()


def test_a_cache_on_another_disk_is_used(store: Store, tmp_path: Path) -> None:
    store.cache.rename(tmp_path / "scratch")
    store.cache.symlink_to(tmp_path / "scratch")
    (run,) = frozen_runs(store, *TINY, "train.steps=1")
    assert work(store, run.id, lambda text: None) == "done", run.status()
