"""`race.json`: a race between cells, as far as it has gone: what was asked, which runs count, and what is claimed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from landscape.store.formats import count, flag, ident, listed, number, one_of, positive, text
from landscape.store.record import Record, holds, one_record, records

WAITING, BEST, WITHIN, BUDGET = "waiting", "best", "within", "budget"  # how a race stands, or has ended
CERTIFIED, CALIBRATED = "certified", "calibrated"
_kind = holds(one_of(CERTIFIED, CALIBRATED))


@dataclass(frozen=True)
class Contender(Record):
    """A cell of a race: its words and the hash of its settings. Others name it by its place in the list, from 0."""

    name: str = field(metadata=holds(text))
    setting: str = field(metadata=holds(ident))


@dataclass(frozen=True)
class Asked(Record):
    """A question that was put to the race; a further one shares the error with those before it."""

    k: int = field(metadata=holds(positive))
    error: float = field(metadata=holds(number))
    budget: int = field(metadata=holds(positive))
    within: float | None = field(default=None, metadata=holds(number))
    certify: bool = field(default=False, metadata=holds(flag))


@dataclass(frozen=True)
class Ticket(Record):
    """A run that has ended and counts, in ticket order. Its distance is final: nothing that happens to the run later is
    looked at."""

    cell: int = field(metadata=holds(count))
    order: int = field(metadata=holds(count))
    run: str = field(metadata=holds(ident))
    # None: infinite, as that of a run which diverged, was stopped early or failed for good.
    distance: float | None = field(default=None, metadata=holds(number, always=True))


@dataclass(frozen=True)
class Leaver(Record):
    """A cell that is not the best one: in which round it left, and which cell was better."""

    cell: int = field(metadata=holds(count))
    round: int = field(metadata=holds(positive))
    by: int = field(metadata=holds(count))
    kind: str = field(metadata=_kind)


@dataclass(frozen=True)
class Claim(Record):
    """What the runs that count say of the newest question."""

    state: str = field(metadata=holds(one_of(WAITING, BEST, WITHIN, BUDGET)))
    sentence: str = field(metadata=holds(text))
    rounds: int = field(metadata=holds(count))
    spent: int = field(metadata=holds(count))
    winner: int | None = field(default=None, metadata=holds(count))
    kind: str | None = field(default=None, metadata=_kind)
    out: tuple[Leaver, ...] = field(default=(), metadata=records(Leaver))
    pairs: Sequence[Sequence[int]] = field(default=(), metadata=holds(listed(listed(count)), dump=list))


@dataclass(frozen=True)
class Race(Record):
    """A race and its newest claim."""

    LIMIT: ClassVar[int] = 64 << 20

    cells: tuple[Contender, ...] = field(metadata=records(Contender))
    questions: tuple[Asked, ...] = field(metadata=records(Asked))  # in the order in which they were asked
    tickets: tuple[Ticket, ...] = field(default=(), metadata=records(Ticket, always=True))
    claim: Claim | None = field(default=None, metadata=one_record(Claim))
