"""The law of a random search: what the best of more runs than there are may come to. Arrays in, numbers out.

No part of the report: on held-out runs its bands hold less often than they say (docs/statistics.md, `make bench-law`).

Near its best setting a score is about a quadratic of the hyperparameters, seen with noise. The scores of a random
search then have opda's noisy quadratic distribution, whose parameters are the best attainable score, the worst one, the
effective number of hyperparameters and the noise of seeds (Lourie, He and Cho, arXiv 2510.02365).

opda's own fit takes 1 to 24 s, and is a point. Here the law is a family of shapes (number of hyperparameters, noise
relative to the range), each with a location and a scale. Given a shape these have a closed form: generalized least
squares on the ordered values (Lloyd, *Biometrika* 39 (1952) 88). Averaged over all shapes by how likely each makes the
values, all laws that the values allow give intervals and bands; the band of the best shape alone, or of a parametric
bootstrap of it, held in 70 to 92 % where 95 were asked. Diverged runs count as the highest ranks, with no value.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from opda.parametric import NoisyQuadraticDistribution

Array = NDArray[np.float64]

FEWEST = 20  # runs of which a law is fitted
FEWEST_KNOWN = 12  # of which so many did not diverge
LONGEST = 4  # a curve is continued to so many times the runs
REFUSED = 0.05  # p of the fit from which on nothing is read from the law

MOST_PARAMETERS = 10  # effective hyperparameters: opda's range
NOISES = (0.01, 0.03, 0.06, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 1.0)  # of shapes, relative to their range
# Least squares takes ordered values for normal and the shapes are a grid: 98 % of the laws hold the truth in 95 %.
KEPT = 0.98
DRAWS = 2000  # of laws
REFITS = 200  # of draws of the best law, for the p of the fit


class Interval(NamedTuple):
    """An estimate with its bounds."""

    at: float
    low: float
    high: float


@dataclass(frozen=True)
class Law:
    """What n values of a random search say of their law, on the scale of the values.

    best        the mean over seeds of the best setting there is
    parameters  the effective number of hyperparameters
    noise       the standard deviation between seeds of a setting
    p           how often draws of the law fit it worse than the values do
    ks          numbers of future runs from n on, with the median of the best of them: point, lower, upper
    """

    n: int
    best: Interval
    parameters: Interval
    noise: Interval
    p: float
    ks: NDArray[np.int64]
    point: Array
    lower: Array
    upper: Array

    @property
    def fits(self) -> bool:
        """Whether the values may be draws of the law: else its parameters and its curve mean nothing."""
        return self.p > REFUSED


def fit_law(values: Array, hyperparameters: int = MOST_PARAMETERS, seed: int = 0, fewest: int = FEWEST) -> Law | None:
    """The law of `values`, independent draws of which lower is better; infinite ones diverged.

    `hyperparameters` is how many the search varied: no more can be effective. None where `fewest` is not reached, or
    too few values are known, or all are equal. Raises `ValueError` for NaN and -inf.
    """
    values = np.sort(np.asarray(values, float))
    if values.ndim != 1 or np.isnan(values).any() or np.isneginf(values).any():
        raise ValueError("values must be a list of numbers, infinite for diverged runs and not NaN")
    n, known = len(values), values[np.isfinite(values)]
    if n < fewest or len(known) < min(FEWEST_KNOWN, fewest) or known[0] == known[-1]:
        return None
    most = min(max(hyperparameters, 1), MOST_PARAMETERS)
    rng = np.random.default_rng(seed)
    plan = _plan(n, len(known), most)
    shape, location, scale = _laws(known, plan, rng)
    ks = np.unique(np.geomspace(n, LONGEST * n, 30).round().astype(np.int64))
    at = -np.expm1(-np.log(2) / ks)  # the quantile of one run that is the median of the best of k
    curves = location[:, None] + scale[:, None] * np.array([one.quantiles(at) for one in plan.shapes])[shape]
    low, point, high = np.quantile(curves, [(1 - KEPT) / 2, 0.5, (1 + KEPT) / 2], axis=0)
    return Law(
        n,
        _interval(location),
        _interval(np.array([one.parameters for one in plan.shapes], float)[shape]),
        _interval(scale * np.array([one.noise for one in plan.shapes])[shape]),
        _p_of_fit(known, plan, rng),
        ks,
        point,
        low,
        high,
    )


def _interval(draws: Array) -> Interval:
    low, at, high = np.quantile(draws, [(1 - KEPT) / 2, 0.5, (1 + KEPT) / 2])
    return Interval(float(at), float(low), float(high))


class _Shape(NamedTuple):
    """A noisy quadratic from 0 to 1, tabulated: opda's quantile function takes a tenth of a second a call."""

    parameters: int
    noise: float
    y: Array
    below: Array

    def quantiles(self, p: Array) -> Array:
        return np.interp(p, self.below, self.y)

    def density(self, y: Array) -> Array:
        return np.asarray(NoisyQuadraticDistribution(0.0, 1.0, self.parameters, self.noise, convex=True).pdf(y), float)

    def draw(self, size: tuple[int, int], rng: np.random.Generator) -> Array:
        return rng.random(size) ** (2 / self.parameters) + self.noise * rng.normal(size=size)


