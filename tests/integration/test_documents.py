"""The documents beside the code: every package is on the map in its own words, every path that is named exists."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path

import pytest
import yaml
from support import ROOT, VERSIONS

import landscape
from analysis.lab import PANELS

DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
TOPS = ("landscape", "sweeps", "analysis")
PACKAGES = sorted(file.parent for top in TOPS for file in ROOT.glob(f"{top}/*/__init__.py"))


def test_there_are_packages_on_the_map() -> None:
    assert len(PACKAGES) > 15


@pytest.mark.parametrize("package", PACKAGES, ids=lambda folder: folder.name)
def test_the_map_says_of_a_package_what_its_docstring_says(package: Path) -> None:
    said = ast.get_docstring(ast.parse((package / "__init__.py").read_text()))
    assert said is not None
    assert f"| `{package.name}/` | {said.splitlines()[0]} |" in (ROOT / "docs" / "architecture.md").read_text()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda file: file.name)
def test_links_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#\s]+\.[a-z]{2,4})[)#]", document.read_text())
    assert [link for link in links if not (document.parent / link).exists()] == []


def test_files_that_the_guides_name_exist() -> None:
    made = {
        "landscape/algorithms/regression.py",
        "landscape/networks/linear.py",
        "landscape/scores/mean_shift.py",
        "sweeps/launchers/shortest.py",
    }  # by who follows a recipe
    for name in ("CONTRIBUTING.md", "docs/architecture.md"):
        text = (ROOT / name).read_text()
        named = set(re.findall(r"`((?:landscape|sweeps|analysis|tests|docs)/[\w/.-]*\w)`", text)) - made
        assert named and [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_what_the_page_on_the_notes_names_exists() -> None:
    """Tests, panels of the laboratory, named grids, and no row without an answer."""
    text = (ROOT / "docs" / "seeds.md").read_text()
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", text)
    wrong = [f"{file}::{test}" for file, test in named if not (ROOT / file).exists()]
    wrong += [test for file, test in named if test and f"def {test}(" not in (ROOT / file).read_text()]
    wrong += [name for name in re.findall(r"study=(\w+)", text) if not (ROOT / f"conf/study/{name}.yaml").exists()]
    panels = {name for row in re.findall(r"panels? (`[^;|:,.(]*)", text) for name in re.findall(r"`(\w+)`", row)}
    assert len(named) > 30 and wrong == [] and panels == {*PANELS}
    rows = [line for line in text.splitlines() if line.startswith("| ") and line != "| item | answer |"]
    assert len(rows) > 70 and all(len(row.replace("\\|", "").strip("| ").split(" | ")) == 2 for row in rows)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the tree, in which a recipe is followed."""
    for name in ("landscape", "sweeps", "conf", "tests"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def recipe(of: str) -> tuple[str, list[str]]:
    """The recipe's text, and its blocks of code in order."""
    text = (ROOT / "CONTRIBUTING.md").read_text().partition(f"## Adding a {of}")[2].partition("\n## ")[0]
    return text, [*map(textwrap.dedent, re.findall(r"```\w+\n(.*?)   ```", text, re.DOTALL))]


def put(file: Path, line: str, before: str, inside: str) -> None:
    """Put text before the one line that opens a table, and rows behind it."""
    text = file.read_text()
    assert text.count(line) == 1
    file.write_text(text.replace(line, before + line + inside))


def passes(tree: Path, *command: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    done = subprocess.run([sys.executable, "-m", *command], cwd=tree, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


TESTED = ("pytest", "-p", "no:cacheprovider", "-n", "0")


@pytest.mark.slow
def test_the_recipe_of_a_loss_holds(copy: Path) -> None:
    """Its three blocks, put where it says, in a copy of the tree: the loss can be planned and its test passes."""
    text, (code, choice, row) = recipe("loss")
    functions, _, entry = code.partition("LOSSES = {..., ")
    losses, test = (copy / re.findall(rf"`([\w/]+/{name}\.py)`", text)[0] for name in ("adversarial", "test_losses"))
    put(losses, "LOSSES: dict[str, Loss] = {\n", functions, entry.strip().removesuffix("}") + ",\n")
    put(test, "TABLE = {\n", "", row)
    (copy / "conf" / "loss" / "tutorial.yaml").write_text(choice)
    passes(copy, "sweeps", "plan", "loss=tutorial")
    passes(copy, *TESTED, str(test))


@pytest.mark.slow
def test_the_recipe_of_a_launcher_holds(copy: Path) -> None:
    """One file, one row, one YAML file and a name in a test, in a copy of the tree: it trains as the others do."""
    text, (code, row, choice, here) = recipe("launcher")
    file = re.findall(r"`(sweeps/launchers/shortest\.py)`", text)[0]
    test = copy / "tests/sweeps/launchers/test_attached.py"
    (copy / file).write_text(code)
    put(copy / "sweeps" / "launchers" / "registry.py", "LAUNCHERS = {\n", "", row)
    (copy / "conf" / "launcher" / "shortest.yaml").write_text(choice)
    old = next(line for line in test.read_text().splitlines(keepends=True) if line.startswith("HERE = "))
    test.write_text(test.read_text().replace(old, here))
    passes(copy, "sweeps", "plan", "launcher=shortest")
    passes(copy, *TESTED, str(test), "-k", "shortest and (last_bit or ctrl_c_saves or costs)")
    passes(copy, *TESTED, str(copy / "tests/integration/test_walls.py"), "-k", "launcher")


def test_what_runs_with_the_largest_python_is_there() -> None:
    """A file that was renamed does not drop out of it silently."""
    assert [name for name in VERSIONS if not (ROOT / "tests" / name).exists()] == []
    assert "-m 'versions and not slow'" in (ROOT / ".ci" / "run").read_text()


def test_the_citation_is_of_this_version() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    licensed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["license"]
    assert (cited["version"], cited["license"]) == (landscape.__version__, licensed)


def test_hooks_are_of_this_machine_and_know_the_end_of_a_file() -> None:
    """Local hooks alone: none is downloaded."""
    repos = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [repo["repo"] for repo in repos] == ["local"]
    end = next(hook["entry"] for hook in repos[0]["hooks"] if hook["id"] == "end-of-file")
    assert [bool(re.search(end, text, re.MULTILINE)) for text in ("a", "a\n\n", "a\n", "")] == [
        True,
        True,
        False,
        False,
    ]
