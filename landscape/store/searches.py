"""`search.json`: the searches of a sweep, one for each cell of its grid, as data that any worker can take up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from landscape.config.axes import cell_words
from landscape.store.formats import CONFIG, count, flag, ident, listed, mapped, number, positive, scalar, seed, text
from landscape.store.protocols import EvalRequest
from landscape.store.record import Record, holds, records


class Dimension(NamedTuple):
    """One range of a search: its name, the keys that it sets, its ends (both legal), and whether it is logarithmic."""

    name: str
    keys: tuple[str, ...]
    low: float
    high: float
    log: bool


def _dimension(value: Any) -> bool:
    if not isinstance(value, list) or len(value) != 5:
        return False
    name, keys, low, high, log = value
    return text(name) and listed(text)(keys) and number(low) and number(high) and low <= high and flag(log)


def _load_space(found: list[Any]) -> list[Dimension]:
    return [Dimension(name, tuple(keys), *rest) for name, keys, *rest in found]


def _dump_space(space: list[Dimension]) -> list[list[Any]]:
    return [[one.name, list(one.keys), one.low, one.high, one.log] for one in space]


@dataclass(frozen=True)
class CellSearch(Record):
    """A search in one cell. Its id covers all that it depends on but its budget, which may be raised later."""

    id: str = field(metadata=holds(ident))
    # What its random numbers hang on: not on how runs are scored, so that other scores ask the same runs.
    draws: str = field(metadata=holds(text))
    cell: Mapping[str, Any] = field(metadata=holds(mapped(scalar)))  # its values on the axes of a cell
    base: dict[str, Any] = field(metadata=holds(CONFIG))  # the configuration whose keys a trial replaces
    overrides: list[str] = field(metadata=holds(listed(text)))  # what was typed for the cell
    space: list[Dimension] = field(metadata=holds(listed(_dimension), None, _load_space, _dump_space))
    sampler: str = field(metadata=holds(text))
    trials: int = field(metadata=holds(positive))
    seed: int = field(metadata=holds(seed))
    startup: int = field(metadata=holds(count))
    rounds: int | None = field(default=None, kw_only=True, metadata=holds(positive, always=True))
    grid: list[str] = field(metadata=holds(listed(ident)))  # runs of the grid that the sampler is told of
    pruner: str = field(metadata=holds(text))
    grace: int = field(metadata=holds(count))
    # Trials a round, where a larger budget has come since.
    per_round: int | None = field(default=None, metadata=holds(positive, always=True))
    # Whether each trial's run has a seed of its own; false in searches of old, whose trials share one.
    fresh: bool = field(default=False, metadata=holds(flag))

    @property
    def asked(self) -> EvalRequest:
        """The scores that decide: how the base asks to be scored."""
        asked = EvalRequest.of(self.base)
        assert asked is not None, "a search without a distance is refused at planning"
        return asked

    @property
    def evaluations(self) -> int:
        """How many evaluations a run has after the one at step 0."""
        every, steps = self.base["metrics"]["every"], int(self.base["train"]["steps"])
        return 1 if not every else -(-steps // int(every))

    @property
    def label(self) -> str:
        """The cell in words; what is none is left out."""
        return cell_words(self.cell)

    def round_of(self, order: int) -> int | None:
        """The round that the trial of this order belongs to, from 0; None where there are no rounds."""
        return None if self.rounds is None else order // self.round_size

    @property
    def round_size(self) -> int:
        """Trials a round: a share of the budget, or of the one that it began with."""
        return self.per_round or -(-self.trials // (self.rounds or 1))


@dataclass(frozen=True)
class Searches(Record):
    """All searches of a sweep, and where their trials are kept."""

    token: str = field(metadata=holds(text))  # of this sweep in this store: keeps two stores apart in one data base
    storage: str = field(metadata=holds(text))  # sqlite, journal or a URL without its password
    cells: tuple[CellSearch, ...] = field(metadata=records(CellSearch))