@lru_cache(maxsize=16)
def _shapes(parameters: int) -> tuple[_Shape, ...]:
    made = []
    for noise in NOISES:
        y = np.linspace(-5 * noise, 1 + 5 * noise, 2001)
        below = NoisyQuadraticDistribution(0.0, 1.0, parameters, noise, convex=True).cdf(y)
        made.append(_Shape(parameters, noise, y, np.maximum.accumulate(np.asarray(below, float))))
    return tuple(made)


class _Plan(NamedTuple):
    """Generalized least squares for the m lowest of n values, for every shape: arrays with a row a shape."""

    n: int
    shapes: list[_Shape]
    expected: Array  # (shapes, m): the ordered values
    density: Array  # (shapes, m): the density there
    whiten: Array  # (m, m): makes the ordered values times their densities uncorrelated
    design: Array  # (shapes, m, 2): whitened, of location and scale
    solve: Array  # (shapes, 2, m)
    inner: Array  # (shapes, 2, 2): design' design


@lru_cache(maxsize=16)
def _plan(n: int, m: int, most: int) -> _Plan:
    shapes = [shape for parameters in range(1, most + 1) for shape in _shapes(parameters)]
    p: Array = (np.arange(1, m + 1, dtype=np.float64) - 0.375) / (n + 0.25)
    expected = np.array([shape.quantiles(p) for shape in shapes])
    density = np.array([shape.density(y) for shape, y in zip(shapes, expected, strict=True)])
    # Ordered values are about normal, with these covariances over the product of their densities.
    whiten = np.linalg.inv(np.linalg.cholesky(np.minimum(p[:, None], p) * (1 - np.maximum(p[:, None], p))))
    design = np.stack([density @ whiten.T, (density * expected) @ whiten.T], axis=2)
    inner = np.swapaxes(design, 1, 2) @ design
    return _Plan(n, shapes, expected, density, whiten, design, np.linalg.pinv(design), inner)


def _laws(known: Array, plan: _Plan, rng: np.random.Generator) -> tuple[NDArray[np.int64], Array, Array]:
    """Draws of the laws that the ascending `known` values allow: shapes, locations and scales.

    All shapes, locations and log scales are equally plausible beforehand.
    """
    m = len(known)
    z = (known * plan.density) @ plan.whiten.T
    found = np.einsum("sjm,sm->sj", plan.solve, z)
    rest = ((z - np.einsum("smj,sj->sm", plan.design, found)) ** 2).sum(axis=1)
    likely = np.log(plan.density).sum(axis=1) - 0.5 * np.linalg.slogdet(plan.inner)[1] - (m - 2) / 2 * np.log(rest)
    weight = np.exp(likely - likely.max())
    shape = rng.choice(len(weight), DRAWS, p=weight / weight.sum())
    error = np.sqrt(rest[shape] / rng.chisquare(m - 2, DRAWS))
    turn = np.linalg.cholesky(np.linalg.inv(plan.inner))[shape]
    drawn = found[shape] + error[:, None] * np.einsum("djk,dk->dj", turn, rng.normal(size=(DRAWS, 2)))
    return shape, drawn[:, 0], np.abs(drawn[:, 1])


class _Fits(NamedTuple):
    """The likeliest law of each of several samples, and two sizes of its misfit."""

    shape: NDArray[np.int64]
    whitened: Array  # over the scale: sees gaps and clusters
    plain: Array  # over the variance: sees tails


def _likeliest(samples: Array, plan: _Plan) -> _Fits:
    """Of each row of ascending values."""
    count, m = samples.shape
    best, shape = np.full(count, np.inf), np.zeros(count, np.int64)
    whitened, plain = np.full(count, np.inf), np.full(count, np.inf)
    total = ((samples - samples.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
    for s in range(len(plan.shapes)):
        z = (samples * plan.density[s]) @ plan.whiten.T
        found = z @ plan.solve[s].T
        rest = ((z - found @ plan.design[s].T) ** 2).sum(axis=1)
        loss = np.where(found[:, 1] > 0, m * np.log(rest) - 2 * np.log(plan.density[s]).sum(), np.inf)
        better = loss < best
        at, scale = found[better, :1], found[better, 1:]
        best[better], shape[better] = loss[better], s
        whitened[better] = rest[better] / scale[:, 0] ** 2
        off = samples[better] - at - scale * plan.expected[s]
        plain[better] = (off**2).sum(axis=1) / total[better]
    return _Fits(shape, whitened, plain)


def _p_of_fit(known: Array, plan: _Plan, rng: np.random.Generator) -> float:
    """How often draws of the likeliest law fit theirs worse: the smaller p of two misfits, times two."""
    seen = _likeliest(known[None], plan)
    draws = np.sort(plan.shapes[seen.shape[0]].draw((REFITS, plan.n), rng), axis=1)[:, : len(known)]
    again = _likeliest(draws, plan)
    p = [
        (1 + int((drawn >= one[0]).sum())) / (REFITS + 1)
        for drawn, one in ((again.whitened, seen.whitened), (again.plain, seen.plain))
    ]
    return min(1.0, 2 * min(p))
