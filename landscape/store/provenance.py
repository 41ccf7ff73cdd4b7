"""Where a run came from: the code's commit, the packages, the machine. No torch."""

from __future__ import annotations

import os
import platform
import re
import socket
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import landscape

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


@cache
def cpu() -> str:
    """The processor's name."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


@cache
def bf16_units() -> bool | None:
    """Whether the processor multiplies in bfloat16, by what Linux says of it; None where it does not say."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return None
    named = [
        set(line.partition(":")[2].split()) for line in text.splitlines() if re.match(r"(flags|Features)\s*:", line)
    ]
    return bool(named[0] & {"avx512_bf16", "amx_bf16", "bf16", "svebf16"}) if named else None


def slow_bf16(precision: str, on_cpu: bool) -> str | None:
    """What to say before a run in bf16 is trained on a processor that has no units for it, else None."""
    if precision != "bf16" or not on_cpu or bf16_units() is not False:
        return None
    return (
        "train.precision=bf16 on a processor without bf16 units, which emulates it: such a run can take many times as "
        "long as with train.precision=fp32 (22 times was measured), and it is another run"
    )


def cores() -> int:
    """Cores that this process may use: its affinity, cut to the container's quota where there is one."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        if quota != "max":
            count = min(count, max(1, int(quota) // int(period)))
    except (OSError, ValueError):
        pass
    return count


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
