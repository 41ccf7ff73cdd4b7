"""Whether bands of tuning laws hold, planted and on held-out runs: `make bench-law` at length, tests in short."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from opda.parametric import NoisyQuadraticDistribution
from tuning_law import LONGEST, fit_law

from analysis.estimators.tuning_curves import median_best

Array = NDArray[np.float64]


class Held(NamedTuple):
    """Of many samples: the share that a law fits, and of these the shares in which intervals held the truth."""

    fits: float
    band: float  # at `LONGEST` times the runs
    best: float
    parameters: float
    noise: float


def planted(n: int, parameters: int, noise: float, samples: int, diverged: float = 0.0, seed: int = 0) -> Held:
    """Samples of a noisy quadratic from 0 to 1; the worst share `diverged` of each has no value."""
    rng, held = np.random.default_rng(seed), []
    law = NoisyQuadraticDistribution(0.0, 1.0, parameters, noise, convex=True)
    truth = law.ppf(-math.expm1(-math.log(2) / (LONGEST * n)))
    for number in range(samples):
        values = np.sort(rng.random(n) ** (2 / parameters) + noise * rng.normal(size=n))
        values[n - round(diverged * n) :] = np.inf
        found = fit_law(values, seed=number)
        if found is not None and found.fits:
            pairs = ((found.best, 0.0), (found.parameters, parameters), (found.noise, noise))
            inside = [one.low <= true <= one.high for one, true in pairs]
            held.append([found.lower[-1] <= truth <= found.upper[-1], *inside])
    return Held(len(held) / samples, *np.mean(held, axis=0))


class Split(NamedTuple):
    """Of splits into a part and twice as many held-out runs: the share of parts that a law fits; and of these the
    shares in which the median of the best of twice the part, by the held-out runs, is in, below and above the band."""

    fits: float
    inside: float
    below: float
    above: float


def held_out(cells: Sequence[Array], splits: int, seed: int = 0) -> Split:
    """A third of the values of each cell, at random, against the others."""
    rng, seen, tried = np.random.default_rng(seed), [], 0
    for values in cells:
        part = len(values) // 3
        for number in range(splits):
            mixed = rng.permutation(values)
            found, tried = fit_law(mixed[:part], seed=number, fewest=part), tried + 1
            if found is not None and found.fits:
                there = median_best(mixed[part:], np.array([2 * part]), -np.inf)[0]
                lower, upper = (np.interp(2 * part, found.ks, line) for line in (found.lower, found.upper))
                seen.append([lower <= there <= upper, there < lower, there > upper])
    return Split(len(seen) / tried, *np.mean(seen, axis=0))
