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
from landscape.config.text import plural


def test_a_count_and_its_noun() -> None:
    assert [plural(n, "run") for n in (0, 1, 2, 1000)] == ["0 runs", "1 run", "2 runs", "1,000 runs"]


def test_a_child_process_imports_this_code_from_anywhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "theirs"))
    environment = subprocess_env({"OMP_NUM_THREADS": "3"})
    assert environment["PYTHONPATH"].split(os.pathsep) == [code_root(), str(tmp_path / "theirs")]
    code = "import json, os, landscape; print(json.dumps([landscape.__file__, os.environ['OMP_NUM_THREADS']]))"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, check=True)
    assert json.loads(done.stdout) == [landscape.__file__, "3"]
    monkeypatch.delenv("PYTHONPATH")
    assert subprocess_env()["PYTHONPATH"] == code_root()
