"""Environment of child processes. No torch."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import landscape


def code_root() -> str:
    """The folder that contains the imported packages, for child processes with another working folder."""
    return os.fspath(Path(landscape.__file__).parent.parent)


def subprocess_env(own: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment plus `own`, with PYTHONPATH set so that a child imports the same code."""
    paths = [code_root(), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **(own or {})}
