"""`trials.jsonl`: where each run of a sweep came from, a row a run, in the order asked.

All of it can be derived again from the store and the searches' storage, so a row is replaced, never appended twice.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from landscape.store.atomic_io import write_whole
from landscape.store.formats import count, flag, ident, mapped, number, one_of, scalar, text
from landscape.store.locks import locked
from landscape.store.record import Record, holds, read_lines
from landscape.store.store import Store

GRID, SEARCH, CONFIRM = "grid", "search", "confirm"
STAGES = (GRID, SEARCH, CONFIRM)


@dataclass(frozen=True)
class TrialRecord(Record):
    """A run of a sweep, and what asked for it: the grid, a search by its sampler, or the confirmation of a choice."""

    LIMIT: ClassVar[int] = 256 << 20

    run: str = field(metadata=holds(ident))
    cell: Mapping[str, Any] = field(metadata=holds(mapped(scalar)))
    stage: str = field(metadata=holds(one_of(*STAGES)))
    order: int = field(metadata=holds(count))  # from 0 within the grid, within one search, within one confirmation
    sampler: str | None = field(default=None, metadata=holds(text, always=True))
    round: int | None = field(default=None, metadata=holds(count, always=True))
    # The logarithm of the distance (of a diverged run's at step 0); None while it is not known.
    value: float | None = field(default=None, metadata=holds(number, always=True))
    diverged: bool = field(default=False, metadata=holds(flag, always=True))
    search: str | None = field(default=None, metadata=holds(ident, always=True))
    failed: bool = field(default=False, metadata=holds(flag))  # it was given up, and has no value
    why: str | None = field(default=None, metadata=holds(text))  # for what it was given up

    @property
    def settled(self) -> bool:
        """Whether nobody works on it any more: it has a value, or it was given up."""
        return self.value is not None or self.failed


def read_rows(store: Store, sweep: str) -> list[TrialRecord]:
    """The rows of a sweep's record; none where there is no file. Raises `CorruptFile`."""
    return read_lines(TrialRecord, store.trials_file(sweep), store.sweep(sweep).within)


def put_rows(store: Store, sweep: str, new: list[TrialRecord]) -> None:
    """Put rows into a sweep's record in the place of those of the same part (stage and search).

    A run that the grid has stays with it in a confirmation; each trial of a search has its row, for a search may
    propose what was tried before, and its budget counts that.
    """
    parts = {(r.stage, r.search) for r in new}
    with locked(store.search_storage(sweep, ".record.lock")):
        kept = [r for r in read_rows(store, sweep) if (r.stage, r.search) not in parts]
        rows, known = [], set[str]()
        for r in sorted([*kept, *new], key=_place):
            if r.stage == SEARCH or r.run not in known:
                rows.append(r)
            known.add(r.run)
        text = "".join(json.dumps(r.to_json()) + "\n" for r in rows)
        store.trials_file(sweep).parent.mkdir(parents=True, exist_ok=True)
        write_whole(store.trials_file(sweep), text)


def _place(r: TrialRecord) -> tuple[int, str, int]:
    return STAGES.index(r.stage), r.search or "", r.order
