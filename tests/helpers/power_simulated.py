"""Whether predicted power is what the report's tests and races have: `make bench-power` at length, tests in short."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy import special

from analysis.estimators.families import BETTER, claims
from sweeps.race.power import POINTS, Cell, Truth, as_they_are, best_of, fixed_costs, fixed_power, plausible, race_costs
from sweeps.race.question import Question

POWER = 0.8


class Seen(NamedTuple):
    """The number of runs (a cell, or of a race) that was predicted for a power of 80 %, and the power that was seen."""

    runs: float
    power: float
    error: float  # standard error of `power`


def _share(hits: int, sets: int, runs: float) -> Seen:
    at = min(max(hits / sets, 1 / sets), 1 - 1 / sets)
    return Seen(runs, hits / sets, math.sqrt(at * (1 - at) / sets))


def by_the_tests(truth: Truth, k: int, sets: int, seed: int = 0) -> Seen:
    """Equal numbers of runs as predicted, judged by the report's tests."""
    rng, best, hits = np.random.default_rng(seed), best_of(truth, k), 0
    n = round(fixed_costs([truth], k).at(POWER)[0] / len(truth))
    for _ in range(sets):
        # The points of a truth are drawn again and again: a last digit keeps them from being ties.
        cells = [rng.choice(cell.values, n) * np.exp(1e-9 * rng.normal(size=n)) for cell in truth]
        pairs = {pair: claim for pair, claim in claims(cells, k).items() if best in pair}
        hits += all(c.said == BETTER and (c.pair.theta > 0.5) == (pair[0] == best) for pair, c in pairs.items())
    return _share(hits, sets, n)


def by_races(truth: Truth, k: int, races: int, certify: bool, seed: int = 1) -> Seen:
    """Races, drawn anew, that have the right answer by the runs that were predicted."""
    question = Question(len(truth), k)
    runs, _ = race_costs([truth], question, races)[certify].at(POWER)
    again = race_costs([truth], question, races, seed)[certify]
    hits = round(races * float(again.by_runs[np.searchsorted(again.runs, runs, "right") - 1]))
    return _share(hits, races, runs)


class Piloted(NamedTuple):
    """Of many pilots: the power at the number of runs that each asks for, averaged, and how many asked for more than
    there is; and for fixed numbers of runs the mean prediction and the mean power."""

    power: float
    error: float
    never: int
    predicted: list[float]
    true: list[float]


def by_pilots(
    cells: int, spread: float, between: float, runs: int, pilots: int, at_their_word: bool = False
) -> Piloted:
    """Cells are draws themselves, as `plausible` takes them to be; each pilot has so many runs of each."""
    scores, looks = special.ndtri((np.arange(POINTS) + 0.5) / POINTS), np.array([10, 20, 40, 100])
    found, predicted, true, never = [], [], [], 0
    for number in range(pilots):
        rng = np.random.default_rng(100 + number)
        means = rng.normal(0, between, cells)
        truth = [Cell(np.exp(mean + spread * scores), 1.0) for mean in means]
        pilot = [np.exp(mean + spread * rng.normal(size=runs)) for mean in means]
        hours = [1.0] * cells
        costs = fixed_costs([as_they_are(pilot, hours)] if at_their_word else plausible(pilot, hours, 40, number), 1)
        asked = costs.at(POWER)[0]
        never += math.isinf(asked)
        n = round(min(asked, costs.runs[-1]) / cells)
        found.append(float(fixed_power(truth, 1, np.array([n]))[0]))
        predicted.append([float(costs.by_runs[np.searchsorted(costs.runs, cells * look)]) for look in looks])
        true.append(fixed_power(truth, 1, looks))
    sd = float(np.std(found) / math.sqrt(pilots))
    return Piloted(float(np.mean(found)), sd, never, list(np.mean(predicted, axis=0)), list(np.mean(true, axis=0)))
