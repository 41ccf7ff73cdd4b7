"""A run stopped or killed anywhere and continued ends with the bits and rows of one never disturbed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from held import hold
from resuming import kept, same, two
from support import TINY, frozen_runs

from landscape.runtime.train_run import Training
from landscape.runtime.worker import work
from landscape.store import DONE, PREEMPTED, RunFolder, Store
from landscape.store.metrics_row import MetricsRow
from landscape.training import checkpoint


@pytest.mark.parametrize("kill", [(1,), (5,), (6,), (3, 4, 11)], ids=str)
@pytest.mark.parametrize("options", [("reg=sn",), ("reg=gp", "optim.n_dis=2"), ("train.ema=null",)], ids=str)
@pytest.mark.slow
def test_stopped_by_a_signal(
    store: Store, options: tuple[str, ...], kill: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    disturbed, quiet = two(store, *options)
    work(store, quiet.id, lambda text: None)
    real = Training.after_step

    def after_step(self: Any, state: Any) -> None:
        if state.step in kill and self.run.id == disturbed.id and not (self.run.path / f"killed{state.step}").exists():
            (self.run.path / f"killed{state.step}").touch()
            os.kill(os.getpid(), signal.SIGTERM)
        real(self, state)

    monkeypatch.setattr(Training, "after_step", after_step)
    for _ in kill:
        assert work(store, disturbed.id, lambda text: None) == PREEMPTED
    assert work(store, disturbed.id, lambda text: None) == DONE
    same(disturbed, quiet)


class Died(BaseException):
    """Stands for kill -9 inside one process: nothing of the worker's own handling runs."""


@pytest.mark.parametrize("at", ["between a row and its checkpoint", "in the middle of a checkpoint"])
def test_killed_at_the_worst_moments(store: Store, at: str, monkeypatch: pytest.MonkeyPatch) -> None:
    disturbed, quiet = two(store, "reg=sn", "checkpoint.every_s=0")
    work(store, quiet.id, lambda text: None)
    real_save, real_row = checkpoint.save, RunFolder.append_row

    def row(self: RunFolder, row: MetricsRow) -> None:
        real_row(self, row)
        if self.id == disturbed.id and row.step == 6:
            raise Died

    def save(path: Path, content: dict[str, Any]) -> None:
        if disturbed.id in str(path) and content.get("step") == 7:
            (path.parent / ".newest.pt.0.tmp").write_bytes(b"half a checkpoint")
            raise Died
        real_save(path, content)

    with monkeypatch.context() as m:
        if "row" in at:
            m.setattr(RunFolder, "append_row", row)
        else:
            m.setattr(checkpoint, "save", save)
        with pytest.raises(Died):
            work(store, disturbed.id, lambda text: None)
    assert work(store, disturbed.id, lambda text: None) == DONE
    same(disturbed, quiet)
    assert len(disturbed.rows()) == 3


def has_passed(step: int, run: RunFolder) -> bool:
    """Whether a run has saved a later step."""
    saved, _ = checkpoint.load_newest(run)
    return saved is not None and saved["step"] > step


@pytest.mark.slow
def test_killed_process(store: Store) -> None:
    """A real worker, a real kill -9, twice; seconds thrown away are on record."""
    disturbed, quiet = two(store, "reg=sn", "train.steps=600", "metrics.every=200", "checkpoint.every_s=0.1")
    work(store, quiet.id, lambda text: None)
    command = [sys.executable, "-m", "landscape.runtime.worker", "--store", str(store.root), "--run", disturbed.id]
    for beyond in (20, 150):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        hold(store, partial(has_passed, beyond), process.pid)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert disturbed.status().state == "running"
    assert work(store, disturbed.id, lambda text: None) == DONE
    same(disturbed, quiet)
    assert len(list(disturbed.claims.glob("*.json"))) == 3


