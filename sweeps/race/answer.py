"""What a race may claim: its answer with its kind, and the weaker things that are known.

*Certified* holds for whatever the distances are like. *Calibrated* was set on equal cells, and can fail for cells of
unlike shapes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from landscape.config.text import plural
from sweeps.race.elimination import BEST, BUDGET, WAITING, WITHIN, all_evidence, eliminate
from sweeps.race.evidence import Floats, level, table
from sweeps.race.question import Question
from sweeps.race.thresholds import FIRST, PER_ROUND
from sweeps.race.tickets import as_arrays

CERTIFIED, CALIBRATED = "certified", "calibrated"


class Out(NamedTuple):
    """A cell that is not the best one: in which round it left, which cell was better, and how sure that is."""

    cell: int
    round: int
    by: int
    kind: str


class Factor(NamedTuple):
    """The smallest factor of the best that a cell can be claimed to be within; infinite where there is none."""

    cell: int
    factor: float
    kind: str


class Answer(NamedTuple):
    """Of one race. Cells are told by their number."""

    state: str  # best, within, budget, or waiting for tickets
    winner: int | None
    kind: str | None  # of what is said of the winner
    rounds: int
    spent: int  # runs that were counted
    alive: tuple[int, ...]
    out: tuple[Out, ...]  # in the order in which they left
    pairs: tuple[tuple[int, int], ...]  # certified: the first is better than the second, all at once
    factors: tuple[Factor, ...]  # the calibrated one and the certified one, among what is left
    quantiles: tuple[float, ...]  # of each cell's runs that counted; nan without any
    wanted: tuple[int, ...]  # how many tickets each cell must have for the next look

    @property
    def ended(self) -> bool:
        """Whether nothing more is to be trained."""
        return self.state != WAITING


def answer(question: Question, tickets: Sequence[Sequence[float]]) -> Answer:
    """`tickets`: of each cell the distances that count (`sweeps.race.tickets.counted`)."""
    values, have = as_arrays(tickets)
    rounds = min(question.rounds, int(have.max()) // PER_ROUND)
    found = all_evidence(values, question.k, question.within, rounds)
    course = eliminate(question, found, have)
    certified = bool(course.certified[0])
    alive = tuple(map(int, np.flatnonzero(course.alive[0])))
    counted = int(course.rounds[0])
    left = np.where(course.alive[0], counted, course.out_at[0])  # rounds of each cell
    out = [
        Out(cell, int(course.out_at[0, cell]), int(course.out_by[0, cell]), _kind(bool(course.out_certified[0, cell])))
        for cell in range(question.cells)
        if cell not in alive
    ]
    state = str(course.state[0])
    more = PER_ROUND * (counted + 1) if state == WAITING else 0
    known = [sorted(cell[: PER_ROUND * n]) for cell, n in zip(tickets, left, strict=True)]
    winner = int(course.winner[0])
    return Answer(
        state=state,
        winner=None if winner < 0 else winner,
        kind=None if winner < 0 else _kind(certified),
        rounds=counted,
        spent=int(course.spent[0]),
        alive=alive,
        out=tuple(sorted(out, key=lambda one: (one.round, one.cell))),
        pairs=_pairs(question, found.plain[0], left),
        factors=_factors(question, [known[i] for i in alive], alive, not out or all(o.kind == CERTIFIED for o in out)),
        quantiles=tuple(_quantile(cell, level(question.k)) for cell in known),
        wanted=tuple(max(more, len(cell)) if i in alive else len(cell) for i, cell in enumerate(tickets)),
    )


def _kind(certified: bool) -> str:
    return CERTIFIED if certified else CALIBRATED


def _quantile(ordered: Sequence[float], p: float) -> float:
    """The least value that a share p of the runs is at or below."""
    return ordered[max(math.ceil(p * len(ordered) - 1e-9), 1) - 1] if ordered else math.nan


def _pairs(question: Question, found: Floats, rounds: np.ndarray) -> tuple[tuple[int, int], ...]:
    """Pairs that stand at any look that both cells took part in, and what follows from them."""
    bar, n = question.certificate_of_pairs, question.cells
    better = np.zeros((n, n), bool)
    for a in range(n):
        for b in range(n):
            looks = int(min(rounds[a], rounds[b])) - FIRST + 1
            better[a, b] = a != b and looks > 0 and bool((found[:looks, a, b] >= bar).any())
    for middle in range(n):
        better |= better[:, middle, None] & better[None, middle, :]
    return tuple((int(a), int(b)) for a, b in zip(*np.nonzero(better), strict=True) if a != b)


def smallest_factor(a: Sequence[float], b: Sequence[float], p: float, bar: float) -> float:
    """The least r at which the evidence for A against B times r is `bar`, just above it; `a` and `b` in order,
    equally many."""
    n = len(a)
    enough = (table(n, p) < bar).sum(axis=0)  # runs of A below an x, by how many of B are up to it
    if enough[0]:
        return math.inf
    most = 0.0
    for x in sorted(set(b)):
        upto = int(np.searchsorted(b, x, "right"))
        need = int(enough[upto])
        if need > n or (need and a[need - 1] == math.inf):
            return math.inf
        if need and x < math.inf:
            most = max(most, a[need - 1] / x if x > 0 else math.inf)
    return most


def _factors(
    question: Question, runs: Sequence[Sequence[float]], cells: Sequence[int], certified: bool
) -> tuple[Factor, ...]:
    """Of the cells that are left, which is known to be nearest to the best, and within what."""
    if len(cells) < 2 or not runs[0] or len(runs[0]) < FIRST * PER_ROUND:
        return ()
    p, made = level(question.k), []
    for kind, bar in ((CALIBRATED, question.bar), (CERTIFIED, question.certificate)):
        if kind == CERTIFIED and not certified:
            continue
        if kind == CALIBRATED and question.bar >= question.certificate:
            continue
        worst = {
            cell: max(smallest_factor(mine, other, p, bar) for j, other in enumerate(runs) if j != i)
            for i, (cell, mine) in enumerate(zip(cells, runs, strict=True))
        }
        best = min(worst, key=lambda cell: worst[cell])
        made.append(Factor(best, worst[best], kind))
    return tuple(made)


def sentence(question: Question, found: Answer, names: Sequence[str]) -> str:
    """The answer in a sentence, with its error and kind."""
    k = "for one model" if question.k == 1 else f"for the best of {question.k} models"
    error = f"{100 * question.error:g} %"
    runs = f"{plural(found.spent, 'run')} of {question.budget}"
    if found.winner is not None:
        what = "is the best cell" if found.state == BEST else f"is within a factor {question.within:g} of the best cell"
        return f"{names[found.winner]} {what} {k}; {found.kind}, error at most {error}; {runs}"
    left = ", ".join(names[i] for i in found.alive)
    why = "the budget is spent" if found.state == BUDGET else f"after {plural(found.rounds, 'round')}"
    return f"undecided {k} between {left}: {why}; {runs}"


__all__ = ["BEST", "BUDGET", "CALIBRATED", "CERTIFIED", "WAITING", "WITHIN", "Answer", "answer", "sentence"]
