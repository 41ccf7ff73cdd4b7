"""The child processes of one command: runs of a pool or workers of a search, on this machine or in a job.

Each child has its own session, so that Ctrl-C in the terminal reaches only this process, which asks them to save and
stop. Subclasses say what to start and what the end of a process means.
"""

from __future__ import annotations

import os
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from landscape.config.text import plural
from sweeps.launchers.processes import Process
from sweeps.planning.plan import Planned

POLL_S = 0.2

Work = TypeVar("Work")


@dataclass
class JobAllocation:
    """The state of a scheduler's job: it is told when its time ends, and does not wait for other jobs."""

    patience_s: float  # after a signal, before workers that have not saved are left to the scheduler
    signals: list[int] = field(default_factory=list)
    signalled: float = 0.0  # time of the first signal
    elsewhere: list[Planned] = field(default_factory=list)  # runs that other live workers train

    def is_over(self) -> bool:
        """Whether a signal came and `patience_s` has passed since."""
        return bool(self.signals) and time.monotonic() - self.signalled > self.patience_s


@dataclass
class Child(Generic[Work]):
    """A child process in a slot."""

    process: Process
    slot: int
    work: Work  # what it works on
    signals_sent: int = 0


class Supervisor(ABC, Generic[Work]):
    """Runs up to `count` processes at once. Ctrl-C and TERM ask them to save and exit, a second one kills them."""

    def __init__(self, count: int, event: Callable[[str], None], allocation: JobAllocation | None = None) -> None:
        self.count, self.event, self.allocation = count, event, allocation
        self.children: list[Child[Work]] = []
        self.interrupts = 0  # Ctrl-C and TERM so far

    @abstractmethod
    def waits(self) -> bool:
        """Whether there is anything left to start, now or later."""

    @abstractmethod
    def fill(self) -> None:
        """Start processes in the free slots."""

    @abstractmethod
    def ended(self, child: Child[Work], code: int) -> None:
        """Handle the end of a process, which is no longer in `children`."""

    def tick(self) -> None:
        """Called a few times per second."""

    def free_slot(self) -> int:
        """The lowest slot that no child has."""
        taken = {child.slot for child in self.children}
        return next(i for i in range(self.count) if i not in taken)

    def supervise(self) -> None:
        """Run until all processes have ended and nothing is left to start, or the time of the job is over."""
        with self._deferred_signals():
            while self.children or (self.waits() and not self.interrupts):
                if self.allocation is not None and self.allocation.is_over():
                    break
                self._pass_signals_on()
                for child in list(self.children):
                    code = child.process.poll()
                    if code is not None:
                        self.children.remove(child)
                        self.ended(child, code)
                if not self.interrupts:
                    self.fill()
                self.tick()
                time.sleep(POLL_S)

    @contextmanager
    def _deferred_signals(self) -> Iterator[None]:
        """Count Ctrl-C, TERM and USR2 within the block, for the loop to act on between two steps.

        A scheduler sends several for one reason and kills by itself, so in a job they count as one.
        """

        def count(number: int, frame: object) -> None:
            if self.allocation is None:
                self.interrupts += 1
                return
            self.interrupts = 1
            self.allocation.signalled = self.allocation.signalled or time.monotonic()
            self.allocation.signals.append(number)

        before = {s: signal.signal(s, count) for s in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2)}
        try:
            yield
        finally:
            for s, handler in before.items():
                signal.signal(s, handler)

    def _pass_signals_on(self) -> None:
        how = min(self.interrupts, 2)
        behind = [child for child in self.children if child.signals_sent < how]
        if not behind:
            return
        n = plural(len(behind), "worker")
        if how == 1:
            self.event(f"stopping: {n} save and exit (again to kill)")
        else:
            self.event(f"killing {n}; steps since their last checkpoints are lost")
        for child in behind:
            child.signals_sent = how
            with suppress(ProcessLookupError):
                os.killpg(child.process.pid, signal.SIGTERM if how == 1 else signal.SIGKILL)
