"""Processor time of a run, in contrast to wall time: it does not depend on the machine's load."""

from __future__ import annotations

import time
from typing import Any

import torch


class Meter:
    """Processor seconds between `start` and `stop`: of this process with all its threads, or of the device on CUDA.

    CUDA events are not waited for. `stop` adds those that have completed, `rest` the others.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.pairs: list[tuple[Any, Any]] = []  # start and end events, oldest first
        self.begun: Any = None

    def start(self) -> None:
        """Start a measurement, which `stop` ends."""
        self.begun = self._event() if self.device.type == "cuda" else time.process_time()

    def stop(self) -> float:
        """Seconds that have become known: of this measurement, or of earlier ones on CUDA."""
        if self.device.type != "cuda":
            return time.process_time() - float(self.begun)
        self.pairs.append((self.begun, self._event()))
        return self._passed()

    def rest(self) -> float:
        """Seconds of the measurements that are not known yet. Waits for the device."""
        if self.pairs:
            self.pairs[-1][1].synchronize()
        return self._passed()

    def _event(self) -> Any:
        event = torch.cuda.Event(enable_timing=True)
        event.record(torch.cuda.current_stream(self.device))
        return event

    def _passed(self) -> float:
        seconds = 0.0
        while self.pairs and self.pairs[0][1].query():
            begun, ended = self.pairs.pop(0)
            seconds += begun.elapsed_time(ended) / 1000
        return seconds
