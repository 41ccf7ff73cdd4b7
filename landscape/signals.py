"""Stop signals: the first one sets a flag, and the worker saves and stops after the current step."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR2)


class StopFlag:
    """Signal handler that records the first signal. A second SIGINT raises `KeyboardInterrupt`.

    A nested flag also sets the enclosing one, so that a process that trains several runs stops after the current one.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self.outer: StopFlag | None = None

    def __call__(self, number: int, frame: Any) -> None:
        """Handle a signal. Raises `KeyboardInterrupt` on a SIGINT after the first signal."""
        if self.signal is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.signal = number
        if self.outer is not None:
            self.outer.signal = number

    @contextmanager
    def listening(self) -> Iterator[StopFlag]:
        """Handle `STOP_SIGNALS` inside the block and restore the previous handlers. Main thread only."""
        around = signal.getsignal(signal.SIGINT)
        self.outer = around if isinstance(around, StopFlag) else None
        before = {s: signal.signal(s, self) for s in STOP_SIGNALS}
        try:
            yield self
        finally:
            for s, handler in before.items():
                signal.signal(s, handler)
