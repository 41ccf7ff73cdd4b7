"""`race.json`: a race between cells, as far as it has gone: what was asked, which runs count, and what is claimed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from landscape.store.formats import count, flag, ident, listed, number, one_of, positive, seconds, text
from landscape.store.record import Record, holds, one_record, records

# How a race stands, or has ended.
WAITING, BEST, WITHIN, TOP, ORDER, BUDGET = "waiting", "best", "within", "top", "order", "budget"
CERTIFIED, CALIBRATED = "certified", "calibrated"
_kind = holds(one_of(CERTIFIED, CALIBRATED))


def _middle(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and count(value[0]) and (value[1] is None or number(value[1]))


def _pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(count, value))


def _evidence(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 3 and count(value[0]) and count(value[1]) and number(value[2])


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
    top: int | None = field(default=None, metadata=holds(positive))
    order: bool = field(default=False, metadata=holds(flag))
    hours: float | None = field(default=None, metadata=holds(seconds))
    matched: bool = field(default=False, metadata=holds(flag))
    by_cost: bool = field(default=False, metadata=holds(flag))
    # Runs that counted when it was asked: it is the same question later.
    after: int = field(default=0, compare=False, metadata=holds(count))

    @property
    def words(self) -> str:
        """The question in words."""
        what = "the best cell"
        if self.within is not None:
            what = f"a cell within a factor {self.within:g} of the best"
        elif self.order:
            what = "the order of all cells"
        elif self.top is not None:
            what = f"the best {self.top} cells"
        of = "one model" if self.k == 1 else f"the best of {self.k} models"
        hours = "" if self.hours is None else f" and {self.hours:g} hours"
        how = [
            "certified only" * self.certify,
            "matched settings and seeds" * self.matched,
            "leader and challenger by cost" * self.by_cost,
        ]
        return ", ".join(filter(None, [f"{what} for {of}", f"within {self.budget} runs{hours}", *how]))


@dataclass(frozen=True)
class Ticket(Record):
    """A run that has ended and counts, in ticket order. Its distance is final: nothing that happens to the run later is
    looked at."""

    cell: int = field(metadata=holds(count))
    order: int = field(metadata=holds(count))
    run: str = field(metadata=holds(ident))
    # None: infinite, as that of a run which diverged, was stopped early or failed for good.
    distance: float | None = field(default=None, metadata=holds(number, always=True))
    hours: float | None = field(default=None, metadata=holds(seconds))  # busy with it, training and scoring


@dataclass(frozen=True)
class Leaver(Record):
    """A cell that has left: in which round, and which cell was better; none where its place is known."""

    cell: int = field(metadata=holds(count))
    round: int = field(metadata=holds(positive))
    by: int | None = field(default=None, metadata=holds(count))
    kind: str = field(kw_only=True, metadata=_kind)


@dataclass(frozen=True)
class Bars(Record):
    """How much evidence puts a cell out, certifies that, and certifies any of all pairs."""

    out: float = field(metadata=holds(number))
    certified: float = field(metadata=holds(number))
    pairs: float = field(metadata=holds(number))


@dataclass(frozen=True)
class Near(Record):
    """The smallest factor of the best that a cell is known to be within."""

    cell: int = field(metadata=holds(count))
    factor: float = field(metadata=holds(number))
    kind: str = field(metadata=_kind)


@dataclass(frozen=True)
class Seen(Record):
    """One look: runs and hours by then; of the cells that were left the quantile (null: infinite); and of which pairs
    (first better than second) there was how much evidence."""

    round: int = field(metadata=holds(positive))
    spent: int = field(metadata=holds(count))
    hours: float = field(metadata=holds(seconds))
    quantiles: Sequence[Sequence[Any]] = field(metadata=holds(listed(_middle), dump=list))
    evidence: Sequence[Sequence[Any]] = field(default=(), metadata=holds(listed(_evidence), dump=list))


@dataclass(frozen=True)
class Claim(Record):
    """What the runs that count say of the question that was asked last."""

    state: str = field(metadata=holds(one_of(WAITING, BEST, WITHIN, TOP, ORDER, BUDGET)))
    sentence: str = field(metadata=holds(text))
    rounds: int = field(metadata=holds(count))
    spent: int = field(metadata=holds(count))
    winner: int | None = field(default=None, metadata=holds(count))
    kind: str | None = field(default=None, metadata=_kind)
    out: tuple[Leaver, ...] = field(default=(), metadata=records(Leaver))
    pairs: Sequence[Sequence[int]] = field(default=(), metadata=holds(listed(_pair), dump=list))  # certified
    stands: Sequence[Sequence[int]] = field(default=(), metadata=holds(listed(_pair), dump=list))  # enough to leave by
    ranking: Sequence[int] = field(default=(), metadata=holds(listed(count), dump=list))
    near: tuple[Near, ...] = field(default=(), metadata=records(Near))
    hours: float = field(default=0.0, metadata=holds(seconds))
    counted: Sequence[int] = field(default=(), metadata=holds(listed(count), dump=list))  # runs of each cell
    question: int = field(default=0, metadata=holds(count, always=True))  # its place in the list of the race
    bars: Bars | None = field(default=None, metadata=one_record(Bars))
    looks: tuple[Seen, ...] = field(default=(), metadata=records(Seen))


@dataclass(frozen=True)
class Race(Record):
    """A race and its newest claim."""

    LIMIT: ClassVar[int] = 64 << 20

    cells: tuple[Contender, ...] = field(metadata=records(Contender))
    questions: tuple[Asked, ...] = field(metadata=records(Asked))  # in the order in which they were asked
    tickets: tuple[Ticket, ...] = field(default=(), metadata=records(Ticket, always=True))
    claim: Claim | None = field(default=None, metadata=one_record(Claim))
    measure: str = field(default="distance", metadata=holds(text))  # what is compared, in words

    @property
    def names(self) -> list[str]:
        """The cells' names, in order."""
        return [cell.name for cell in self.cells]

    @property
    def asked(self) -> Asked:
        """The question that the claim answers."""
        return self.questions[0 if self.claim is None else self.claim.question]

    def distances(self) -> list[list[float]]:
        """Of each cell the distances that count, in ticket order."""
        return [[math.inf if one.distance is None else one.distance for one in mine] for mine in self._by_cell()]

    def hours(self) -> list[list[float]]:
        """Of each cell the hours of the same runs; 0 where they are not on record."""
        return [[one.hours or 0.0 for one in mine] for mine in self._by_cell()]

    def counted(self) -> list[int]:
        """How many runs of each cell the claim counts; the rest has ended early, or after it left."""
        claim = self.claim
        told = [] if claim is None else list(claim.counted)
        return told or [len(of) for of in self.distances()]

    def _by_cell(self) -> list[list[Ticket]]:
        found: list[list[Ticket]] = [[] for _ in self.cells]
        for ticket in sorted(self.tickets, key=lambda one: one.order):
            found[ticket.cell].append(ticket)
        return found

    def stranger(self) -> str | None:
        """What names a cell or a question that the race lacks, in words; None in a sound record."""
        n, claim = len(self.cells), self.claim
        if not n:
            return "a claim"
        if any(ticket.cell >= n for ticket in self.tickets):
            return "a ticket"
        if claim is None:
            return None
        named = [claim.winner, *claim.ranking, *(one.cell for one in claim.near)]
        named += [cell for one in claim.out for cell in (one.cell, one.by)]
        named += [cell for pair in (*claim.pairs, *claim.stands) for cell in pair]
        named += [one[0] for look in claim.looks for one in look.quantiles]
        named += [cell for look in claim.looks for one in look.evidence for cell in one[:2]]
        if claim.question >= len(self.questions) or len(claim.counted) not in (0, n):
            return "a claim"
        return "a claim" if any(cell is not None and cell >= n for cell in named) else None
