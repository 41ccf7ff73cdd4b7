"""Processes that one command starts and watches over: runs of a pool, workers of a search, on this machine or in a job.

Each lives in a session of its own, so that a Ctrl-C in the terminal reaches this process alone, which then asks them to
save and stop. What is worked on, and what the end of a process means, is its subclasses' to say.
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
class Allocation:
    """What is other inside a scheduler's job: it ends at a given time, and may not wait for other jobs."""

    patience_s: float  # after a signal, until workers that have not saved yet are left to the scheduler
    signals: list[int] = field(default_factory=list)
    signalled: float = 0.0
    elsewhere: list[Planned] = field(default_factory=list)  # runs left to the workers of others, which live

    def is_over(self) -> bool:
        return bool(self.signals) and time.monotonic() - self.signalled > self.patience_s


@dataclass
class Child(Generic[Work]):
    """A process of this command."""

    process: Process
    slot: int
    work: Work  # what it is at
    told: int = 0  # signals passed on to it


class Supervisor(ABC, Generic[Work]):
    """Up to `count` processes at once. Ctrl-C and TERM ask them to save and end, a second one kills them."""

    def __init__(self, count: int, event: Callable[[str], None], allocation: Allocation | None = None) -> None:
        self.count, self.event, self.allocation = count, event, allocation
        self.children: list[Child[Work]] = []
        self.interrupts = 0  # Ctrl-C and TERM so far

    @abstractmethod
    def waits(self) -> bool:
        """Whether there is anything to start, now or later."""

    @abstractmethod
    def fill(self) -> None:
        """Start what there is room for."""

    @abstractmethod
    def ended(self, child: Child[Work], code: int) -> None:
        """Take note of the end of a process, which is no child any more."""

    def tick(self) -> None:
        """Called a few times a second."""

    def free_slot(self) -> int:
        """The lowest slot that no child has."""
        taken = {child.slot for child in self.children}
        return next(i for i in range(self.count) if i not in taken)

    def supervise(self) -> None:
        """Until all processes have ended and nothing is to be started, or the time of the job is over."""
        with self._counted_signals():
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
    def _counted_signals(self) -> Iterator[None]:
        """Ctrl-C, TERM and USR2 only count here; the loop acts on them where nothing is half done.

        A scheduler sends several for one reason and kills by itself, so in its job they count once.
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
        behind = [child for child in self.children if child.told < how]
        if not behind:
            return
        n = plural(len(behind), "worker")
        if how == 1:
            self.event(f"stopping: {n} save and end (again to kill)")
        else:
            self.event(f"killing {n}; what is past their checkpoints will be done again")
        for child in behind:
            child.told = how
            with suppress(ProcessLookupError):
                os.killpg(child.process.pid, signal.SIGTERM if how == 1 else signal.SIGKILL)
