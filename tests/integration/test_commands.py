"""The console scripts of pyproject.toml: each target imports and is callable, and tells this project's version."""

from __future__ import annotations

import importlib
import sys
import tomllib

import pytest
from support import ROOT

import landscape

SCRIPTS: dict[str, str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
MODULES = {  # each script is the module of its name, which `python -m` runs
    "landscape-sweep": "landscape.sweep",
    "landscape-evaluate": "landscape.evaluate",
    "landscape-sample": "landscape.sample",
    "landscape-prefetch": "landscape.prefetch",
    "landscape-report": "analysis.report",
    "landscape-sweeps": "sweeps.__main__",
}


def test_each_command_is_a_script_too() -> None:
    assert {f"{module}:main" for module in MODULES.values()} == set(SCRIPTS.values())
    assert {name: target.partition(":")[0] for name, target in SCRIPTS.items()} == MODULES


def call(target: str, arguments: list[str] | None = None) -> int | str | None:
    """The exit code of an entry point, called in this process."""
    module, _, name = target.partition(":")
    try:
        code: int | str | None = getattr(importlib.import_module(module), name)(arguments)
    except SystemExit as e:  # argparse's way
        code = e.code
    return code


COMMANDS = pytest.mark.parametrize("target", [*SCRIPTS.values(), "analysis.dirac.__main__:main"])


@COMMANDS
def test_a_command_tells_the_version(
    target: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["command", "--version"])  # as an installed script and `python -m` leave it
    assert call(target) == 0
    assert capsys.readouterr().out == f"gan-landscape {landscape.__version__}\n"


@COMMANDS
def test_a_command_takes_its_arguments_from_its_caller(
    target: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["command"])
    assert call(target, ["--help"]) == 0
    assert capsys.readouterr().out.strip()
