"""An algorithm is one file, one row, one file of `conf/`: then it is planned, trained, sampled, scored and reported.

The recipe of CONTRIBUTING.md, followed in a copy of the tree, by public commands.
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

from sweeps.planning.plan import make_plan

pytestmark = pytest.mark.slow  # it trains a dozen runs in processes of their own
RECIPE = (ROOT / "CONTRIBUTING.md").read_text().partition("## Adding an algorithm")[2].partition("\n## ")[0]
TINY = (
    "train.steps=40", "train.batch_size=16", "arch.width=0.02", "metrics.every=20", "metrics.n_fake=64",
    "metrics.is_splits=1", "launcher.jobs=1", "optim.lr=0.01",
)  # fmt: skip


def python(tree: Path, *arguments: str, code: int = 0) -> str:
    done = subprocess.run([sys.executable, *arguments], cwd=tree, capture_output=True, text=True, timeout=300)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stderr if code else done.stdout


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory, warm_cache: Path) -> Path:
    """The tree with the new algorithm, and a store of one run of it beside one of a GAN."""
    tree = tmp_path_factory.mktemp("new-algorithm")
    for name in ("landscape", "sweeps", "analysis", "conf", "tests"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tree)
    code, choice, row = map(textwrap.dedent, re.findall(r"```\w+\n(.*?)   ```", RECIPE, re.DOTALL))
    file, registry, config, test = (
        tree / re.findall(pattern, RECIPE)[0]
        for pattern in (
            r"`(land\S+regression\.py)`",
            r"`(\S+registry\.py)`",
            r"`(conf/\S+\.yaml)`",
            r"`(tests/\S+\.py)`",
        )
    )
    file.write_text(code)
    config.write_text(choice)
    entry = re.findall(r'`("regression": .*?)`', RECIPE)[0]
    imported = "from landscape.algorithms.regression import REGRESSION\n\n"
    for where, line, before, inside in (
        (registry, "ALGORITHMS: dict[str, Algorithm] = {\n", imported, f"    {entry},\n"),
        (test, "TABLE = {\n", "", f"    {row}"),
    ):
        assert where.read_text().count(line) == 1
        where.write_text(where.read_text().replace(line, before + line + inside))
    shutil.copytree(warm_cache, tree / "outputs" / "cache")
    python(tree, "-m", "landscape.sweep", "-m", "algorithm=gan,regression", *TINY, "store=outputs")
    return tree


def runs(tree: Path) -> dict[str, Path]:
    """The folder of the run of each algorithm."""
    folders = list(tree.glob("outputs/runs/*"))
    found = {json.loads((one / "status.json").read_text())["axes"]["algorithm"]: one for one in folders}
    assert len(folders) == len(found) == 2
    return found


def test_it_trains_is_scored_and_leaves_the_gan_its_id(tree: Path) -> None:
    found = runs(tree)
    (gan,) = make_plan([*TINY, f"store={tree / 'outputs'}"], multirun=False).runs
    assert found["gan"].name == gan.id
    rows = [json.loads(line) for line in (found["regression"] / "metrics.jsonl").read_text().splitlines()]
    assert [(row["step"], row["g_step"]) for row in rows] == [(0, 0), (20, 20), (40, 40)]
    assert rows[-1]["loss_g"] < 0.9 * rows[1]["loss_g"] and "loss_d" not in rows[-1]
    assert all(row["fd_classifier"] > 0 for row in rows)


def test_its_samples_are_drawn_and_its_finished_run_is_scored_again(tree: Path) -> None:
    run = runs(tree)["regression"].name
    python(tree, "-m", "landscape.sample", run, "--n", "4", "--out", "drawn")
    assert len(list(tree.glob("drawn/0*.png"))) == 4
    python(tree, "-m", "landscape.evaluate", "--where", "algorithm=regression", "metrics.seed=7", "store=outputs")
    rows = [json.loads(line) for line in (runs(tree)["regression"] / "metrics.jsonl").read_text().splitlines()]
    assert len({row["protocol"] for row in rows}) == 2 and rows[-1]["g_step"] == 40


@pytest.mark.parametrize(
    "asked, sentence",
    [
        ("loss=wgan", "algorithm=regression means loss=none, so it contradicts loss=wgan"),
        ("reg=gp", "algorithm=regression means reg=none, so it contradicts reg=gp"),
        ("reg=sn", "algorithm=regression means norm=none, so it contradicts norm=sn"),
        ("metrics=diagnostics", "metrics.scores=d_accuracy needs a discriminator, and algorithm=regression has none"),
    ],
)
def test_what_means_nothing_to_it_is_refused_in_a_sentence(tree: Path, asked: str, sentence: str) -> None:
    told = python(tree, "-m", "sweeps", "plan", "algorithm=regression", asked, "store=outputs", code=2)
    assert sentence in told and "Traceback" not in told and len(told.splitlines()) <= 2


def test_a_value_that_it_does_not_use_makes_no_other_run(tree: Path) -> None:
    given = ("algorithm=regression", "optim.n_dis=1,5", "optim.lr_d=1e-4,1e-3", "optim.lr_g=1e-3", "store=outputs")
    told = python(tree, "-m", "sweeps", "plan", "-m", *TINY[:-1], *given)
    assert "1 run" in told and "optim.n_dis by algorithm=regression" in told and "optim.lr_d by" in told


def test_it_is_a_cell_of_the_report(tree: Path) -> None:
    python(tree, "-m", "analysis.report", "--store", "outputs", "--out", "report")
    with open(tree / "report" / "runs.csv") as f:
        cells = {row["cell"]: (row["algorithm"], row["loss"]) for row in csv.DictReader(f)}
    assert cells == {"NS W/O": ("gan", "ns"), "REGRESSION W/O": ("regression", "none")}
    assert "REGRESSION W/O" in (tree / "report" / "index.html").read_text()
    cells = json.loads(python(tree, "-m", "sweeps", "status", "store=outputs", "--json"))["cells"]
    assert [cell["algorithm"] for cell in cells] == ["gan", "regression"]


def test_its_row_of_the_test_holds(tree: Path) -> None:
    test = re.findall(r"`(tests/\S+\.py)`", RECIPE)[0]
    python(tree, "-m", "pytest", "-p", "no:cacheprovider", "-n", "0", "-q", test)
