"""Power: how many runs and hours the answer to "which cell is best" takes, by a fixed number of runs and by a race.

**Fixed.** The tests of the report claim the best cell against each other one. For one pair of n runs a cell the
studentized statistic is near normal; with d the difference in standard deviations that gives the same chance theta of
winning in normal cells, d = sqrt(2) z(theta), it needs n = o + c (z(level) + z(power))^2 / d^2 runs (`offset`, `slope`;
at k = 1 the numbers of `landscape.config.seeds`). The best cell is claimed against all others with the chance of
correlated normals: its own runs are in each pair.

**Race.** Simulated: `races` races in their full length, and what each had spent when it named the best cell.

What the cells are like is a *truth*: of each cell a list of equally likely distances. `assumed` makes one from a spread
and a ratio. A pilot allows many truths, and one that takes its means at their word is too sure of itself: the cell
that looks best looks too good. `plausible` draws truths that the pilot allows, and `costs` averages over them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from landscape.config.seeds import claimable, pair_level
from sweeps.race.elimination import all_evidence, eliminate
from sweeps.race.evidence import Floats, level
from sweeps.race.question import Question
from sweeps.race.thresholds import PER_ROUND

POINTS = 999  # equally likely distances of a cell of an assumed truth
TICKETS = 120  # of a cell at most, as in a race's default budget
AT_ONCE = 4_000_000  # numbers of evidence of races that are simulated together
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(31)


class Cell(NamedTuple):
    """A cell of a truth: equally likely distances, in order (infinite: a run that diverged), and the hours of a run."""

    values: Floats
    hours: float


Truth = Sequence[Cell]


class Costs(NamedTuple):
    """The chance of the right answer by what was spent; runs and hours rise, each with its own chances."""

    runs: Floats
    by_runs: Floats
    hours: Floats
    by_hours: Floats
    wrong: float = 0.0  # the chance of a wrong answer, at the end

    def at(self, power: float) -> tuple[float, float]:
        """Runs and hours at which the chance is `power`; infinite if it never is."""
        sides = ((self.runs, self.by_runs), (self.hours, self.by_hours))
        places = [int(np.searchsorted(chances, power - 1e-9)) for _, chances in sides]
        runs, hours = (
            float(spent[place]) if place < len(spent) else math.inf
            for place, (spent, _) in zip(places, sides, strict=True)
        )
        return runs, hours


def assumed(cells: int, spread: float, ratio: float, hours: float = 1.0) -> Truth:
    """A best cell, and others whose distances are all `ratio` times as high: the hardest case of that ratio.

    `spread` is the standard deviation of the logarithm of the distance between runs of a cell.
    """
    logs = spread * special.ndtri((np.arange(POINTS) + 0.5) / POINTS)
    return [Cell(np.exp(logs + (math.log(ratio) if place else 0.0)), hours) for place in range(cells)]


def as_they_are(distances: Sequence[Floats], hours: Sequence[float]) -> Truth:
    """Recorded cells at their word: their runs are equally likely, and there are no others."""
    return [Cell(np.sort(found), cost) for found, cost in zip(distances, hours, strict=True)]


def plausible(distances: Sequence[Floats], hours: Sequence[float], truths: int, seed: int = 0) -> list[Truth]:
    """Truths that the runs of a pilot allow, of normal log distances with one spread and cells that are draws
    themselves. Their means are drawn nearer to each other than they look, the more so the fewer runs there are."""
    rng = np.random.default_rng(seed)
    logs = [np.log(np.maximum(found[np.isfinite(found)], np.finfo(float).tiny)) for found in distances]
    n, failed = np.array([len(one) for one in logs]), [len(d) - len(x) for d, x in zip(distances, logs, strict=True)]
    means = np.array([one.mean() if len(one) else np.nan for one in logs])
    means = np.where(np.isnan(means), np.nanmax(means), means)
    freedom = int((n - 1).clip(0).sum())
    squares = sum(float(((one - one.mean()) ** 2).sum()) for one in logs if len(one))
    scores = special.ndtri((np.arange(POINTS) + 0.5) / POINTS)
    made: list[Truth] = []
    for _ in range(truths):
        within = squares / rng.chisquare(freedom)
        of_mean = within / n.clip(1)
        seen = float(((means - means.mean()) ** 2).sum()) / rng.chisquare(len(means) - 1)
        between = max(seen - float(of_mean.mean()), 1e-4 * within)
        trust = between / (between + of_mean)
        middle = means.mean() + trust * (means - means.mean())
        drawn = rng.normal(middle, np.sqrt(trust * of_mean))
        truth: list[Cell] = []
        for place in range(len(distances)):
            lost = rng.beta(failed[place] + 0.5, n[place] + 0.5) if failed[place] else 0.0
            values = np.exp(drawn[place] + math.sqrt(within) * scores)
            values[rng.permutation(POINTS)[: round(POINTS * lost)]] = np.inf
            truth.append(Cell(np.sort(values), hours[place]))
        made.append(truth)
    return made


def theta(a: Floats, b: Floats, k: int) -> float:
    """The chance that the best of k of `a` is below the best of k of `b`, ties counted half; both in order."""
    at = np.unique(np.concatenate([a, b]))
    (to_a, from_a), (to_b, from_b) = (
        tuple(1 - np.searchsorted(x, at, side) / len(x) for side in ("right", "left")) for x in (a, b)
    )
    return float(((from_a**k - to_a**k) * (from_b**k + to_b**k) / 2).sum())


def slope(k: int) -> float:
    """c of the module's head: 4 pi times the variance of the statistic of two equal cells, times n. 2.09 at k = 1."""
    return 8 * math.pi * k**4 / (2 * k - 1) ** 2 * (1 / (4 * k - 1) - 1 / (4 * k**2))


