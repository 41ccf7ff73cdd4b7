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
from landscape.store.races import BEST, BUDGET, CALIBRATED, CERTIFIED, ORDER, TOP, WAITING, WITHIN
from sweeps.race.challenge import challenge
from sweeps.race.elimination import all_evidence, closed, eliminate
from sweeps.race.evidence import Floats, level, quantile, table
from sweeps.race.question import Question
from sweeps.race.thresholds import FIRST, PER_ROUND
from sweeps.race.tickets import as_arrays


class Out(NamedTuple):
    """A cell that has left: in which round, which cell was better (None where its place is known), and how sure."""

    cell: int
    round: int
    by: int | None
    kind: str


class Factor(NamedTuple):
    """The smallest factor of the best that a cell can be claimed to be within; infinite where there is none."""

    cell: int
    factor: float
    kind: str


class Look(NamedTuple):
    """What was seen at one look: runs and hours by then, the cells that were left, the quantile of each of them, and
    of which pairs there was evidence (first better than second), how much."""

    round: int
    spent: int
    hours: float
    quantiles: tuple[tuple[int, float], ...]
    evidence: tuple[tuple[int, int, float], ...]


class Answer(NamedTuple):
    """Of one race. Cells are told by their number."""

    state: str  # best, within, top, order, budget, or waiting for tickets
    winner: int | None
    kind: str | None  # of what is said of the winner, or of the best m or the order
    rounds: int
    spent: int  # runs that were counted
    alive: tuple[int, ...]
    out: tuple[Out, ...]  # in the order in which they left
    pairs: tuple[tuple[int, int], ...]  # certified: the first is better than the second, all at once
    factors: tuple[Factor, ...]  # the calibrated one and the certified one, among what is left
    quantiles: tuple[float, ...]  # of each cell's runs that counted; nan without any
    wanted: tuple[int, ...]  # how many tickets each cell must have for the next look
    hours: float = 0.0  # of the runs that were counted, where they are on record
    ranking: tuple[int, ...] = ()  # the best m, or all in order, as far as they are known; best first
    stands: tuple[tuple[int, int], ...] = ()  # of the best m and the order: pairs by which cells leave
    looks: tuple[Look, ...] = ()
    counted: tuple[int, ...] = ()  # runs of each cell; more may have ended

    @property
    def ended(self) -> bool:
        """Whether no further tickets are wanted."""
        return self.state != WAITING


