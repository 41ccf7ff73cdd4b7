"""Leader and challenger: the other allocation, for cells whose runs differ in hours.

Every cell begins with ten runs. From then on the leader, the best of the cells that are left so far, is set against its
challenger, the cell that it is least known to be better than. The one of the two that has taken fewer hours for what
its runs tell (its number of runs times the root of its mean hours) runs the next five tickets. Which cell that is
follows from what has been counted alone, so threshold V holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import NamedTuple

import numpy as np

from landscape.store.races import BEST, BUDGET, WAITING, WITHIN
from sweeps.race.evidence import level, quantile
from sweeps.race.question import Question
from sweeps.race.thresholds import FIRST, PER_ROUND


class Step(NamedTuple):
    """What was known after five more runs of one cell."""

    number: int
    have: tuple[int, ...]  # runs of each cell that counted
    alive: tuple[int, ...]
    evidence: np.ndarray  # of each pair, -inf where a cell of it has left


class Challenge(NamedTuple):
    """How a race went; cells by their number."""

    state: str
    winner: int | None
    steps: tuple[Step, ...]
    out: dict[int, tuple[int, int]]  # cell -> after which step it left, and which cell was better
    have: tuple[int, ...]
    next: int | None  # the cell that runs next; None at the beginning, when all do


def challenge(
    question: Question, tickets: Sequence[Sequence[float]], hours: Sequence[Sequence[float]] | None = None
) -> Challenge:
    """`tickets`: of each cell the distances that count, in order; `hours`: of the same runs (None: all alike)."""
    n, first, bar = question.cells, FIRST * PER_ROUND, question.bar
    alive, out, steps = list(range(n)), dict[int, tuple[int, int]](), list[Step]()
    if min(map(len, tickets)) < first:
        return Challenge(WAITING, None, (), {}, (0,) * n, None)
    have = [first] * n
    seen = np.full((n, n), -np.inf)
    changed: list[int] = alive[:]
    for number in count(FIRST):
        for a in alive:
            for b in alive:
                if a != b and (a in changed or b in changed):
                    seen[a, b] = question.evidence(tickets[a][: have[a]], tickets[b][: have[b]])
        beaten = {b: int(seen[:, b].argmax()) for b in alive if seen[:, b].max() >= bar}
        for b, by in beaten.items():
            out[b] = number, by
        alive = [cell for cell in alive if cell not in beaten]
        steps.append(Step(number, tuple(have), tuple(alive), np.where(seen > 0, seen, -np.inf)))
        for b in beaten:
            seen[b, :] = seen[:, b] = -np.inf

        def told(state: str, winner: int | None = None, following: int | None = None) -> Challenge:
            return Challenge(state, winner, tuple(steps), out, tuple(have), following)

        if len(alive) == 1:
            return told(BEST, alive[0])
        middle = {cell: quantile(tickets[cell][: have[cell]], level(question.k)) for cell in alive}
        leader = min(alive, key=lambda cell: (middle[cell], cell))
        if question.within is not None and _is_near(question, tickets, have, leader, alive):
            return told(WITHIN, leader)
        rival = min((cell for cell in alive if cell != leader), key=lambda cell: (seen[leader, cell], cell))
        mean = [_mean(hours, cell, have[cell]) for cell in range(n)]
        following = min((leader, rival), key=lambda cell: (have[cell] * mean[cell] ** 0.5, cell))
        spent = sum(h * m for h, m in zip(have, mean, strict=True))
        out_of_hours = question.hours is not None and spent + PER_ROUND * mean[following] > question.hours
        if out_of_hours or sum(have) + PER_ROUND > question.budget:
            return told(BUDGET)
        if len(tickets[following]) < have[following] + PER_ROUND:
            full = question.tickets is not None and have[following] + PER_ROUND > question.tickets
            return told(BUDGET if full else WAITING, following=following)
        have[following] += PER_ROUND
        changed = [following]
    raise AssertionError("a race ends with its budget")


def _mean(hours: Sequence[Sequence[float]] | None, cell: int, count: int) -> float:
    found = 1.0 if hours is None else float(np.mean(hours[cell][:count]))
    return found if found > 0 else 1e-9


def _is_near(
    question: Question, tickets: Sequence[Sequence[float]], have: Sequence[int], leader: int, alive: Sequence[int]
) -> bool:
    """Whether the leader is known to be within the factor of every other cell that is left."""
    assert question.within is not None
    mine = tickets[leader][: have[leader]]
    others = (np.multiply(tickets[cell][: have[cell]], question.within) for cell in alive if cell != leader)
    return all(question.evidence(mine, other) >= question.bar for other in others)
