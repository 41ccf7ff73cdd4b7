"""Scenes in which races are run: `make bench-race` at length, the tests in short."""

from __future__ import annotations

from collections.abc import Callable
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from landscape.store.races import BEST, ORDER, TOP, WITHIN
from sweeps.race.challenge import challenge
from sweeps.race.elimination import Course, all_evidence, eliminate
from sweeps.race.evidence import Floats, level
from sweeps.race.question import Question
from sweeps.race.thresholds import PER_ROUND

Draw = Callable[[np.random.Generator, tuple[int, int], int], Floats]  # (races, tickets), k -> (races, cells, tickets)
RATIOS = (1.0, 1.3, 1.4, 1.5, 1.65, 1.8, 2.1, 2.5)  # of the medians, in the paper


class Cells(NamedTuple):
    """Cells whose distances are log-normal, or as heavy as t with 3 degrees; some runs diverge.

    ratio: of each cell's finite median; spread: standard deviation of the logarithm; lost: share that diverges.
    """

    ratio: tuple[float, ...]
    spread: tuple[float, ...] = (0.4,)
    lost: tuple[float, ...] = (0.1,)
    heavy: bool = False
    grid: float | None = None  # logarithms are rounded to this: ties
    alike: float = 0.0  # correlation of ticket n of two cells

    def draw(self, rng: np.random.Generator, size: tuple[int, int], k: int = 1) -> Floats:
        races, tickets = size
        shape = (races, len(self.ratio), tickets)
        noise = rng.standard_t(3, shape) if self.heavy else rng.normal(size=shape)
        if self.alike:
            shared = rng.normal(size=(races, 1, tickets))
            noise = np.sqrt(self.alike) * shared + np.sqrt(1 - self.alike) * noise
        spread, lost = (np.resize(of, len(self.ratio))[None, :, None] for of in (self.spread, self.lost))
        logs = np.log(self.ratio)[None, :, None] + spread * noise
        if self.grid is not None:
            logs = np.round(logs / self.grid) * self.grid
        return np.where(rng.random(shape) < lost, np.inf, np.exp(logs))

    def quantiles(self, k: int) -> Floats:
        """The cells' true quantiles of best of k."""
        inverse = (lambda q: float(t.ppf(q, 3))) if self.heavy else NormalDist().inv_cdf
        n, found = len(self.ratio), []
        for ratio, spread, lost in zip(self.ratio, np.resize(self.spread, n), np.resize(self.lost, n), strict=True):
            q = level(k) / (1 - lost)
            log = np.log(ratio) + spread * inverse(q) if q < 1 else np.inf
            found.append(np.exp(np.ceil(log / self.grid - 0.5) * self.grid if self.grid else log))
        return np.array(found)


class Touch(NamedTuple):
    """Two cells tied at the quantile, of which the first is better on both its sides: what S may fail on."""

    spread: tuple[float, float] = (0.6, 0.2)

    def draw(self, rng: np.random.Generator, size: tuple[int, int], k: int = 1) -> Floats:
        middle = NormalDist().inv_cdf(level(k))
        z = rng.normal(size=(size[0], 2, size[1])) - middle
        inside, outside = self.spread
        below = np.array([inside, outside])[None, :, None]
        return np.exp(np.where(z < 0, below, below[:, ::-1]) * z)

    def quantiles(self, k: int) -> Floats:
        return np.ones(2)


def scenes(cells: int) -> dict[str, Cells | Touch]:
    """The scenes of so many cells."""
    ratios = RATIOS[:cells]
    wide = (1.0, *(1.5 * x / 1.3 for x in ratios[1:]))
    made: dict[str, Cells | Touch] = {
        "paper": Cells(ratios),
        "wide": Cells(wide),
        "close": Cells((1.0, *(1.1 * x / 1.3 for x in ratios[1:]))),
        "heavy": Cells(ratios, spread=(0.3,), heavy=True),
        "20 % infinite": Cells(ratios, lost=(0.2, 0.05)),
        "ties": Cells(ratios, grid=0.1),
        "two tied": Cells((1.0, 1.0, *ratios[2:])),
        "all equal": Cells((1.0,) * cells),
    }
    if cells == 2:
        made["touch"] = Touch()
    return made


