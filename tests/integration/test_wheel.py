"""A wheel that works without the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from support import ROOT


def test_every_package_is_listed() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    there = {
        ".".join(file.parent.relative_to(ROOT).parts)
        for top in ("landscape", "sweeps", "analysis")
        for file in (ROOT / top).rglob("__init__.py")
    }
    assert sorted(listed) == sorted({*there, "landscape.conf"})


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
    assert (site / "analysis" / "html" / "templates" / "report.html").exists()
    assert (site / "analysis" / "dirac" / "__main__.py").exists()
