"""What a run's processors did, beside what its clock said: seconds that do not grow with the load of the machine."""

from __future__ import annotations

import time
from typing import Any

import torch


class Meter:
    """Between `start` and `stop` CPU seconds of this process, all its threads; on CUDA the device's, by two events.

    A device is not waited for: what its events say is added by `stop` where they have passed, and the rest by `rest`.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.pairs: list[tuple[Any, Any]] = []  # of events, oldest first
        self.begun: Any = None

    def start(self) -> None:
        """Begin a span; `stop` ends it."""
        self.begun = self._event() if self.device.type == "cuda" else time.process_time()

    def stop(self) -> float:
        """Seconds that have become known: of this span, or of earlier ones on a device."""
        if self.device.type != "cuda":
            return time.process_time() - float(self.begun)
        self.pairs.append((self.begun, self._event()))
        return self._passed()

    def rest(self) -> float:
        """Seconds of the spans that are not known yet; waits for the device."""
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