def offset(k: int, z: float) -> float:
    """o: what few runs lose. Fitted to simulations of the tests (tests/benchmarks/bench_power.py)."""
    return k * (0.5 + z**2 / 4)


def best_of(truth: Truth, k: int) -> int:
    """The number of the best cell."""
    p = level(k)
    return int(np.argmin([np.quantile(cell.values, p, method="inverted_cdf") for cell in truth]))


def fixed_power(truth: Truth, k: int, n: NDArray[np.int64]) -> Floats:
    """The chance that the report's tests claim the best cell against each other one, with n runs a cell."""
    cells, best = len(truth), best_of(truth, k)
    z = float(special.ndtri(1 - _last_level(cells, k) / 2))
    chances = [theta(truth[best].values, cell.values, k) for place, cell in enumerate(truth) if place != best]
    d = math.sqrt(2) * special.ndtri(np.clip(chances, 1e-9, 1 - 1e-9))
    reach = np.sqrt(np.maximum(n - offset(k, z), 0) / slope(k))
    # The runs of the best cell move all of its pairs together: given them (`NODES`), pairs are independent.
    given = special.ndtr(math.sqrt(2) * (reach[:, None, None] * d - z) + NODES[:, None])
    right = (given.prod(axis=2) * WEIGHTS).sum(axis=1) / WEIGHTS.sum()
    return np.asarray(np.where(n >= claimable(cells, k), right, 0.0))


def _last_level(cells: int, k: int) -> float:
    """The level that the last of the best cell's pairs has to meet: by Holm's correction, after the others."""
    if k == 1 and cells <= 12:
        return pair_level(cells)
    return 0.05 / (math.comb(cells, 2) - (cells - 2))


def fixed_costs(truths: Sequence[Truth], k: int, most: int = 4 * TICKETS) -> Costs:
    """Of equal numbers of runs a cell, averaged over truths that have the same cells."""
    n = np.unique(np.r_[np.arange(2, 41), np.geomspace(40, most, 60).round().astype(int)])
    right = np.mean([fixed_power(truth, k, n) for truth in truths], axis=0)
    hours = sum(cell.hours for cell in truths[0])
    right = np.maximum.accumulate(right)
    return Costs(len(truths[0]) * n.astype(float), right, np.asarray(hours * n, float), right)


def race_costs(
    truths: Sequence[Truth], question: Question, races: int = 400, seed: int = 0, tickets: int = TICKETS
) -> tuple[Costs, Costs]:
    """Of races that drop cells as `question` says, and of the same ones that drop them only where that is certified."""
    rng, each = np.random.default_rng(seed), -(-races // len(truths))
    found: dict[bool, list[list[Floats]]] = {certify: [[], [], [], []] for certify in (False, True)}
    rounds = min(question.rounds, tickets // PER_ROUND)
    at_once = max(1, AT_ONCE // (each * rounds * question.cells**2))
    for first in range(0, len(truths), at_once):
        few = truths[first : first + at_once]
        drawn = [
            np.stack([cell.values[rng.integers(0, len(cell.values), (each, PER_ROUND * rounds))] for cell in truth], 1)
            for truth in few
        ]
        seen = all_evidence(np.concatenate(drawn), question.k, question.within, rounds)
        best = np.repeat([best_of(truth, question.k) for truth in few], each)
        hours = np.repeat([[cell.hours for cell in truth] for truth in few], each, axis=0)
        for certify in (False, True):
            course = eliminate(replace(question, certify=certify), seen)
            left = np.where(course.alive, course.rounds[:, None], course.out_at)
            for part, values in zip(
                found[certify],
                (course.spent, PER_ROUND * (left * hours).sum(axis=1), course.winner == best, course.winner >= 0),
                strict=True,
            ):
                part.append(np.asarray(values, float))
    return _costs(*found[False]), _costs(*found[True])


def _costs(*parts: list[Floats]) -> Costs:
    """Of what each race had spent in runs and hours, whether it was right, and whether it named a cell."""
    spent, cost, is_right, decided = (np.concatenate(part) for part in parts)
    wrong = float((decided - is_right).mean())
    sides = [np.argsort(one, kind="stable") for one in (spent, cost)]
    (runs_order, hours_order), n = sides, len(spent)
    return Costs(
        spent[runs_order],
        np.cumsum(is_right[runs_order]) / n,
        cost[hours_order],
        np.cumsum(is_right[hours_order]) / n,
        wrong,
    )
