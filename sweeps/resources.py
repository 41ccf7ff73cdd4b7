"""How many runs fit this machine at once, and what each is given."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass

from landscape.errors import UserError
from landscape.provenance import cores


@dataclass(frozen=True)
class Slots:
    """`count` runs at once; where there are GPUs, run number i gets `gpus[i % len(gpus)]`."""

    count: int
    gpus: tuple[str, ...]
    why: str

    def environment(self, slot: int, threads: int) -> dict[str, str]:
        """What a run in a slot finds in its environment: its threads, and only its own GPU."""
        own = {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
        if self.gpus:
            own["CUDA_VISIBLE_DEVICES"] = self.gpus[slot % len(self.gpus)]
        return own


def visible_gpus() -> tuple[str, ...]:
    """GPUs that a run could use, without loading torch: CUDA_VISIBLE_DEVICES, else what nvidia-smi lists."""
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


def slots(jobs: int | None, threads: int, device: str) -> Slots:
    """`jobs` runs at once where given; else one a GPU, or as many as cores allow at `threads` each.

    `device=cuda:N` keeps to the N-th GPU. Raises `UserError` for a GPU that is not there.
    """
    gpus = () if device == "cpu" else visible_gpus()
    if device.startswith("cuda:"):
        gpus = gpus[int(device[5:]) :][:1]
    if device.startswith("cuda") and not gpus:
        raise UserError(
            f"device={device} is not on this machine; legal here: auto, cpu" + ", cuda" * bool(visible_gpus())
        )
    if jobs is not None:
        return Slots(jobs, gpus, "launcher.jobs")
    if gpus:
        return Slots(len(gpus), gpus, f"{len(gpus)} GPU{'s' * (len(gpus) > 1)}")
    n = cores()
    return Slots(max(1, n // threads), (), f"{n} core{'s' * (n > 1)}, {threads} thread{'s' * (threads > 1)} a run")