def answer(
    question: Question, tickets: Sequence[Sequence[float]], hours: Sequence[Sequence[float]] | None = None
) -> Answer:
    """`tickets`: of each cell the distances that count (`sweeps.race.tickets.counted`); `hours`: of the same runs."""
    if question.by_cost:
        return _by_cost(question, tickets, hours)
    values, have = as_arrays(tickets)
    took = None if hours is None else np.nan_to_num(as_arrays(hours)[0], posinf=0.0)
    rounds = min(question.rounds, int(have.max()) // PER_ROUND)
    found = all_evidence(values, question.k, question.within, rounds, question.matched)
    course = eliminate(question, found, have, took)
    alive = tuple(map(int, np.flatnonzero(course.alive[0])))
    counted = int(course.rounds[0])
    left = np.where(course.alive[0], counted, course.out_at[0])  # rounds of each cell
    out = [
        Out(
            cell,
            int(course.out_at[0, cell]),
            None if course.out_by[0, cell] < 0 else int(course.out_by[0, cell]),
            _kind(bool(course.out_certified[0, cell])),
        )
        for cell in range(question.cells)
        if cell not in alive
    ]
    state = str(course.state[0])
    more = PER_ROUND * (counted + 1) if state == WAITING else 0
    known = [list(cell[: PER_ROUND * n]) for cell, n in zip(tickets, left, strict=True)]
    winner = int(course.winner[0])
    answered = state in (BEST, WITHIN, TOP, ORDER)
    looks = tuple(_look(question, tickets, hours, left, found.plain[0], number) for number in range(1, counted + 1))
    return Answer(
        state=state,
        winner=None if winner < 0 else winner,
        kind=_kind(bool(course.certified[0])) if answered else None,
        rounds=counted,
        spent=int(course.spent[0]),
        alive=alive,
        out=tuple(sorted(out, key=lambda one: (one.round, one.cell))),
        pairs=_pairs(question, found.plain[0], left),
        factors=() if state == BEST else _factors(question, known, course.better[0], out),
        quantiles=tuple(quantile(cell, level(question.k)) for cell in known),
        wanted=tuple(max(more, len(cell)) if i in alive else len(cell) for i, cell in enumerate(tickets)),
        hours=looks[-1].hours if looks else 0.0,
        ranking=_ranking(question, course.better[0]) if question.relates else (),
        stands=_listed(course.better[0]) if question.relates else (),
        looks=looks,
        counted=tuple(map(len, known)),
    )


def _kind(certified: bool) -> str:
    return CERTIFIED if certified else CALIBRATED


def _look(
    question: Question,
    tickets: Sequence[Sequence[float]],
    hours: Sequence[Sequence[float]] | None,
    left: np.ndarray,
    found: Floats,
    number: int,
) -> Look:
    here = [cell for cell in range(question.cells) if left[cell] >= number]
    runs = [PER_ROUND * min(int(n), number) for n in left]
    pairs = found[number - FIRST] if number >= FIRST else np.full((question.cells, question.cells), -np.inf)
    return Look(
        number,
        sum(runs),
        0.0 if hours is None else float(sum(sum(of[:n]) for of, n in zip(hours, runs, strict=True))),
        tuple((cell, quantile(tickets[cell][: PER_ROUND * number], level(question.k))) for cell in here),
        _evident(pairs, here),
    )


def _evident(found: Floats, here: Sequence[int]) -> tuple[tuple[int, int, float], ...]:
    return tuple((a, b, float(found[a, b])) for a in here for b in here if a != b and found[a, b] > 0)


def _by_cost(question: Question, tickets: Sequence[Sequence[float]], hours: Sequence[Sequence[float]] | None) -> Answer:
    """The same for leader and challenger: a round is a step, after which one cell has five more runs."""
    n, p = question.cells, level(question.k)
    found = challenge(question, tickets, hours)
    alive = found.steps[-1].alive if found.steps else tuple(range(n))
    spent = sum(found.have)
    known = [list(cell[:runs]) for cell, runs in zip(tickets, found.have, strict=True)]
    most = np.full((n, n), -np.inf)
    looks = []
    for step in found.steps:
        most = np.maximum(most, step.evidence)
        here = [cell for cell in range(n) if cell in step.alive or found.out[cell][0] == step.number]
        took = 0.0 if hours is None else sum(sum(of[:runs]) for of, runs in zip(hours, step.have, strict=True))
        middles = tuple((cell, quantile(tickets[cell][: step.have[cell]], p)) for cell in here)
        looks.append(Look(step.number, sum(step.have), float(took), middles, _evident(step.evidence, here)))
    out = [Out(cell, at, by, CERTIFIED) for cell, (at, by) in found.out.items()]
    wanted = [len(cell) for cell in tickets]
    if found.state == WAITING:
        for cell in range(n) if found.next is None else (found.next,):
            begun = found.have[cell] + PER_ROUND * (FIRST if found.next is None else 1)
            wanted[cell] = max(wanted[cell], begun)
    return Answer(
        state=found.state,
        winner=found.winner,
        kind=None if found.winner is None else CERTIFIED,
        rounds=found.steps[-1].number if found.steps else 0,
        spent=spent,
        alive=alive,
        out=tuple(sorted(out, key=lambda one: (one.round, one.cell))),
        pairs=_listed(closed(most >= question.certificate_of_pairs)),
        factors=() if found.state == BEST else _factors(question, known, closed(most >= question.bar), out),
        quantiles=tuple(quantile(cell, p) for cell in known),
        wanted=tuple(wanted),
        hours=looks[-1].hours if looks else 0.0,
        looks=tuple(looks),
        counted=tuple(map(len, known)),
    )


def _listed(better: np.ndarray) -> tuple[tuple[int, int], ...]:
    return tuple((int(a), int(b)) for a, b in zip(*np.nonzero(better), strict=True) if a != b)


def _pairs(question: Question, found: Floats, rounds: np.ndarray) -> tuple[tuple[int, int], ...]:
    """Pairs that stand at any look that both cells took part in, and what follows from them."""
    bar, n = question.certificate_of_pairs, question.cells
    better = np.zeros((n, n), bool)
    for a in range(n):
        for b in range(n):
            looks = int(min(rounds[a], rounds[b])) - FIRST + 1
            better[a, b] = a != b and looks > 0 and bool((found[:looks, a, b] >= bar).any())
    return _listed(closed(better))


def _ranking(question: Question, better: np.ndarray) -> tuple[int, ...]:
    """Of the order: all cells where every pair is known, else those at its two ends are not told apart, and none is
    given. Of the best m: those that are known to be among them."""
    beats, beaten = better.sum(axis=1), better.sum(axis=0)
    n = question.cells
    if question.order:
        whole = bool((beats + beaten == n - 1).all())
        return tuple(map(int, np.argsort(beaten))) if whole else ()
    assert question.top is not None
    inside = [cell for cell in range(n) if beats[cell] >= n - question.top]
    return tuple(sorted(inside, key=lambda cell: (beaten[cell], cell)))


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


def _searched_factor(question: Question, a: Sequence[float], b: Sequence[float], bar: float) -> float:
    """The same for any numbers of runs and any evidence, which only grows with r: it can change where a run of A meets
    one of B."""
    x, y = np.asarray(a, float), np.asarray(b, float)
    meet = np.unique((x[np.isfinite(x)][:, None] / np.maximum(y[np.isfinite(y)], 1e-300)).ravel())

    def enough(r: float) -> bool:
        return question.evidence(x, y * r) >= bar

    if enough(1e-300):
        return 0.0
    low, high = 0, len(meet)  # the first that is enough is in [low, high]
    while low < high:
        middle = (low + high) // 2
        if enough(float(meet[middle]) * (1 + 1e-9)):
            high = middle
        else:
            low = middle + 1
    return float(meet[low]) if low < len(meet) else math.inf


def _factors(
    question: Question, known: Sequence[Sequence[float]], better: np.ndarray, out: Sequence[Out]
) -> tuple[Factor, ...]:
    """Of the cells that nothing is known to be better than, which is known to be nearest to the best, within what."""
    cells = [cell for cell in range(question.cells) if not better[:, cell].any()]
    fewest = min((len(known[cell]) for cell in cells), default=0)
    if len(cells) < 2 or fewest < FIRST * PER_ROUND:
        return ()
    p, made = level(question.k), []
    certified = all(one.kind == CERTIFIED for one in out)
    for kind, bar in ((CALIBRATED, question.bar), (CERTIFIED, question.certificate)):
        if kind == CERTIFIED and not certified:
            continue
        if kind == CALIBRATED and question.bar >= question.certificate:
            continue

        def factor(mine: Sequence[float], other: Sequence[float], bar: float = bar) -> float:
            if question.by_cost or question.matched:
                return _searched_factor(question, mine, other, bar)
            return smallest_factor(sorted(mine[:fewest]), sorted(other[:fewest]), p, bar)

        worst = {a: max(factor(known[a], known[b]) for b in cells if b != a) for a in cells}
        best = min(worst, key=lambda cell: worst[cell])
        made.append(Factor(best, worst[best], kind))
    return tuple(made)


def sentence(question: Question, found: Answer, names: Sequence[str]) -> str:
    """The answer in a sentence, with its error and kind."""
    k = "for one model" if question.k == 1 else f"for the best of {question.k} models"
    error = f"{100 * question.share:.3g} %"
    runs = f"{plural(found.spent, 'run')} of {question.budget}"
    told = [names[i] for i in found.ranking]
    end = f"{k}; {found.kind}, error at most {error}; {runs}"
    if found.state == BEST and found.winner is not None:
        return f"{names[found.winner]} is the best cell {end}"
    if found.state == WITHIN and found.winner is not None:
        return f"{names[found.winner]} is within a factor {question.within:g} of the best cell {end}"
    if found.state == TOP:
        return f"{told[0]} is the best cell {end}" if len(told) == 1 else f"{_and(told)} are the best {len(told)} {end}"
    if found.state == ORDER:
        return f"the order, best first: {', '.join(told)}; {end}"
    left = ", ".join(names[i] for i in found.alive)
    gone = "the budget is spent"
    if found.state == BUDGET and question.hours is not None and found.hours:
        gone += f" ({found.hours:.3g} of {question.hours:g} hours)"
    why = gone if found.state == BUDGET else f"after {plural(found.rounds, 'round')}"
    so_far = f" ({_and(told)} {'is' if len(told) == 1 else 'are'} among the best {question.top})" if told else ""
    return f"undecided {k} between {left}: {why}; {runs}{so_far}"


def _and(words: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))
