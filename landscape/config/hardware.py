"""Hardware of this machine without loading torch: cores, bf16 support, GPUs."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from contextlib import suppress
from functools import cache
from pathlib import Path


@cache
def cpu() -> str:
    """Name of the processor."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


@cache
def bf16_units() -> bool | None:
    """Whether the processor has bf16 instructions, from /proc/cpuinfo; None if unknown."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return None
    named = [
        set(line.partition(":")[2].split()) for line in text.splitlines() if re.match(r"(flags|Features)\s*:", line)
    ]
    return bool(named[0] & {"avx512_bf16", "amx_bf16", "bf16", "svebf16"}) if named else None


def slow_bf16(precision: str, on_cpu: bool) -> str | None:
    """Warning for a run in bf16 on a processor that emulates bf16, else None."""
    if precision != "bf16" or not on_cpu or bf16_units() is not False:
        return None
    return (
        "train.precision=bf16 is emulated on this processor and can be many times slower than fp32 (22 times was "
        "measured); train.precision=fp32 is faster, and is a different run"
    )


def cores() -> int:
    """Number of cores that this process may use: its CPU affinity, limited by the container's quota."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        if quota != "max":
            count = min(count, max(1, int(quota) // int(period)))
    except (OSError, ValueError):
        pass
    return count


def free_memory() -> float | None:
    """MB of memory that programs can still get, also within the container's limit; None if unknown."""
    found = []
    with suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text().splitlines()
        found.append(float(next(line.split()[1] for line in lines if line.startswith("MemAvailable:"))) / 1024)
    with suppress(OSError, ValueError):
        group = Path("/sys/fs/cgroup")
        most, used = (int((group / name).read_text()) for name in ("memory.max", "memory.current"))
        found.append((most - used) / 1024**2)
    return min(found, default=None)


def visible_gpus() -> tuple[str, ...]:
    """GPUs that a run can use, without loading torch: CUDA_VISIBLE_DEVICES, else those that nvidia-smi lists."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return tuple(part.strip() for part in visible.split(",") if part.strip() not in ("", "-1"))
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return ()
    try:
        listed = subprocess.run([tool, "-L"], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    lines = [line for line in listed.stdout.splitlines() if line.startswith("GPU ")]
    return tuple(str(i) for i in range(len(lines))) if listed.returncode == 0 else ()
