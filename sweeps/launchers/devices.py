"""How many runs fit this machine at once, and what each is given."""

from __future__ import annotations

import math
from dataclasses import dataclass

from landscape.config.errors import UserError
from landscape.config.hardware import cores, visible_gpus
from landscape.config.text import plural
from landscape.store.provenance import SHARING


@dataclass(frozen=True)
class Slots:
    """`count` runs at once; where there are GPUs, each gets the next `each` of them, round and round."""

    count: int
    gpus: tuple[str, ...]
    why: str
    each: int = 1

    def environment(self, slot: int, threads: int) -> dict[str, str]:
        """What a run in a slot finds in its environment: its threads, only its own GPUs, and how many share them."""
        own = {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads), SHARING: str(self.sharing(threads))}
        if self.gpus:
            chosen = [self.gpus[(slot * self.each + i) % len(self.gpus)] for i in range(self.each)]
            own["CUDA_VISIBLE_DEVICES"] = ",".join(chosen)
        return own

    def sharing(self, threads: int) -> int:
        """How many runs come on one GPU, or one core, when all slots are taken."""
        wanted, there = (
            (self.count * self.each, len(self.gpus)) if self.gpus else (self.count * self.each * threads, cores())
        )
        return min(self.count, math.ceil(wanted / there))


def slots(jobs: int | None, threads: int, device: str, world_size: int = 1) -> Slots:
    """`jobs` runs at once where given; else as many as GPUs allow, or cores at `threads` a process.

    A run has `world_size` processes, each with a GPU of its own where there are any. `device=cuda:N` keeps to the N-th
    GPU. Raises `UserError` for GPUs that are not there.
    """
    gpus = () if device == "cpu" else visible_gpus()
    if device.startswith("cuda:"):
        gpus = gpus[int(device[5:]) :][:1]
    if device.startswith("cuda") and not gpus:
        raise UserError(
            f"device={device} is not on this machine; legal here: auto, cpu" + ", cuda" * bool(visible_gpus())
        )
    if gpus and len(gpus) < world_size:
        raise UserError(
            f"train.world_size={world_size} needs as many GPUs, and this machine has {len(gpus)}; "
            "device=cpu trains on cores"
        )
    if jobs is not None:
        return Slots(jobs, gpus, "launcher.jobs", world_size)
    if gpus:
        share = f", {world_size} a run" * (world_size > 1)
        return Slots(len(gpus) // world_size, gpus, f"{plural(len(gpus), 'GPU')}{share}", world_size)
    n, own = cores(), threads * world_size
    why = f"{plural(n, 'core')}, {plural(own, 'thread')} a run"
    return Slots(max(1, n // own), (), why, world_size)
