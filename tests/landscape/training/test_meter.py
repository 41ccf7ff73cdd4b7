"""Seconds of processors beside seconds of the clock: of all processes of a run, through resumes, and not of waiting."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from support import TINY, frozen_runs

from landscape.config import hardware
from landscape.runtime.train_run import Training
from landscape.runtime.worker import work
from landscape.store import DONE, Store
from landscape.training import checkpoint
from landscape.training.meter import Meter
from sweeps.cli.status import status as tell_status
from sweeps.launchers.registry import launcher_of
from sweeps.planning.needs import survey
from sweeps.planning.plan import make_plan

CPU = torch.device("cpu")


def test_waiting_is_not_work() -> None:
    """A span has the CPU seconds that a span around it and one inside it have, whatever the clock says."""
    meter, before = Meter(CPU), time.process_time()
    meter.start()
    start = time.process_time()
    time.sleep(0.3)
    while time.process_time() - start < 0.05:
        pass
    inside = time.process_time() - start
    found = meter.stop() + meter.rest()
    assert inside <= found <= time.process_time() - before


def test_rows_status_and_checkpoint_have_both_clocks(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    (run,) = frozen_runs(store, *TINY, "checkpoint.keep=all")
    assert work(store, run.id, lambda text: None) == DONE
    status, rows = run.status(), run.rows()
    assert (status.train_busy_s or 0) > 0 and (status.eval_busy_s or 0) > 0
    busy = [row.train_busy_s for row in rows]
    assert None not in busy and busy == sorted(seconds or 0 for seconds in busy)
    assert busy[0] == 0 < (rows[0].eval_busy_s or 0)
    saved, _ = checkpoint.load_newest(run)
    assert saved is not None and saved["clocks"]["train_busy_s"] == status.train_busy_s
    capsys.readouterr()
    assert tell_status([f"store={store.root}", "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)["runs"]
    for clock in ("train_s", "eval_s", "train_busy_s", "eval_busy_s"):
        assert told[clock] == getattr(status, clock) > 0


@pytest.mark.slow
def test_a_run_of_before_goes_on_without_them(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not on record of its beginning is not made up: no seconds of processors, rather than too few."""
    (run,) = frozen_runs(store, *TINY)
    real = Training.after_step

    def stopped(self: Any, state: Any) -> None:
        if state.step == 4:
            self.stop.signal = 15
        real(self, state)

    monkeypatch.setattr(Training, "after_step", stopped)
    assert work(store, run.id, lambda text: None) == "preempted"
    monkeypatch.setattr(Training, "after_step", real)
    saved, _ = checkpoint.load_newest(run)
    assert saved is not None
    for name in ("train_busy_s", "eval_busy_s"):
        del saved["clocks"][name]
    checkpoint.save(run.newest_checkpoint, saved)
    assert work(store, run.id, lambda text: None) == DONE
    assert run.status().train_busy_s is None and (run.status().train_s or 0) > 0
    assert run.rows()[-1].train_busy_s is None


@pytest.mark.slow
def test_those_of_two_processes_are_summed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    own: list[float] = []
    real = Meter.stop

    def stop(self: Meter) -> float:
        own.append(real(self))
        return 1000.0  # in this process alone: what is above it in the sum is of the other

    monkeypatch.setattr(Meter, "stop", stop)
    (run,) = frozen_runs(store, *TINY, "train.world_size=2", "metrics=none")
    assert work(store, run.id, lambda text: None) == DONE
    assert len(own) == 12 and 12_000 < (run.status().train_busy_s or 0) < 24_000


@pytest.mark.parametrize(
    ("flags", "units"),
    [
        ("flags\t\t: fpu avx2", False),
        ("flags\t\t: fpu avx512f avx512_bf16", True),
        ("Features\t: fp asimd bf16", True),
        ("model\t: x", None),
    ],
)
def test_bf16_without_units_is_told_before_training(
    flags: str, units: bool | None, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "read_text", lambda self, *a, **k: flags)
    hardware.bf16_units.cache_clear()
    assert hardware.bf16_units() is units
    monkeypatch.undo()
    said = []
    for precision in ("bf16", "fp32"):
        plan = make_plan([*TINY, f"train.precision={precision}", "device=cpu", f"store={store.root}"], multirun=False)
        survey(plan)
        said.append(
            any(
                line.startswith("warning: train.precision=bf16")
                for line in launcher_of(plan.runs[0].config["launcher"]).warnings(plan)
            )
        )
    assert said == [units is False, False]
    if units is False:
        (run,) = frozen_runs(store, *TINY, "train.precision=bf16", "train.steps=2", "metrics=none")
        heard: list[str] = []
        work(store, run.id, heard.append)
        assert any("train.precision=bf16" in text for text in heard) and run.status().warnings
    hardware.bf16_units.cache_clear()
