"""Provenance of a run: code version, packages and machine. No torch."""

from __future__ import annotations

import os
import platform
import socket
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import landscape
from landscape.config.hardware import cpu
from landscape.store.run_meta import Code, Machine

SHARING = "LANDSCAPE_SHARING"  # environment variable of a worker: number of runs that share one GPU or core
PACKAGES = ("torch", "numpy", "scipy", "scikit-learn", "hydra-core", "pandas", "opda", "torch-fidelity")


def _git(*arguments: str) -> str | None:
    root = Path(landscape.__file__).parent.parent
    if not (root / ".git").exists():  # a wheel inside another repository is not at its commit
        return None
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


@cache
def code() -> Code:
    """Version of the package and, in a checkout, its commit and whether there were local changes."""
    changes = _git("status", "--porcelain", "--untracked-files=no")
    dirty = None if changes is None else bool(changes)
    return Code(version=landscape.__version__, commit=_git("rev-parse", "HEAD"), dirty=dirty)


@cache
def packages() -> dict[str, str]:
    """Versions of Python and of the packages that results may depend on."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def machine_entry(
    device: str, gpu: str | None, threads: int, precision: str, world_size: int, batch_size: int
) -> Machine:
    """This machine, as an entry of "machines" in `meta.json`."""
    return Machine(
        host=socket.gethostname(),
        cpu=cpu(),
        gpu=gpu,
        device=device,
        threads=threads,
        sharing=int(os.environ.get(SHARING, "1")),
        world_size=world_size,
        device_batch_size=batch_size // world_size,
        precision=precision,
        code=code(),
        packages=packages(),
    )
