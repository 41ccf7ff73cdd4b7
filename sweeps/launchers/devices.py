"""How many runs fit on this machine at once, and which GPUs and threads each gets."""

from __future__ import annotations

import math
from dataclasses import dataclass

from landscape.config.errors import UserError
from landscape.config.hardware import cores, visible_gpus
from landscape.config.text import plural
from landscape.store.provenance import SHARING


@dataclass(frozen=True)
class Slots:
    """`count` concurrent runs; with GPUs, each slot gets the next `each` of them, round-robin."""

    count: int
    gpus: tuple[str, ...]
    why: str
    each: int = 1
    auto: bool = False  # the count is an upper bound, and memory decides

    def environment(self, slot: int, threads: int) -> dict[str, str]:
        """The environment variables of a run in a slot: its threads, its GPUs, and how many runs share them."""
        own = {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads), SHARING: str(self.sharing(threads))}
        if self.gpus:
            chosen = [self.gpus[(slot * self.each + i) % len(self.gpus)] for i in range(self.each)]
            own["CUDA_VISIBLE_DEVICES"] = ",".join(chosen)
        return own

    def sharing(self, threads: int) -> int:
        """How many runs share one GPU, or one core, when all slots are taken."""
        wanted, there = (
            (self.count * self.each, len(self.gpus)) if self.gpus else (self.count * self.each * threads, cores())
        )
        return min(self.count, math.ceil(wanted / there))


def slots(jobs: int | str | None, threads: int, device: str, world_size: int = 1) -> Slots:
    """`jobs` concurrent runs if given; else one per GPU, or per `threads` cores. With "auto" as many as memory may
    allow: one per `threads` cores, with or without GPUs.

    A run has `world_size` processes, each with its own GPU if there are any. `device=cuda:N` uses only the N-th GPU.
    Raises `UserError` for missing GPUs.
    """
    gpus = () if device == "cpu" else visible_gpus()
    if device.startswith("cuda:"):
        gpus = gpus[int(device[5:]) :][:1]
    if device.startswith("cuda") and not gpus:
        raise UserError(
            f"device={device} is not available on this machine; legal here: auto, cpu" + ", cuda" * bool(visible_gpus())
        )
    if gpus and len(gpus) < world_size:
        raise UserError(
            f"train.world_size={world_size} needs {world_size} GPUs, and this machine has {len(gpus)}; "
            "device=cpu uses cores instead"
        )
    n, own = cores(), threads * world_size
    if isinstance(jobs, str):
        return Slots(max(1, n // own), gpus, "auto", world_size, auto=True)
    if jobs is not None:
        return Slots(jobs, gpus, "launcher.jobs", world_size)
    if gpus:
        share = f", {world_size} per run" * (world_size > 1)
        return Slots(len(gpus) // world_size, gpus, f"{plural(len(gpus), 'GPU')}{share}", world_size)
    why = f"{plural(n, 'core')}, {plural(own, 'thread')} per run"
    return Slots(max(1, n // own), (), why, world_size)
