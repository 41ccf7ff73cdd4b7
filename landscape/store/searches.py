"""`search.json`: the searches of a sweep, one per cell of its grid, as data that workers read from the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from landscape.config.axes import cell_words
from landscape.store.formats import CONFIG, count, flag, ident, listed, mapped, number, positive, scalar, seed, text
from landscape.store.protocols import EvalRequest
from landscape.store.record import Record, holds, records


class Dimension(NamedTuple):
    """One range of a search: its name, the keys that it sets, its inclusive ends, and whether it is logarithmic."""

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
class SearchSpec(Record):
    """A search in one cell. Its id covers everything but the budget, which may be raised later."""

    id: str = field(metadata=holds(ident))
    # Seeds its random numbers; independent of the scores, so that other scores lead to the same trials.
    draws: str = field(metadata=holds(text))
    cell: Mapping[str, Any] = field(metadata=holds(mapped(scalar)))  # its values on the cell axes
    base: dict[str, Any] = field(metadata=holds(CONFIG))  # the configuration in which a trial sets its keys
    overrides: list[str] = field(metadata=holds(listed(text)))  # what was typed for the cell
    space: list[Dimension] = field(metadata=holds(listed(_dimension), None, _load_space, _dump_space))
    sampler: str = field(metadata=holds(text))
    trials: int = field(metadata=holds(positive))
    seed: int = field(metadata=holds(seed))
    startup: int = field(metadata=holds(count))
    rounds: int | None = field(default=None, kw_only=True, metadata=holds(positive, always=True))
    grid: list[str] = field(metadata=holds(listed(ident)))  # ids of the grid's runs that the sampler uses
    pruner: str = field(metadata=holds(text))
    grace: int = field(metadata=holds(count))
    # Trials per round, kept when the budget is raised.
    per_round: int | None = field(default=None, metadata=holds(positive, always=True))
    # Whether each trial's run has a seed of its own; false in older searches, whose trials share one.
    fresh: bool = field(default=False, metadata=holds(flag))
    seeds: int = field(default=1, metadata=holds(positive))  # runs per trial, whose value is their median

    @property
    def asked(self) -> EvalRequest:
        """The request for the scores that the objective uses."""
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
        """The cell in words."""
        return cell_words(self.cell)

    def round_of(self, order: int) -> int | None:
        """The round of the trial with this index, from 0; None if there are no rounds."""
        return None if self.rounds is None else order // self.round_size

    @property
    def round_size(self) -> int:
        """Trials per round."""
        return self.per_round or -(-self.trials // (self.rounds or 1))


@dataclass(frozen=True)
class SweepSearches(Record):
    """All searches of a sweep, and the storage of their trials."""

    token: str = field(metadata=holds(text))  # keeps sweeps of several stores apart in one database
    storage: str = field(metadata=holds(text))  # sqlite, journal or a URL without its password
    cells: tuple[SearchSpec, ...] = field(metadata=records(SearchSpec))
