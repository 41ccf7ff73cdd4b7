"""A process, as files of the store name one: who claims a run, trains a sweep or works on its searches."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Self

from landscape.store import processes
from landscape.store.formats import flag, positive, text
from landscape.store.record import Record, holds


@dataclass(frozen=True, kw_only=True)
class ProcessRecord(Record):
    """What tells one process from all others."""

    LIMIT: ClassVar[int] = 64 << 10

    host: str | None = field(default=None, metadata=holds(text))
    boot: str | None = field(default=None, metadata=holds(text))
    pids: str | None = field(default=None, metadata=holds(text))  # the namespace of its number
    pid: int = field(metadata=holds(lambda value: positive(value) and value < 2**31))
    started: str = field(metadata=holds(text))

    @classmethod
    def of_this(cls) -> Self:
        """Of the process that asks."""
        return cls(**processes.myself())

    @property
    def is_here(self) -> bool:
        """Whether it can be looked up from here: same host, same boot, same pid namespace."""
        return processes.is_here(self.unchecked())

    @property
    def lives(self) -> bool:
        """Whether one that `is_here` is that one still, and no other of its number."""
        return processes.lives(self.unchecked())

    @property
    def tag(self) -> str:
        """As files bear it in their names that it writes."""
        return processes.tag(self.unchecked())


@dataclass(frozen=True, kw_only=True)
class ClaimRecord(ProcessRecord):
    """`claims/<number>.json`: the worker of a run."""

    token: str | None = field(default=None, metadata=holds(text))
    released: bool = field(default=False, metadata=holds(flag))
    number: int = 0
    unreadable: str | None = None  # why its file does not read: then nothing else is known of it

    def __str__(self) -> str:
        """The process behind it, for people."""
        if self.unreadable is not None:
            return f"whoever wrote a claim that does not read ({self.unreadable})"
        return f"process {self.pid} on {self.host}"
