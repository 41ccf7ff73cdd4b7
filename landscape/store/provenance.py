"""Where a run came from: the code's commit, the packages, the machine. No torch."""

from __future__ import annotations

import os
import platform
import socket
import subprocess
from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import landscape
from landscape.config.hardware import cpu

SHARING = "LANDSCAPE_SHARING"  # in a worker's environment: how many runs its launcher puts on one GPU or core
PACKAGES = ("torch", "numpy", "scipy", "scikit-learn", "hydra-core", "pandas", "opda", "torch-fidelity")


def _git(*arguments: str) -> str | None:
    root = Path(landscape.__file__).parent.parent
    if not (root / ".git").exists():  # a wheel inside somebody else's repository is not at their commit
        return None
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


class Origin(StrEnum):
    """What planned a run, as `meta.json` says under `origin`."""

    COMMAND = "command"  # a command line, which is there too
    SEARCH = "search"  # a trial, by the sampler of a sweep's search


def origin_of(meta: Mapping[str, Any]) -> Origin:
    """What planned the run; one that only a later version knows is no command that could be given again."""
    origin = meta.get("origin")
    if origin is None:
        return origin_of_old_command(meta.get("command") or [])
    return Origin.COMMAND if origin.get("kind") == Origin.COMMAND else Origin.SEARCH


def origin_of_old_command(command: Sequence[str]) -> Origin:
    """As stores say it that have no `origin`: a trial has ["search=SAMPLER", "sweep=NAME"] for its command."""
    return Origin.SEARCH if any(argument.startswith("sweep=") for argument in command) else Origin.COMMAND


@cache
def code() -> dict[str, Any]:
    """The package's version and, in a checkout, its commit and whether the tree differed from it."""
    changes = _git("status", "--porcelain", "--untracked-files=no")
    return {
        "version": landscape.__version__,
        "commit": _git("rev-parse", "HEAD"),
        "dirty": None if changes is None else bool(changes),
    }


@cache
def packages() -> dict[str, str]:
    """Versions of Python and of the packages that numbers may depend on."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def machine_entry(
    device: str, gpu: str | None, threads: int, precision: str, world_size: int, batch_size: int
) -> dict[str, Any]:
    """One entry of `meta.json`'s "machines": what bits, or seconds, can depend on."""
    return {
        "host": socket.gethostname(),
        "cpu": cpu(),
        "gpu": gpu,
        "device": device,
        "threads": threads,
        "sharing": int(os.environ.get(SHARING, "1")),  # runs on one GPU or core, as far as its launcher knows
        "world_size": world_size,
        "device_batch_size": batch_size // world_size,
        "precision": precision,
        "code": code(),
        "packages": packages(),
    }
