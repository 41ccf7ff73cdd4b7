"""The environment of the processes that this program starts. No torch."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import landscape


def code_root() -> str:
    """The folder that this program is imported from, for a process that starts elsewhere."""
    return os.fspath(Path(landscape.__file__).parent.parent)


def subprocess_env(own: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment, in which a child imports the same code first; `own` is added to it."""
    paths = [code_root(), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **(own or {})}
