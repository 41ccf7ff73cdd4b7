"""A store made by the commit before the packages were split is read, resumed, reported and confirmed.

`fixtures/store-before-rooms.zip` holds, without its cache: a grid of four runs, one that diverged, one that was told
to save at step 60 of 120, a finished random search of two cells, and two runs that wait for a scheduler. All is done by
public commands, and the job by the line that stands in the sbatch script of that time.
"""

from __future__ import annotations

import importlib
import json
import shutil
import subprocess
import zipfile
from pathlib import Path

import pandas as pd
import pytest
from resuming import resumed_at
from support import ROOT, call

import analysis
from landscape.store import Store
from landscape.store.protocols import EvalRequest

FIXTURE = ROOT / "tests" / "fixtures" / "store-before-rooms.zip"
TINY = (
    "train.steps=12", "train.batch_size=16", "arch.width=0.02", "metrics.every=6", "metrics.n_fake=64",
    "metrics.is_splits=1", "metrics.pairs_per_class=4", "launcher.jobs=1",
)  # fmt: skip
HALF, SLURM, SEARCH = "c8d22de4ca1c4303", "sweep-28b2f66f59df432c", "sweep-aca23e442b58e7f6"


@pytest.fixture
def old(tmp_path: Path, warm_cache: Path) -> Store:
    with zipfile.ZipFile(FIXTURE) as packed:
        packed.extractall(tmp_path / "old")
    shutil.copytree(warm_cache, tmp_path / "old" / "cache")
    return Store(tmp_path / "old")


def python(m: str, module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`python -m module`, in this process."""
    assert m == "-m"
    return call(importlib.import_module("sweeps.__main__" if module == "sweeps" else module).main, *arguments)


def states(store: Store) -> dict[str, int]:
    found: dict[str, int] = {}
    for run in store.run_folders():
        state = str(json.loads(run.status_file.read_text())["status"])
        found[state] = found.get(state, 0) + 1
    return found


def test_its_runs_are_read_with_their_scores_and_origins(old: Store) -> None:
    assert states(old) == {"done": 8, "diverged": 1, "planned": 2, "preempted": 1, "queued": 2}
    frame = analysis.load(old.root)
    assert len(frame) == 14
    done = frame[frame["status"] == "done"]
    assert pd.to_numeric(done["fid"]).between(150, 180).all()
    for run in old.run_folders():
        rows = run.rows()
        assert all("fd_classifier" in row.values and "fid" not in row.values for row in rows)  # as which it was stored
        assert not rows or "fd_classifier" in (run.protocol(rows[0].protocol).floor or {})
        assert not rows or "fd_classifier" in run.status().scores
    assert (frame["stage"] == "search").sum() == 4


def test_its_files_would_be_written_as_they_are_and_its_ids_are_those_of_today(old: Store) -> None:
    for folder in old.sweep_folders():
        assert folder.plan().to_json() == json.loads(folder.plan_file.read_text())
    folder = old.sweep(SLURM)
    assert folder.jobs().to_json() == json.loads(folder.jobs_file.read_text())
    lines = [json.loads(line) for line in folder.submissions_file.read_text().splitlines()]
    assert [event.to_json() for event in folder.submitted()] == lines
    assert old.sweep(SEARCH).searches().to_json() == json.loads(old.search_file(SEARCH).read_text())
    claims, scored = 0, 0
    for run in old.run_folders():
        for file in run.claims.glob("*.json"):
            claims += run.claim(int(file.stem)).to_json() == json.loads(file.read_text())
        assert all(run.protocol(row.protocol).id == row.protocol for row in run.rows())
        asked = EvalRequest.of(run.config())
        assert asked is not None
        scored += run.status().state == "done" and asked.missing(run.status()) == []
    assert (claims, scored) == (sum(1 for _ in old.runs.glob("*/claims/*.json")), 8)


def test_commands_find_everything_finished_that_was(old: Store) -> None:
    grid = python("-m", "landscape.sweep", "-m", *TINY, "loss=ns,wgan", "reg=gp,sn", f"store={old.root}")
    assert grid.returncode == 0, grid.stdout + grid.stderr
    searched = (*TINY, "loss=ns,ls", "search=random", "search.trials=2", "stage=search", "search.startup=1")
    again = python("-m", "landscape.sweep", "-m", *searched, "search.storage=journal", f"store={old.root}")
    assert again.returncode == 0, again.stdout + again.stderr
    assert states(old) == {"done": 8, "diverged": 1, "planned": 2, "preempted": 1, "queued": 2}
    shown = python("-m", "sweeps", "status", f"store={old.root}")
    assert shown.returncode == 0 and "1 preempted" in shown.stdout, shown.stdout + shown.stderr


def test_a_run_goes_on_from_its_checkpoint(old: Store) -> None:
    half = (*TINY, "loss=ls", "train.steps=120", "metrics.every=60", f"store={old.root}")
    done = python("-m", "landscape.sweep", *half)
    assert done.returncode == 0, done.stdout + done.stderr
    run = old.run(HALF)
    assert resumed_at(run) == [60]
    assert [row.step for row in run.rows()] == [0, 60, 120]
    assert json.loads(run.status_file.read_text())["status"] == "done"


@pytest.mark.slow
def test_a_queued_job_trains_by_the_line_that_its_script_holds(old: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    line = json.loads((old.root / "sweeps" / SLURM / "submissions.jsonl").read_text().splitlines()[0])
    given = ("--store", str(old.root), "--sweep", SLURM, "--submission", line["token"])
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "0")
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "1")
    job = python("-m", "sweeps.launchers.slurm.job", *given)
    assert job.returncode == 0, job.stdout + job.stderr
    assert states(old)["queued"] == 1 and states(old)["done"] == 9


@pytest.mark.slow
def test_it_is_reported_and_confirmed(old: Store, tmp_path: Path) -> None:
    made = python("-m", "analysis.report", f"store={old.root}", "--out", str(tmp_path / "page"))
    assert made.returncode == 0 and (tmp_path / "page" / "index.html").exists(), made.stdout + made.stderr
    columns = set(pd.read_csv(tmp_path / "page" / "runs.csv"))
    assert {"fd_classifier", "fd_classifier_best"} <= columns and "fid" not in columns
    asked = ("confirm.top=1", "confirm.seeds=1", f"store={old.root}")
    confirmed = python("-m", "sweeps", "confirm", SEARCH, *asked)
    assert confirmed.returncode == 0, confirmed.stdout + confirmed.stderr
    assert states(old)["done"] == 10
