"""Launchers that train in the command's own process: the same runs as the local pool's, stopped and taken up alike."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
from searching import equal_weights
from support import TINY, frozen_runs

from landscape.runtime import worker
from landscape.runtime.train_run import Training
from landscape.store import RunFolder, Store
from landscape.store.trials import read_rows
from landscape.training.state import State
from sweeps.__main__ import VERBS
from sweeps.cli import evaluate
from sweeps.cli.sweep import main
from sweeps.launchers.registry import launcher_of
from sweeps.search.worker import SearchWorker

HERE = ("inline",)
GRID = ("-m", "seed=0,1", *TINY)


def sweep(store: Store, *asked: str) -> int:
    return main([*asked, f"store={store.root}"])


def by_seed(store: Store) -> list[RunFolder]:
    return sorted(store.run_folders(), key=lambda run: int(run.config()["seed"]))


def states(store: Store) -> list[str]:
    return [run.status().state for run in by_seed(store)]


def interrupt(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Ctrl-C comes once, after this step of whichever run gets there first."""
    after, came = Training.after_step, list[int]()

    def interrupted(self: Any, state: State) -> None:
        if state.step == step and not came:
            came.append(step)
            signal.raise_signal(signal.SIGINT)
        after(self, state)

    monkeypatch.setattr(Training, "after_step", interrupted)


@pytest.mark.parametrize("kind", HERE)
@pytest.mark.slow
def test_its_runs_are_those_of_the_local_launcher_to_the_last_bit(
    kind: str, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = Store(tmp_path / "pool")
    shutil.copytree(store.cache, pool.cache)
    assert sweep(pool, *GRID) == 0
    real, pids = worker.work, []

    def work(*given: Any) -> str | None:
        pids.append(os.getpid())
        return real(*given)

    monkeypatch.setattr(worker, "work", work)
    assert sweep(store, *GRID, f"launcher={kind}") == 0
    assert pids == [os.getpid()] * 2, "each run in this very process"
    for here, there in zip(by_seed(store), by_seed(pool), strict=True):
        assert here.id == there.id and equal_weights(here, there)
        assert [row.values for row in here.rows()] == [row.values for row in there.rows()]
        assert here.log_file.read_text().splitlines()[-1].startswith("done at step 12")
    (folder,) = store.sweep_folders()
    assert not folder.controller_file.exists()
    assert sweep(store, *GRID, f"launcher={kind}") == 0 and len(pids) == 2, "nothing is left to do"


@pytest.mark.parametrize("kind", HERE)
def test_ctrl_c_saves_and_the_same_command_goes_on(
    kind: str, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = Store(tmp_path / "whole")
    shutil.copytree(store.cache, whole.cache)
    assert sweep(whole, *GRID, f"launcher={kind}") == 0
    interrupt(monkeypatch, 3)
    assert sweep(store, *GRID, f"launcher={kind}") == 130
    assert "run the same command to resume" in capsys.readouterr().err
    assert states(store) == ["preempted", "queued"] and by_seed(store)[0].status().step == 3
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert sweep(store, *GRID, f"launcher={kind}") == 0
    assert "resuming at step 3" in capsys.readouterr().err
    assert all(equal_weights(a, b) for a, b in zip(by_seed(store), by_seed(whole), strict=True))


@pytest.mark.parametrize("kind", HERE)
def test_a_ctrl_c_in_a_runs_last_step_starts_no_other_run(
    kind: str, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt(monkeypatch, 12)
    assert sweep(store, *GRID, f"launcher={kind}") == 130
    assert states(store) == ["done", "queued"]


@pytest.mark.parametrize("kind", HERE)
def test_a_run_that_fails_costs_itself_alone_and_is_tried_again(
    kind: str, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    frozen_runs(store, *GRID[1:])
    bad = by_seed(store)[0]
    bad.samples.rmdir()
    bad.samples.write_text("in the way")
    assert sweep(store, *GRID, f"launcher={kind}") == 1
    told = capsys.readouterr().err
    assert states(store) == ["failed", "done"] and f"log: {bad.log_file}" in told and "Traceback" in told
    bad.samples.unlink()
    bad.samples.mkdir()
    assert VERBS["retry"]([f"store={store.root}"]) == 0 and states(store) == ["done", "done"]


@pytest.mark.parametrize("kind", HERE)
def test_a_search_is_worked_off_and_stopped_and_taken_up(
    kind: str, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = (*TINY, "search=random", "search.trials=2", "stage=search", f"launcher={kind}")
    interrupt(monkeypatch, 3)
    assert sweep(store, *asked) == 130
    (name,) = store.sweep_names()
    assert sorted(run.status().state for run in store.run_folders()) == ["planned", "preempted"]
    assert sweep(store, *asked) == 0
    trials = [r for r in read_rows(store, name) if r.stage == "search"]
    assert [r.value is not None for r in trials] == [True, True]
    with SearchWorker(store, name, None, {}, lambda text: None) as another:
        assert another.work() == 0 and len(list(store.run_folders())) == 3, "no trial was begun twice"


@pytest.mark.parametrize("kind", HERE)
def test_it_plans_and_scores(kind: str, store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    (run,) = frozen_runs(store, *TINY)
    assert worker.work(store, run.id, lambda text: None) == "done"
    assert evaluate.main(["metrics.seed=7", f"launcher={kind}", f"store={store.root}"]) == 0
    assert len({row.protocol for row in run.rows()}) == 2
    assert launcher_of({"kind": kind}).attached
    capsys.readouterr()
    assert VERBS["plan"](["-m", "seed=1,2", *TINY, f"launcher={kind}", f"store={store.root}", "device=cpu"]) == 0
    assert "with 1 at once" in capsys.readouterr().out


def test_a_kind_that_no_launcher_has_is_refused_in_a_sentence(store: Store) -> None:
    with pytest.raises(Exception, match=r"launcher.kind=cloud is not a launcher; legal: local, inline, slurm"):
        launcher_of({"kind": "cloud"})
