"""`canary/<shape>.json` of a sweep: what became of trying one run of a shape class before the sweep began."""

from __future__ import annotations

from dataclasses import dataclass, field

from landscape.store.formats import ident, line, number, text
from landscape.store.record import Record, holds

MARGIN = 0.9  # share of the memory that runs side by side may fill


@dataclass(frozen=True, kw_only=True)
class CanaryResult(Record):
    """One try: a step, an evaluation, a checkpoint written and read. Memory in MB."""

    run: str = field(metadata=holds(ident))  # whose configuration was tried
    fault: str | None = field(default=None, metadata=holds(line))  # as of `RunStatus`; None: it passed
    reason: str | None = field(default=None, metadata=holds(text))
    memory: float = field(default=0.0, metadata=holds(number))  # most that was resident
    gpu_memory: float | None = field(default=None, metadata=holds(number))  # most that torch had reserved
    gpu_total: float | None = field(default=None, metadata=holds(number))

    def fit(self, memory: float | None, gpus: int) -> int | None:
        """How many such runs fit side by side into `memory` MB and on this many GPUs; None: not limited by memory."""
        found = []
        if self.gpu_memory and self.gpu_total and gpus:
            found.append(gpus * int(MARGIN * self.gpu_total / self.gpu_memory))
        if self.memory and memory is not None:
            found.append(int(MARGIN * memory / self.memory))
        return max(1, min(found)) if found else None
