"""The documents beside the code: every package is on the map in its own words, every path that is named exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from support import ROOT

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
    for name in ("CONTRIBUTING.md", "docs/architecture.md"):
        text = (ROOT / name).read_text()
        named = set(re.findall(r"`((?:landscape|sweeps|analysis|tests|docs)/[\w/.-]*\w)`", text))
        assert named and [path for path in sorted(named) if not (ROOT / path).exists()] == []
