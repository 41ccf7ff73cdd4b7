"""What a race asks: which cell is best at k, or within a factor of the best, at which error, for how many runs."""

from __future__ import annotations

from dataclasses import dataclass

from landscape.config.errors import UserError
from sweeps.race import thresholds
from sweeps.race.thresholds import ERROR, FIRST, MOST_ROUNDS, PER_ROUND


@dataclass(frozen=True)
class Question:
    """The question of a race, fixed before it begins; raises `UserError` for one that cannot be asked.

    `asked`: how many questions have been asked of these runs, this one included. From the second one on the error is
    split among them, and only V holds.
    """

    cells: int
    k: int = 1
    within: float | None = None  # a cell within this factor of the best is enough
    error: float = ERROR
    budget: int = 0  # runs in all; 0: as many as 24 rounds of all cells
    certify: bool = False  # whether cells leave by a certified threshold alone
    asked: int = 1
    tickets: int | None = None  # how many a cell has at most, where they are limited

    def __post_init__(self) -> None:
        if not self.budget:
            object.__setattr__(self, "budget", 24 * PER_ROUND * self.cells)
        if self.cells < 2:
            raise UserError(f"a race needs two cells or more; given {self.cells}")
        if self.k < 1:
            raise UserError(f"k={self.k} is no number of models; legal: 1 and more")
        if self.within is not None and not 1 < self.within < float("inf"):
            raise UserError(f"within={self.within:g} is no factor; legal: more than 1, as 1.1 for ten per cent worse")
        if not 0 < self.error < 1:
            raise UserError(f"error={self.error:g} is no chance of error; legal: between 0 and 1, as 0.05")
        least = FIRST * PER_ROUND * self.cells
        if self.budget < least:
            raise UserError(
                f"budget={self.budget} ends before the first look: {self.cells} cells need {least} runs at least"
            )

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
        return known and self.error == ERROR and self.asked == 1

    @property
    def certificate(self) -> float:
        """The evidence that certifies."""
        if not self.tabulated:
            return thresholds.v(self.cells, self.error / self.asked)
        return thresholds.f(self.cells, self.k, self.rounds)

    @property
    def bar(self) -> float:
        """The evidence that puts a cell out."""
        if self.certify or not self.tabulated:
            return self.certificate
        return thresholds.s(self.cells, self.k, self.rounds)

    @property
    def certificate_of_pairs(self) -> float:
        """The evidence that certifies any of all pairs."""
        if not self.tabulated:
            return thresholds.v_pairs(self.cells, self.error / self.asked)
        return thresholds.f_pairs(self.cells, self.k, self.rounds)
