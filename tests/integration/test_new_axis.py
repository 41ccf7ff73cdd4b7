"""An axis is one row: added to a copy of the tree, it is seen wherever runs are told apart.

`augment` is a choice with a folder of its own, by the recipe of CONTRIBUTING.md; `ema` is a key that there is, and one
row. Nothing else of the code is touched.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from support import ROOT

from sweeps.planning.plan import make_plan

EMA = '    Axis("ema", ("train.ema",), SETTING, "EMA", float),\n'
COMMAND = ["loss=ns,ls", "train.ema=0.9,0.99", "seed=0,1"]
# All in one process, as each would load half of the packages: argv are the store, the report's folder, the command.
SCRIPT = """
import json, sys
import analysis, synthetic
from analysis.report import main as report
from landscape.config.axes import axes_of
from landscape.config.identity import run_id
from landscape.config.schema import typed
from landscape.store import Store
from sweeps.__main__ import main as sweeps
from sweeps.planning.labels import labels
from sweeps.planning.plan import make_plan

store, out, *command = sys.argv[1:]
assert sweeps(["plan", "-m", "augment=none,flip", *command, f"store={store}"]) == 0
plan = make_plan(["augment=none,flip", *command, f"store={store}"], multirun=True)
for place, planned in enumerate(plan.runs):
    synthetic.add_run(Store(store), [100.0, 9.0 + place], planned.config)
of_old = {key: value for key, value in plan.runs[0].config.items() if key != "augment"}
assert run_id(of_old) == plan.runs[0].id and axes_of(of_old)["augment"] == "none"
assert typed(of_old) == typed(plan.runs[0].config)
print(*labels((planned.id, axes_of(planned.config)) for planned in plan.runs).values(), sep="\\n")
print("ids", json.dumps([planned.id for planned in plan.runs]))
for condition in ("augment=flip", "augment=flip ema=0.9", "augment=folded"):
    print(condition, sweeps(["status", "--store", store, "--where", *condition.split()]))
assert report(["--store", store, "--out", out, "--where", "augment=none,flip"]) == 0
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    copy = tmp_path / "tree"
    for name in ("landscape", "sweeps", "analysis", "conf"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    recipe = (ROOT / "CONTRIBUTING.md").read_text().partition("## Adding an axis")[2].partition("\n## ")[0]
    row, section, field, choice, default = map(textwrap.dedent, re.findall(r"```\w+\n(.*?)   ```", recipe, re.DOTALL))
    for name, before, text in (
        ("landscape/config/axes.py", '    Axis("n_dis"', re.findall(r' +Axis."augment".*\n', row)[0] + EMA),
        ("landscape/config/schema.py", "@dataclass\nclass Latent:", section + "\n\n"),
        ("landscape/config/schema.py", "    latent: Latent =", textwrap.indent(field, "    ")),
        ("conf/config.yaml", "  - optim: adam\n", textwrap.indent(default, "  ")),
    ):
        there = (copy / name).read_text()
        assert there.count(before) == 1
        (copy / name).write_text(there.replace(before, text + before))
    (copy / "conf" / "augment").mkdir()
    for kind in ("none", "flip"):
        (copy / "conf" / "augment" / f"{kind}.yaml").write_text(choice.replace("flip", kind))
    return copy


@pytest.mark.slow
def test_a_row_adds_an_axis_to_plans_ids_filters_tables_and_figures(tree: Path, tmp_path: Path) -> None:
    store, out = tmp_path / "store", tmp_path / "report"
    path = os.pathsep.join([str(tree), str(ROOT / "tests" / "helpers")])
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(store), str(out), *COMMAND],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path, "COLUMNS": "200"},
    )
    assert done.returncode == 0, done.stderr
    told = done.stdout
    # The plan's cells, and ids: those of old stay where the axis is plain.
    heads = next(line for line in told.splitlines() if line.startswith("data "))
    assert heads.split() == ["data", "arch", "loss", "penalty", "norm", "augment", "n_dis", "settings", "runs"]
    assert "digits  sndcgan  ns    none     none  flip         1         2     4" in told
    ids = json.loads(told.partition("ids ")[2].partition("\n")[0])
    old = [run.id for run in make_plan([*COMMAND, f"store={store}"], multirun=True).runs]
    assert len(set(ids)) == 16 and [run for run in ids if run in old] == old
    # Filters, and the labels of runs.
    assert "8 runs: 8 done" in told and "augment=flip 0" in told and "4 runs: 4 done" in told
    assert "\nloss=ls augment=flip ema=0.99 seed=1\n" in told and "augment=folded 2" in told
    assert "--where augment=folded: no run has augment=folded; existing values: flip, none" in done.stderr
    # Tables, and the figures' labels.
    runs, cells = (out / "runs.csv").read_text(), (out / "cells.csv").read_text()
    assert {"augment", "ema"} <= set(runs.partition("\n")[0].split(","))
    assert "NS W/O FLIP" in cells and ",EMA," in cells
    assert "NS W/O FLIP" in (out / "figures" / "01-digits-budget.svg").read_text()
    assert "EMA" in (out / "index.html").read_text()
