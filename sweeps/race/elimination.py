"""Elimination in rounds: the course of one race, or of thousands at once.

Each cell that is left runs five more tickets a round. From the second round on, a cell that another one of them is
better than by enough evidence is out. The race ends with one cell left, with a cell within the factor asked for of
all that are left, or when the next round is more than the budget.

Where the best m are asked for, or the order, a cell leaves when its own place in that is known: it is better than
enough cells, or worse than enough, or one of the two for each. What follows from pairs that stand counts as well.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from landscape.store.races import BEST, BUDGET, ORDER, TOP, WAITING, WITHIN
from sweeps.race.evidence import Floats, evidence_paths, level
from sweeps.race.matched import matched_paths
from sweeps.race.question import Question
from sweeps.race.thresholds import FIRST, PER_ROUND

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


class Evidence(NamedTuple):
    """Of the first cell of a pair against the second, at each look: shape (races, looks, cells, cells)."""

    plain: Floats
    within: Floats | None  # the same against the second one's runs times the factor asked for

    @property
    def rounds(self) -> int:
        """The round of the last look."""
        return int(self.plain.shape[1]) + FIRST - 1


class Course(NamedTuple):
    """How races went. Cells by their number; -1 where there is none."""

    state: NDArray[np.str_]  # (races)
    winner: Ints  # (races)
    certified: Flags  # (races) whether what is said of the winner, or of the best m or the order, is
    rounds: Ints  # (races) that were counted
    spent: Ints  # (races) runs that were counted
    out_at: Ints  # (races, cells) the round in which a cell left, 0 while it is in
    out_by: Ints  # (races, cells) which cell was better, where it left for that
    out_certified: Flags  # (races, cells)
    better: Flags  # (races, cells, cells) which pairs stand, and what follows from them

    @property
    def alive(self) -> Flags:
        """The cells that have not left."""
        return np.asarray(self.out_at == 0)


def all_evidence(values: Floats, k: int, within: float | None, rounds: int, matched: bool = False) -> Evidence:
    """`values`: shape (races, cells, tickets), in ticket order."""
    races, cells, _ = values.shape
    looks = [PER_ROUND * number for number in range(FIRST, rounds + 1)]
    first, second = np.nonzero(~np.eye(cells, dtype=bool))

    def against(factor: float) -> Floats:
        made = np.full((races, len(looks), cells, cells), -np.inf)
        for a, b in zip(first, second, strict=True):
            if matched and looks:
                made[:, :, a, b] = matched_paths(values[:, a], factor * values[:, b], looks, level(k))
            elif looks:
                made[:, :, a, b] = evidence_paths(values[:, a], factor * values[:, b], looks, [level(k)], 0.0)[0]
        return made

    return Evidence(against(1.0), None if within is None else against(within))


def eliminate(question: Question, found: Evidence, have: Ints | None = None, hours: Floats | None = None) -> Course:
    """The races as far as their tickets go. `have`: tickets of each cell that count, (races, cells); None: enough.
    `hours`: of each ticket, (races, cells, tickets), for a question with a budget of hours."""
    races, _, cells, _ = found.plain.shape
    bar, sure = question.bar, question.certificate
    state = np.full(races, WAITING, dtype="<U8")
    winner, rounds, spent = np.full(races, -1), np.zeros(races, int), np.zeros(races, int)
    certified = np.zeros(races, bool)
    out_at, out_by = np.zeros((races, cells), int), np.full((races, cells), -1)
    out_certified, going = np.zeros((races, cells), bool), np.ones(races, bool)
    better, better_sure = (np.zeros((races, cells, cells), bool) for _ in range(2))
    for number in range(1, question.rounds + 1):
        alive = out_at == 0
        left = alive.sum(axis=1)
        broke = going & (spent + PER_ROUND * left > question.budget)
        if question.hours is not None and hours is not None and number > 1:
            broke |= going & (_hours_after(hours, out_at, number) > question.hours)
        state[broke] = BUDGET
        going &= ~broke
        if have is not None:
            going &= (~alive | (have >= PER_ROUND * number)).all(axis=1)
        if number > found.rounds or not going.any():
            break
        spent[going] += PER_ROUND * left[going]
        rounds[going] = number
        if number < FIRST:
            continue
        both = alive[:, :, None] & alive[:, None, :] & going[:, None, None]
        seen = np.where(both, found.plain[:, number - FIRST], -np.inf)
        if question.relates:
            better, better_sure = closed(better | (seen >= bar)), closed(better_sure | (seen >= sure))
            placed = settled(question, better) & alive & going[:, None]
            out_at[placed] = number
            out_certified[placed] = settled(question, better_sure)[placed]
            whole = going & (out_at > 0).all(axis=1)
            state[whole] = ORDER if question.order else TOP
            certified[whole] = out_certified[whole].all(axis=1)
            going &= ~whole
            continue
        better |= seen >= bar
        most = seen.max(axis=1)
        beaten = most >= bar
        beaten &= (alive & ~beaten).any(axis=1, keepdims=True)  # never all of them
        out_at[beaten] = number
        out_by[beaten] = seen.argmax(axis=1)[beaten]
        out_certified[beaten] = (most >= sure)[beaten]
        alive = out_at == 0
        sure_so_far = (alive | out_certified).all(axis=1)
        alone = going & (alive.sum(axis=1) == 1)
        state[alone], winner[alone] = BEST, alive.argmax(axis=1)[alone]
        certified[alone] = sure_so_far[alone]
        going &= ~alone
        if found.within is not None:
            rivals = alive[:, :, None] & alive[:, None, :] & ~np.eye(cells, dtype=bool)
            least = np.where(rivals, found.within[:, number - FIRST], np.inf).min(axis=2)
            least = np.where(alive, least, -np.inf)
            close = going & (least.max(axis=1) >= bar)
            state[close], winner[close] = WITHIN, least.argmax(axis=1)[close]
            certified[close] = (sure_so_far & (least.max(axis=1) >= sure))[close]
            going &= ~close
    else:
        state[going] = BUDGET
    return Course(state, winner, certified, rounds, spent, out_at, out_by, out_certified, closed(better))


def closed(better: Flags) -> Flags:
    """The pairs, (..., cells, cells), and what follows from them: who is better than a better one is better."""
    found = better.copy()
    for middle in range(better.shape[-1]):
        found |= found[..., :, middle, None] & found[..., None, middle, :]
    return found


def settled(question: Question, better: Flags) -> Flags:
    """The cells whose place in the question is known, (..., cells), by these pairs."""
    n, beats, beaten = question.cells, better.sum(axis=-1), better.sum(axis=-2)
    if question.order:
        return np.asarray((better | np.swapaxes(better, -1, -2)).sum(axis=-1) == n - 1)
    assert question.top is not None
    return np.asarray((beats >= n - question.top) | (beaten >= question.top))


def _hours_after(hours: Floats, out_at: Ints, number: int) -> Floats:
    """What a race will have taken after this round, by the mean hours of each cell so far."""
    before = PER_ROUND * (number - 1)
    tickets = np.arange(hours.shape[2])[None, None, :]
    counted = tickets < np.where(out_at == 0, before, PER_ROUND * out_at)[:, :, None]
    so_far = np.where(counted, hours, 0.0).sum(axis=2)
    ahead = np.where(out_at == 0, so_far * PER_ROUND / before, 0.0)
    return np.asarray((so_far + ahead).sum(axis=1))
