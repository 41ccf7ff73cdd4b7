"""`python -m landscape.sweep --help`: every group, choice and key, with default, range and meaning."""

from __future__ import annotations

import subprocess
import sys

import pytest
from support import ROOT

from landscape.config.keys import NOT_GIVEN, keys
from landscape.sweep import main
from sweeps.planning.config_groups import groups


def test_help_lists_every_group_choice_and_key_in_100_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    lines = text.splitlines()
    words = set(text.replace(",", " ").replace("(", " ").replace(")", " ").split())
    assert {choice for choices in groups().values() for choice in choices} <= words
    listed = {line.split()[0]: line for line in lines if line.startswith("  ") and line.split()[0] in keys()}
    assert set(listed) == {name for name in keys() if name not in NOT_GIVEN and not name.startswith("study.")}
    assert max(map(len, lines[lines.index(next(line for line in lines if line.startswith("GROUP="))) :])) <= 100
    flat = " ".join(text.split())
    for name, key in keys().items():
        if name in listed:
            assert key.help in flat, name
            assert key.range is None or key.range.words in flat, name
    assert listed["train.batch_size"].split()[1] == "64" and "[fp32, bf16]" in flat


def test_help_loads_neither_torch_nor_hydra() -> None:
    code = "import sys; from landscape.sweep import main; assert main(['--help']) == 0\n"
    code += "print(sorted({'torch', 'hydra', 'numpy', 'optuna'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


def test_the_body_of_a_job_loads_neither() -> None:
    code = "import sys, sweeps.launchers.slurm.job, sweeps.cli.status\n"
    code += "print(sorted({'torch', 'hydra', 'numpy', 'optuna', 'submitit'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr
