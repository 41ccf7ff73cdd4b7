"""The console scripts of pyproject.toml: each target imports and is callable, and tells this project's version."""

from __future__ import annotations

import importlib
import sys
import tomllib

import pytest
from support import ROOT

import analysis.report
import landscape.sample
from landscape.config.cli import ANY
from landscape.config.keys import keys
from sweeps.cli.arguments import COMMANDS, VERBS
from sweeps.cli.completion import SCRIPTS as COMPLETED
from sweeps.planning.config_groups import groups

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
    assert {name: module.removesuffix(".__main__") for name, module in MODULES.items()} == COMPLETED


def call(target: str, arguments: list[str] | None = None) -> int | str | None:
    """The exit code of an entry point, called in this process."""
    module, _, name = target.partition(":")
    try:
        code: int | str | None = getattr(importlib.import_module(module), name)(arguments)
    except SystemExit as e:  # argparse's way
        code = e.code
    return code


EACH = pytest.mark.parametrize(
    "target", [*SCRIPTS.values(), "analysis.dirac.__main__:main", "analysis.lab.__main__:main"]
)


@EACH
def test_a_command_tells_the_version(
    target: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["command", "--version"])  # as an installed script and `python -m` leave it
    assert call(target) == 0
    assert capsys.readouterr().out == f"gan-landscape {landscape.__version__}\n"


@EACH
def test_a_command_takes_its_arguments_from_its_caller(
    target: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["command"])
    assert call(target, ["--help"]) == 0
    assert capsys.readouterr().out.strip()


PARSERS = {name: command.parser for name, command in {**COMMANDS, **VERBS}.items()}
PARSERS |= {"sample": landscape.sample.parser, "report": analysis.report.parser}


@pytest.mark.parametrize("name", PARSERS)
def test_no_flag_means_what_a_key_means(name: str) -> None:
    parser = PARSERS[name]()
    taken = [*keys(), *groups()] if parser.keys == ANY else parser.keys
    flags = {flag.lstrip("-").replace("-", "_") for flag in parser._option_string_actions}
    assert not flags & set(taken)
    for old in parser.old:  # what it says has one form now
        assert old.form not in parser._option_string_actions and old.form.rstrip("=") not in parser.keys
        assert not old.new.startswith("--") or old.new in parser._option_string_actions


@pytest.mark.parametrize("name", PARSERS)
def test_every_command_tells_its_flags_and_takes_v_and_q(name: str) -> None:
    parser = PARSERS[name]()
    assert {"-h", "--help", "--version", "-v", "--verbose", "-q", "--quiet"} <= set(parser._option_string_actions)
    assert all(action.help for action in parser._actions)
