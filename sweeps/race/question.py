"""What a race asks: which cell is best at k, within a factor of the best, the best m, or all of them in order; at which
error, for how many runs or hours."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from landscape.config.errors import UserError
from landscape.store.races import Asked
from sweeps.race import thresholds
from sweeps.race.evidence import BETS, UNEQUAL_BETS, evidence, level
from sweeps.race.matched import matched_evidence
from sweeps.race.thresholds import ERROR, FIRST, MOST_ROUNDS, PER_ROUND


@dataclass(frozen=True)
class Question:
    """The question of a race, fixed before it begins; raises `UserError` for one that cannot be asked.

    `asked`: how many questions have been asked of these runs, this one included. A later one was asked by somebody who
    had seen runs, so it gets half the error of the one before, and only V holds.
    """

    cells: int
    k: int = 1
    within: float | None = None  # a cell within this factor of the best is enough
    error: float = ERROR
    budget: int = 0  # runs in all; 0: as many as 24 rounds of all cells
    certify: bool = False  # whether cells leave by a certified threshold alone
    asked: int = 1
    tickets: int | None = None  # how many a cell has at most, where they are limited
    top: int | None = field(default=None, kw_only=True)  # which cells are the best so many
    order: bool = field(default=False, kw_only=True)  # the order of all of them
    hours: float | None = field(default=None, kw_only=True)  # in all
    matched: bool = field(default=False, kw_only=True)  # ticket n of all cells has the same setting and seed
    by_cost: bool = field(default=False, kw_only=True)  # leader and challenger run, not all that are left

    def __post_init__(self) -> None:
        if not self.budget:
            object.__setattr__(self, "budget", 24 * PER_ROUND * self.cells)
        if self.cells < 2:
            raise UserError(f"a race needs two cells or more; given {self.cells}")
        if self.k < 1:
            raise UserError(f"k={self.k} is no number of models; legal: 1 and more")
        if self.within is not None and not 1 < self.within < float("inf"):
            raise UserError(f"within={self.within:g} is no factor; legal: more than 1, as 1.1 for ten per cent worse")
        if self.top is not None and not 0 < self.top < self.cells:
            raise UserError(f"top={self.top} is no part of {self.cells} cells; legal: 1 to {self.cells - 1}")
        if (self.within is not None) + (self.top is not None) + self.order > 1:
            raise UserError("a race has one question: give one of within, top and order")
        if self.by_cost and (self.matched or self.relates):
            what = "matched tickets" if self.matched else "the best m or the full order"
            raise UserError(
                f"by-cost runs the cells unequally often, and {what} need equal numbers; leave one of them out"
            )
        if not 0 < self.error < 1:
            raise UserError(f"error={self.error:g} is no chance of error; legal: between 0 and 1, as 0.05")
        if self.hours is not None and not 0 < self.hours < float("inf"):
            raise UserError(f"hours={self.hours:g} is no budget; legal: more than 0")
        least = FIRST * PER_ROUND * self.cells
        if self.budget < least:
            raise UserError(
                f"budget={self.budget} ends before the first look: {self.cells} cells need {least} runs at least"
            )

    @classmethod
    def of(cls, asked: Asked, cells: int, place: int = 1) -> Question:
        """The question on record for so many cells, the `place`-th that was asked. Raises `UserError`."""
        more = {key: getattr(asked, key) for key in ("top", "order", "hours", "matched", "by_cost")}
        return cls(cells, asked.k, asked.within, asked.error, asked.budget, asked.certify, place, **more)

    @property
    def relates(self) -> bool:
        """Whether it asks how cells stand to each other, and not for one cell."""
        return self.order or self.top is not None

    @property
    def rounds(self) -> int:
        """The last round: the budget would be spent by then with two cells left, or twice over with all of them. A
        cell runs no more than the tables reach, where they are used."""
        pairs = self.budget // PER_ROUND - FIRST * (self.cells - 2)
        most = min(pairs // 2, 2 * self.budget // (PER_ROUND * self.cells))
        if self.tickets is not None:
            most = min(most, self.tickets // PER_ROUND)
        return min(most, MOST_ROUNDS)

    @property
    def tabulated(self) -> bool:
        """Whether F and S hold for it; else V alone."""
        known = thresholds.tabulated(self.cells, self.k, self.rounds)
        rounds_of_all = not self.matched and not self.by_cost
        return known and rounds_of_all and self.error == ERROR and self.asked == 1

    @property
    def share(self) -> float:
        """The chance that its answer is wrong, at most."""
        return float(self.error / 2 ** (self.asked - 1))

    @property
    def certificate(self) -> float:
        """The evidence that certifies what the race says."""
        if self.relates:
            return self.certificate_of_pairs
        if not self.tabulated:
            return thresholds.v(self.cells, self.share)
        return thresholds.f(self.cells, self.k, self.rounds)

    @property
    def bar(self) -> float:
        """The evidence that puts a cell out, or settles a pair."""
        if self.certify or not self.tabulated:
            return self.certificate
        if self.relates:
            return thresholds.s_pairs(self.cells, self.k, self.rounds)
        return thresholds.s(self.cells, self.k, self.rounds)

    @property
    def certificate_of_pairs(self) -> float:
        """The evidence that certifies any of all pairs."""
        if not self.tabulated:
            return thresholds.v_pairs(self.cells, self.share)
        return thresholds.f_pairs(self.cells, self.k, self.rounds)

    def evidence(self, a: ArrayLike, b: ArrayLike) -> float:
        """That the first cell is better than the second, from their runs in ticket order."""
        if self.matched:
            return matched_evidence(np.asarray(a, float), np.asarray(b, float), level(self.k))
        return evidence(a, b, level(self.k), UNEQUAL_BETS if self.by_cost else BETS)
