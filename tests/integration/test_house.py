"""The house: who may import whom, no torch where planning and reporting live, and a wheel that works alone."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support import ROOT

from sweeps.__main__ import VERBS

LIGHT = [
    "landscape.store",
    "landscape.store.atomic_io",
    "landscape.store.leases",
    "landscape.config.identity",
    "landscape.store.protocols",
]
LIGHT += [
    "landscape.config",
    "landscape.config.validation",
    "landscape.data",
    "landscape.store.locks",
    "landscape.prefetch",
]
LIGHT += ["landscape.store.provenance", "landscape.store.weights", "landscape.store.lookup", "landscape.evaluate"]
LIGHT += ["landscape.tracking.wandb", "landscape.tracking.process"]


def imports(file: Path) -> set[str]:
    """Top-level names of what a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found


def files(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def test_packages_know_only_what_lies_below_them() -> None:
    forbidden = {"landscape": {"sweeps", "analysis"}, "sweeps": {"analysis", "torch"}, "analysis": {"sweeps", "torch"}}
    doors = [ROOT / "landscape" / name for name in ("sweep.py", "prefetch.py", "evaluate.py")]
    wrong = [
        (str(file.relative_to(ROOT)), name)
        for package, names in forbidden.items()
        for file in files(package)
        if file not in doors
        for name in imports(file) & names
    ]
    assert wrong == []


def test_planning_and_reporting_load_no_torch() -> None:
    modules = ", ".join(
        [
            *LIGHT,
            "sweeps.planning.plan",
            "sweeps.cli.sweep",
            "sweeps.cli.evaluate",
            "sweeps.__main__",
            *(verb.function.partition(":")[0] for verb in VERBS.values()),
            "analysis.report",
            "analysis.dirac.__main__",
        ]
    )
    code = f"import sys, {modules}; sweeps.planning.plan.make_plan([], False); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_a_wheel_works_without_the_checkout(tmp_path: Path) -> None:
    source = tmp_path / "source"  # setuptools writes beside what it builds
    source.mkdir()
    for name in ("landscape", "sweeps", "analysis", "conf"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check"]
    made = subprocess.run(
        [*pip, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", str(tmp_path), str(source)],
        capture_output=True,
        text=True,
    )
    if "No module named 'setuptools'" in made.stderr:
        pytest.skip("setuptools is not installed")
    assert made.returncode == 0, made.stderr
    (wheel,) = tmp_path.glob("*.whl")
    site = tmp_path / "site"
    subprocess.run([*pip, "install", "--no-deps", "--no-index", "--target", str(site), str(wheel)], check=True)
    # First on the path, the wheel's packages come before those of an editable install.
    environment = {**os.environ, "PYTHONPATH": str(site)}
    code = "import sweeps.planning.config_groups as c; print(c.conf_dir()); "
    code += "import sys; sys.argv = ['x', 'plan', '-m', 'norm=none,sn']; "
    code += "from sweeps.__main__ import main; sys.exit(main())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr
    assert str(site / "landscape" / "conf") in done.stdout and "2 runs: 2 to train" in done.stdout
    assert (site / "analysis" / "templates" / "report.html").exists()
    assert (site / "analysis" / "dirac" / "__main__.py").exists()
