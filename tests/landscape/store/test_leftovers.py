"""What killed writers leave is removed by whoever takes over, or by `sweeps clean`; what a living one writes is not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support import TINY, frozen_runs

from landscape.runtime.worker import work
from landscape.store import RunFolder, Store, leases
from landscape.store.atomic_io import beside_of
from landscape.store.leftovers import is_leftover, writer_lives
from landscape.store.locks import locked
from landscape.store.processes import myself, tag
from sweeps.cli.clean import clean

DEAD = {**myself(), "pid": 2**22 + 1, "started": "1"}
FAR = {**DEAD, "host": "node7"}


def left(path: Path, who: dict[str, object], folder: bool = False) -> Path:
    """What a process leaves that is killed as it writes `path`."""
    made = path.with_name(f".{path.name}.{tag(who)}.0123abcd.tmp")
    if folder:
        made.mkdir(parents=True)
        (made / "config.yaml").write_text("x: 1")
    else:
        made.parent.mkdir(parents=True, exist_ok=True)
        made.write_bytes(b"half")
    return made


def test_whoever_takes_a_run_over_removes_what_its_dead_owner_was_writing(store: Store, run: RunFolder) -> None:
    (run.claims / "1.json").write_text(json.dumps({"token": "t", **DEAD}))
    gone = [left(run.newest_checkpoint, DEAD), left(run.status_file, DEAD)]
    kept = [left(run.meta_file, myself()), left(run.status_file, FAR)]
    assert work(store, run.id, lambda text: None) == "done"
    assert not any(path.exists() for path in gone) and all(path.exists() for path in kept)


def test_of_a_dead_owner_elsewhere_too(store: Store, run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "LOST_AFTER_S", 0.0)
    (run.claims / "1.json").write_text(json.dumps({"token": "t", **FAR}))
    gone = left(run.newest_checkpoint, FAR)
    observer = leases.LeaseMonitor()
    assert observer.wait_until_free(run, print)
    assert work(store, run.id, lambda text: None, observer=observer) == "done" and not gone.exists()


def test_clean_shows_and_then_removes_what_nobody_writes(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (run,) = frozen_runs(store, *TINY)
    report = tmp_path / "report"
    making = store.dataset_being_decoded("f" * 16).path
    busy = store.dataset_being_decoded("b" * 16).path
    grows = left(run.newest_checkpoint, FAR)
    gone = [left(run.newest_checkpoint, DEAD), left(store.runs / run.id, DEAD, folder=True), left(run.log_file, FAR)]
    gone += [left(store.sweeps / "s" / "plan.json", DEAD), store.lock_file("classifier", "old"), making]
    gone += [store.runs / f".{run.id}.abcd1234", report / ".new-abcd1234", report / f".new-{tag(DEAD)}-abcd1234"]
    for path in (making, busy, *gone[-2:], store.runs / f".{run.id}.abcd1234"):
        path.mkdir(parents=True)
    store.lock_file("classifier", "old").write_text("")
    kept = [left(run.meta_file, myself()), beside_of(run.meta_file), run.status_file, busy, grows]
    kept[1].write_text("being written")
    where = [f"store={store.root}", "--report", str(report)]
    link = store.runs / f".link.{tag(DEAD)}.0123abcd.tmp"
    link.symlink_to(tmp_path / "elsewhere")
    (sweep,) = store.sweep_folders()
    workers = store.search_workers(sweep.name)
    workers.mkdir(parents=True)
    for number, (who, of) in enumerate(((DEAD, gone), (myself(), kept), (FAR, kept))):
        of.append(workers / f"{number}.json")
        of[-1].write_text(json.dumps(who))
    sweep.controller_file.write_text(json.dumps(DEAD))
    gone.append(sweep.controller_file)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.setattr("sweeps.cli.clean.time.sleep", lambda s: grows.write_bytes(b"more of it"))
    with locked(store.lock_file("datasets", "b" * 16)):
        assert clean(where) == 0
        out = capsys.readouterr().out
        assert all(str(path) in out for path in gone) and "nothing was removed" in out
        assert all(path.exists() for path in gone) and str(kept[0]) not in out and str(busy) not in out
        assert clean([*where, "--yes"]) == 0
    assert not [path for path in gone if path.exists()] and all(path.exists() for path in kept)
    assert not link.is_symlink() and (tmp_path / "elsewhere").is_dir()


def test_a_lock_that_was_removed_while_somebody_waited_is_taken_anew(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    with locked(path):
        path.unlink()
    with locked(path):
        assert path.exists()


def test_names_tell_their_writer(tmp_path: Path) -> None:
    mine = beside_of(tmp_path / "status.json").name
    assert is_leftover(mine) and writer_lives(mine) is True
    assert not any(is_leftover(name) for name in (".nfs0001", ".DS_Store", "x.tmp", ".x.lock", "0123456789abcdef"))
