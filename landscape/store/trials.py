"""`trials.jsonl`: the origin of each run of a sweep, one row per trial, in order.

The file can be derived from the store and the searches' storage, so rows are replaced, not appended.
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
    """A run of a sweep and what proposed it: the grid, a search, or a confirmation."""

    LIMIT: ClassVar[int] = 256 << 20

    run: str = field(metadata=holds(ident))
    cell: Mapping[str, Any] = field(metadata=holds(mapped(scalar)))
    stage: str = field(metadata=holds(one_of(*STAGES)))
    order: int = field(metadata=holds(count))  # from 0, within the grid, one search, or one confirmation
    sampler: str | None = field(default=None, metadata=holds(text, always=True))
    round: int | None = field(default=None, metadata=holds(count, always=True))
    # Logarithm of the distance (for a diverged run: at step 0); None if unknown.
    value: float | None = field(default=None, metadata=holds(number, always=True))
    diverged: bool = field(default=False, metadata=holds(flag, always=True))
    search: str | None = field(default=None, metadata=holds(ident, always=True))
    failed: bool = field(default=False, metadata=holds(flag))  # given up, without a value
    nth: int = field(default=0, metadata=holds(count))  # among the seeds of its trial; value and end are the trial's
    why: str | None = field(default=None, metadata=holds(text))  # why it was given up

    @property
    def settled(self) -> bool:
        """Whether its trial has a value or was given up."""
        return self.value is not None or self.failed


def read_rows(store: Store, sweep: str) -> list[TrialRecord]:
    """The trials of a sweep; empty if there is no file. Raises `CorruptFile`."""
    return read_lines(TrialRecord, store.trials_file(sweep), store.sweep(sweep).within)


def put_rows(store: Store, sweep: str, new: list[TrialRecord]) -> None:
    """Replace the rows of the same part (stage and search) by `new`.

    A grid run that is also confirmed keeps its grid row. Every trial of a search has its row: a search may propose the
    same run again, which counts against its budget.
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
