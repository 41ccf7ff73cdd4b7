"""A score is one file and a line of `conf/metrics`: then it is trained with, stored, reported and mirrored.

The recipe of CONTRIBUTING.md, followed in a copy of the three packages, by public commands.
"""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from support import ROOT

RECIPE = (ROOT / "CONTRIBUTING.md").read_text().partition("## Adding a score")[2].partition("\n## ")[0]
TINY = (
    "train.steps=12", "train.batch_size=16", "arch.width=0.02", "metrics.every=6", "metrics.n_fake=64",
    "metrics.is_splits=1", "launcher.jobs=1",
)  # fmt: skip


# A copy of the tree in which processes train: slow, and made once (by one worker of pytest-xdist).
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("new_score")]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, warm_cache: Path) -> Path:
    """The store of two runs that were asked for the new score, its report beside it."""
    tree = tmp_path_factory.mktemp("new-score")
    for name in ("landscape", "sweeps", "analysis", "conf"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    code, line = map(textwrap.dedent, re.findall(r"```\w+\n(.*?)   ```", RECIPE, re.DOTALL))
    file, choice = (
        tree / re.findall(pattern, RECIPE)[0] for pattern in (r"`(land\S+shift\.py)`", r"`(conf/\S+\.yaml)`")
    )
    file.write_text(code)
    with open(choice, "a") as f:
        f.write(line.replace("1.0", "2.0"))
    shutil.copytree(warm_cache, tree / "outputs" / "cache")
    asked = (*TINY, "seed=0,1", "metrics.scores=[fid,mean_shift]", f"store={tree / 'outputs'}")
    python(tree, "-m", "landscape.sweep", "-m", *asked)
    python(tree, "-m", "analysis.report", "--store", "outputs", "--out", "report")
    return tree


def python(tree: Path, *arguments: str) -> str:
    done = subprocess.run([sys.executable, *arguments], cwd=tree, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_its_values_are_in_every_row(store: Path) -> None:
    files = list(store.glob("outputs/runs/*/metrics.jsonl"))
    rows = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    assert len(files) == 2 and len(rows) == 6
    assert all(row["mean_shift"] > 0 and len(row["shifts"]) == 2 and "mean_shift" in row["cost"] for row in rows)


@pytest.mark.slow
def test_its_options_are_checked_and_set_a_protocol_apart(store: Path) -> None:
    texts = [json.loads(file.read_text()) for file in store.glob("outputs/runs/*/protocols/*.json")]
    assert {text["mean_shift_scale"] for text in texts} == {2.0} and all("mean_shift" in t["floor"] for t in texts)
    given = ("metrics.scores=[mean_shift]", "metrics.mean_shift_scale=-1", "store=outputs")
    wrong = subprocess.run(
        [sys.executable, "-m", "sweeps", "plan", *given], cwd=store, capture_output=True, text=True, timeout=300
    )
    assert wrong.returncode == 2 and "metrics.mean_shift_scale=-1" in wrong.stderr and "positive" in wrong.stderr


def test_it_is_in_the_reports_files_and_on_its_page(store: Path) -> None:
    with open(store / "report" / "runs.csv") as f:
        assert all(float(row["mean_shift"]) > 0 for row in csv.DictReader(f))
    (table,) = store.glob("report/tables/*-diagnostics.csv")
    with open(table) as f:
        rows = list(csv.DictReader(f))
    assert len(rows) == 2 and all(float(row["mean_shift"]) > 0 for row in rows)  # the cell, and other real images
    assert "shift of the mean feature" in table.with_suffix(".tex").read_text()
    assert "shift of the mean feature" in (store / "report" / "index.html").read_text()
    (runs,) = store.glob("report/data/runs-*.js")
    assert runs.read_text().count('"shift of the mean feature"') == 2 and '"mean_shift":[' in runs.read_text()


def test_it_is_on_the_terminal_as_it_is_written_on_the_page(store: Path) -> None:
    """`status` prints it, and the live table of `watch` and of a sweep has its column."""
    (runs,) = store.glob("report/data/runs-*.js")
    written = set(re.findall(r'"shift of the mean feature": ?"([^"]+)"', runs.read_text()))
    assert len(written) == 2 and all(re.fullmatch(r"\d+\.\d\d", text) for text in written)  # as its descriptor says
    newest = python(store, "-m", "sweeps", "status", "store=outputs").partition("newest scores")[2]
    assert "shift of the mean" in newest and "IS" not in newest.split()  # what was not measured has no column
    assert {line.split()[-1] for line in newest.splitlines() if " done " in line} == written
    code = """if True:
        from dataclasses import replace
        from rich.console import Console
        from landscape.store import Store
        from sweeps.launchers.progress import table_of
        from sweeps.monitor import StoreMonitor
        store = Store("outputs")
        snapshot = StoreMonitor(store).snapshot()
        for view in snapshot.runs:
            view.state = "running"
        Console(width=200).print(table_of(snapshot, {view.id: view.id for view in snapshot.runs}, None))
    """
    live = python(store, "-c", code)
    assert "shift of the mean feature" in live and all(text in live.split() for text in written)


def test_it_is_mirrored(store: Path) -> None:
    code = """if True:
        from landscape.store import Store
        from landscape.tracking.process import events
        for run in Store("outputs").run_folders():
            print(sorted(set().union(*(event.values for event in events(run, lambda: False)))))
    """
    assert python(store, "-c", code).count("'mean_shift'") == 2
