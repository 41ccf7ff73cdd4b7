"""Claims on statistics under known distributions: closed forms to 1e-9, intervals that cover as often as they say.

Exponential distances make the truth simple: the best of k is exponential with k times the rate. A run may diverge, and
is then worth infinity (medians, pairs, ranks) or its own step-0 score (the mean). Coverage of a share c over m
simulations is taken as met at c - 2.6 standard errors or more, sqrt(c (1 - c) / m) each: one in two hundred would fail
were it just met. Seeds are fixed. Claims on pairs are simulated at length by `make bench-statistics`.
"""

from fractions import Fraction
from math import comb

import numpy as np
import pytest
from claims_simulated import Design, rates
from scipy import integrate

from analysis.estimators.pairwise import compare
from analysis.estimators.tuning_curves import budgets, chance_all_fail, mean_best, median_best, median_best_band

START = 8.0  # an untrained generator's distance, far out in the tail


def covered(hits, trials, confidence):
    return hits / trials >= confidence - 2.6 * np.sqrt(confidence * (1 - confidence) / trials)


def draw(rng, n, rate=1.0, diverging=0.0):
    return np.where(rng.random(n) < diverging, np.inf, rng.exponential(1 / rate, n))


def test_curves_meet_their_closed_forms_within_1e_9():
    n, failed = 126, 9
    values = np.r_[np.random.default_rng(0).lognormal(3, 1, n - failed), np.full(failed, np.inf)]
    ks = budgets(n)
    capped = np.sort(np.where(np.isfinite(values), values, 300.0))
    mean = [
        float(sum(Fraction(x) * Fraction(comb(n - i, k - 1), comb(n, k)) for i, x in enumerate(capped.tolist(), 1)))
        for k in ks.tolist()
    ]
    np.testing.assert_allclose(mean_best(capped, ks), mean, rtol=1e-9)
    # The best of k is at most x_(i) with chance 1 - (1 - i/n)^k.
    ordered = np.sort(values)
    half = Fraction(1, 2)
    median = [next(x for i, x in enumerate(ordered, 1) if 1 - Fraction(n - i, n) ** k >= half) for k in ks.tolist()]
    np.testing.assert_array_equal(median_best(values, ks), median)
    chance = [float(Fraction(comb(failed, k), comb(n, k))) for k in ks.tolist()]
    np.testing.assert_allclose(chance_all_fail(failed, n, ks), chance, rtol=1e-9, atol=1e-15)


def test_the_mean_with_diverged_runs_at_their_start_is_unbiased():
    rng, n, diverging, trials = np.random.default_rng(1), 12, 0.3, 3000
    ks = budgets(n)
    draws = np.minimum(draw(rng, (trials, n), diverging=diverging), START)
    curves = np.stack([mean_best(values, ks) for values in draws])
    truth = [integrate.quad(lambda t, k=k: (diverging + (1 - diverging) * np.exp(-t)) ** k, 0, START)[0] for k in ks]
    errors = curves.std(axis=0, ddof=1) / np.sqrt(trials)
    assert (np.abs(curves.mean(axis=0) - truth) < 4 * errors).all()


@pytest.mark.parametrize("diverging", [0.0, 0.3])
@pytest.mark.parametrize(("n", "confidence"), [(6, 0.8), (60, 0.95), (126, 0.9)])
def test_bands_cover_the_whole_curve_from_the_smallest_to_the_largest_k(n, confidence, diverging):
    rng, ks, trials = np.random.default_rng(n), budgets(n), 300
    tail = 0.5 ** (1 / ks)
    with np.errstate(divide="ignore", invalid="ignore"):
        truth = np.where(tail > diverging, -np.log((tail - diverging) / (1 - diverging)), np.inf)
    hits, ends = 0, np.zeros(2)
    for _ in range(trials):
        band = median_best_band(draw(rng, n, diverging=diverging), ks, confidence)
        inside = (band.lower <= truth) & (truth <= band.upper)
        hits += bool(inside.all())
        ends += inside[[0, -1]]
    assert covered(hits, trials, confidence) and (ends / trials >= confidence).all()


SIX = Design((5,) * 6)
APART = (3.0, 0.0, 0.0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("design", "sets"),
    [
        (Design((5, 5)), 400),
        (Design((5, 5), spread=(1, 10)), 400),
        (Design((6, 6), law="ties"), 150),
        (Design((10, 10), lost=(0.2,)), 400),
        (Design((16, 16), k=3), 200),
        (SIX, 150),
        (SIX._replace(lost=(0.2,)), 150),
        (SIX._replace(spread=(10, 1, 1, 1, 1, 1)), 150),
        (Design((7,) * 6, alike=0.8), 100),
        (Design((16, 16), alike=0.5, shared=8), 150),
    ],
)
def test_few_claims_are_false(design, sets):
    assert covered((1 - rates(design, sets).false) * sets, sets, 0.95)


@pytest.mark.parametrize(
    ("design", "power", "sets"),
    [
        (Design((5, 5), (0, 2)), 0.73, 300),
        (Design((10, 10), (0, 1)), 0.53, 300),
        (SIX._replace(shift=APART), 0.80, 100),
        (Design((10,) * 6, (2.0, *APART[1:])), 0.90, 60),
        (Design((12, 12), (0, 0.5), alike=0.9), 0.89, 150),
    ],
)
def test_true_differences_are_claimed_as_often_as_promised(design, power, sets):
    seen = rates(design, sets)
    assert seen.power >= power - 0.03 - 2.6 * seen.power_error and seen.false <= 0.05


def test_the_interval_of_a_pair_covers():
    rng, trials, n = np.random.default_rng(3), 300, 10
    truth = 1.8 / 2.8
    hits = 0
    for _ in range(trials):
        pair = compare(draw(rng, n, 1.8), draw(rng, n))
        hits += pair.lower <= truth <= pair.upper
    assert covered(hits, trials, 0.95)