def test_a_damaged_checkpoint_falls_back_to_the_one_before(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    disturbed, quiet = two(store, "checkpoint.every_s=0")
    work(store, quiet.id, lambda text: None)
    real = Training.after_step

    def after_step(self: Any, state: Any) -> None:
        real(self, state)
        if state.step == 8 and self.run.id == disturbed.id:
            raise Died

    with monkeypatch.context() as m:
        m.setattr(Training, "after_step", after_step)
        with pytest.raises(Died):
            work(store, disturbed.id, lambda text: None)
    damaged = bytearray(disturbed.newest_checkpoint.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    disturbed.newest_checkpoint.write_bytes(damaged)
    said: list[str] = []
    assert work(store, disturbed.id, said.append) == DONE
    assert any("skipped" in line for line in said) and "resuming at step 7" in said
    same(disturbed, quiet)


@pytest.mark.parametrize(
    "other",
    [
        *("metrics=none", "metrics.every=3", "metrics.every=5", "metrics.n_fake=500", "metrics.real=train"),
        *("metrics.quantise=float", "checkpoint.keep=all"),
    ],
)
@pytest.mark.slow
def test_evaluations_and_checkpoints_leave_no_trace_in_training(
    store: Store, tmp_path: Path, warm_cache: Path, other: str
) -> None:
    first = Store(tmp_path / "other")
    shutil.copytree(warm_cache, first.cache)
    (a,), (b,) = frozen_runs(store, *TINY, "reg=sn"), frozen_runs(first, *TINY, "reg=sn", other)
    assert a.id == b.id
    work(store, a.id, lambda text: None)
    work(first, b.id, lambda text: None)
    left, right = kept(a), kept(b)
    assert all(torch.equal(left[k], right[k]) for k in left)
    assert b.newest_checkpoint.exists() == (other == "checkpoint.keep=all")


def test_optimizers_and_random_streams_are_those_of_a_run_that_was_never_evaluated(
    store: Store, tmp_path: Path, warm_cache: Path
) -> None:
    first = Store(tmp_path / "other")
    shutil.copytree(warm_cache, first.cache)
    keep = ("checkpoint.keep=all", "reg=gp", "norm=sn", "optim.n_dis=2")
    (a,) = frozen_runs(store, *TINY, *keep, "metrics.every=1", "metrics.n_fake=100")
    (b,) = frozen_runs(first, *TINY, *keep, "metrics=none")
    states = []
    for where, run in ((store, a), (first, b)):
        assert work(where, run.id, lambda text: None) == DONE
        states.append(checkpoint.load(run.newest_checkpoint))
    for state in states:
        del state["clocks"], state["rows"]  # of the evaluations themselves
    assert_equal(*states)


def assert_equal(a: Any, b: Any) -> None:
    """Equal to the bit, whatever the nesting."""
    if isinstance(a, torch.Tensor):
        assert torch.equal(a, b) or (a.isnan().all() and b.isnan().all())
    elif isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            assert_equal(a[key], b[key])
    elif isinstance(a, list | tuple):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert_equal(x, y)
    else:
        assert a == b


def test_rows_are_json_with_a_protocol_whose_text_stands_beside(store: Store, run: RunFolder) -> None:
    work(store, run.id, lambda text: None)
    lines = run.metrics_file.read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [0, 6, 12]
    row = json.loads(lines[-1])
    assert row["images"] == 12 * 16 and row["g_step"] == 12
    text = run.protocol(row["protocol"])
    assert {
        "extractor",
        "weights",
        "real",
        "n_real",
        "n_fake",
        "quantise",
        "seed",
        "generator",
        "resize",
    } <= text.to_json().keys()


@pytest.mark.parametrize(
    ("options", "warned"), [(("reg=gp", "norm=bn"), True), (("reg=gp",), False), (("norm=bn",), False)]
)
def test_an_ill_defined_pairing_runs_with_a_warning_on_record(
    store: Store, options: tuple[str, ...], warned: bool
) -> None:
    (run,) = frozen_runs(store, *TINY, *options)
    assert work(store, run.id, lambda text: None) == DONE
    assert ("couples D's samples" in str(run.status().warnings)) == warned
