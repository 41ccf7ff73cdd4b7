"""Claims about words that every command prints, and about what a child process is given."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import landscape
from landscape.config.subprocess_env import code_root, subprocess_env
from landscape.config.text import duration, plural


def test_a_count_and_its_noun() -> None:
    assert [plural(n, "run") for n in (0, 1, 2, 1000)] == ["0 runs", "1 run", "2 runs", "1,000 runs"]


def test_times_are_said_in_two_units_at_most() -> None:
    times = (0.0, 0.01, 0.4, 9.96, 59.4, 61.0, 600.0, 3599.6, 7500.0, 9000.0, 360_000.0)
    assert [duration(seconds) for seconds in times] == [
        *("0 s", "0.1 s", "0.4 s", "10 s", "59 s", "1 min 1 s", "10 min", "1 h", "2 h 5 min", "2 h 30 min", "4 d 4 h"),
    ]


def test_a_child_process_imports_this_code_from_anywhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "theirs"))
    environment = subprocess_env({"OMP_NUM_THREADS": "3"})
    assert environment["PYTHONPATH"].split(os.pathsep) == [code_root(), str(tmp_path / "theirs")]
    code = "import json, os, landscape; print(json.dumps([landscape.__file__, os.environ['OMP_NUM_THREADS']]))"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, check=True)
    assert json.loads(done.stdout) == [landscape.__file__, "3"]
    monkeypatch.delenv("PYTHONPATH")
    assert subprocess_env()["PYTHONPATH"] == code_root()