class Seen(NamedTuple):
    """Of so many races: the share that names a wrong cell, the median share of the full grid, the share undecided."""

    error: float
    share: float
    undecided: float
    races: int
    certified: float
    share_se: float

    @property
    def error_se(self) -> float:
        at = max(self.error, 1 / self.races)
        return float(np.sqrt(at * (1 - at) / self.races))


def wrong(question: Question, course: Course, quantiles: Floats) -> NDArray[np.bool_]:
    """Whether a race named a cell that is not alone the best, or not within the factor; of the best m and the order,
    whether any pair that stands is wrong, a tie included."""
    if question.relates:
        return np.asarray((course.better & (quantiles[:, None] >= quantiles[None, :])).any(axis=(1, 2)))
    order = np.sort(quantiles)
    is_best = (quantiles == order[0]) & (order[1] > order[0])
    near = quantiles < order[0] * (question.within or 1.0)
    named = course.winner
    found = ((course.state == BEST) & ~is_best[named]) | ((course.state == WITHIN) & ~near[named])
    return np.asarray(found)


def race(scene: Cells | Touch, questions: dict[str, Question], races: int, seed: int) -> dict[str, Seen]:
    """The same runs raced under several questions of one k and factor."""
    rng, found = np.random.default_rng(seed), {}
    first = next(iter(questions.values()))
    rounds = max(question.rounds for question in questions.values())
    values = scene.draw(rng, (races, 5 * rounds), first.k)
    evidence = all_evidence(values, first.k, first.within, rounds, first.matched)
    for name, question in questions.items():
        course = eliminate(question, evidence)
        decided = np.isin(course.state, (BEST, WITHIN, TOP, ORDER))
        found[name] = Seen(
            float(wrong(question, course, scene.quantiles(first.k)).mean()),
            float(np.median(course.spent) / question.budget),
            float(1 - decided.mean()),
            races,
            float((course.certified & decided).mean()),
            float(1.25 * np.std(course.spent / question.budget) / np.sqrt(races)),  # of a median
        )
    return found


def hours_of_rounds(scene: Cells | Touch, question: Question, races: int, seed: int, each: Floats) -> float:
    """The median share of the hours of the full grid that a race in rounds takes; `each`: hours of a run, by cell."""
    values = scene.draw(np.random.default_rng(seed), (races, PER_ROUND * question.rounds), question.k)
    course = eliminate(question, all_evidence(values, question.k, question.within, question.rounds))
    runs = PER_ROUND * np.where(course.alive, course.rounds[:, None], course.out_at)
    return float(np.median(runs @ each) / (each.sum() * question.budget / question.cells))


def race_by_cost(
    scene: Cells | Touch, question: Question, races: int, seed: int, each: Floats | None = None
) -> tuple[Seen, float]:
    """The same for leader and challenger, by default with runs of 1 to 4 hours, the best cell's longest; and the median
    share of the hours of the full grid."""
    rng, n = np.random.default_rng(seed), question.cells
    each, quantiles = np.linspace(4, 1, n) if each is None else each, scene.quantiles(question.k)
    values = scene.draw(rng, (races, question.budget // 2), question.k)
    hours = [[took] * values.shape[2] for took in each]
    order = np.sort(quantiles)
    errors, decided, spent, took = 0, 0, [], []
    for one in values:
        found = challenge(question, [list(cell) for cell in one], hours)
        spent.append(sum(found.have) / question.budget)
        took.append(float(np.dot(found.have, each)) / (each.sum() * question.budget / n))
        decided += found.winner is not None
        named = found.winner is not None and (found.state == BEST)
        errors += bool(named and not (quantiles[found.winner] == order[0] < order[1]))
    se = float(1.25 * np.std(spent) / np.sqrt(races))
    seen = Seen(errors / races, float(np.median(spent)), 1 - decided / races, races, decided / races, se)
    return seen, float(np.median(took))
