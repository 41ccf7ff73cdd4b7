"""Claims on statistics under known distributions: closed forms to 1e-9, intervals that cover as often as they say.

Exponential distances make the truth simple: the best of k is exponential with k times the rate, so that A beats B with
the chance rate(A) / (rate(A) + rate(B)) at any k. A run may diverge, and is then worth infinity (medians, pairs, ranks)
or its own step-0 score (the mean). Coverage of a share c over m simulations is taken as met at c - 2.6 standard errors
or more, sqrt(c (1 - c) / m) each: one in two hundred would fail were it just met. Seeds are fixed.
"""

from fractions import Fraction
from itertools import combinations
from math import comb

import numpy as np
import pytest
from scipy import integrate

from analysis.estimators.pairwise import beats, beats_matched, interval, ranks
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
    median = [next(x for i, x in enumerate(ordered, 1) if 1 - (1 - i / n) ** k >= 0.5) for k in ks.tolist()]
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


RATES = (1.0, 1.15, 1.6, 6.0)


def true_chance(a, b, k, lost_a, lost_b):
    """That the best of k of A beats B's: over where A's best lies, and half of both failing altogether."""

    def survival(t, rate, lost):
        return (lost + (1 - lost) * np.exp(-rate * t)) ** k

    def density(t):
        return k * (lost_a + (1 - lost_a) * np.exp(-a * t)) ** (k - 1) * (1 - lost_a) * a * np.exp(-a * t)

    wins = integrate.quad(lambda t: density(t) * survival(t, b, lost_b), 0, 60)[0]
    return wins + 0.5 * (lost_a * lost_b) ** k


@pytest.mark.parametrize("diverging", [(0.0, 0.0, 0.0, 0.0), (0.2, 0.0, 0.5, 0.3)])
@pytest.mark.parametrize("n", [12, 60])
def test_pairs_and_ranks_cover_all_at_once(n, diverging):
    rng, trials, confidence, ks = np.random.default_rng(n), 250, 0.8, (1, n // 6)
    cells = range(len(RATES))
    truth = {
        (i, j, k): true_chance(RATES[i], RATES[j], k, diverging[i], diverging[j])
        for i, j in combinations(cells, 2)
        for k in ks
    }
    if not any(diverging):
        assert all(t == pytest.approx(RATES[i] / (RATES[i] + RATES[j])) for (i, j, _), t in truth.items())
    hits, ranked, claims = 0, 0, 0
    for _ in range(trials):
        values = [draw(rng, n, rate, lost) for rate, lost in zip(RATES, diverging, strict=True)]
        found = {
            (i, j, k): interval(beats(values[i], values[j], k), n, k, (1 - confidence) / len(truth))
            for i, j, k in truth
        }
        hits += all(low <= truth[key] <= high for key, (low, high) in found.items())
        right = []
        for k in ks:
            lower, upper, true = (np.full((4, 4), 0.5) for _ in range(3))
            for i, j in combinations(cells, 2):
                low, high = found[i, j, k]
                lower[i, j], upper[i, j], lower[j, i], upper[j, i] = low, high, 1 - high, 1 - low
                true[i, j], true[j, i] = truth[i, j, k], 1 - truth[i, j, k]
            lowest, highest = ranks(lower, upper)
            rank = 1 + (true < 0.5).sum(1)
            right.append(bool(((lowest <= rank) & (rank <= highest)).all()))
        ranked += all(right)
        claims += found[0, 3, 1][1] < 0.5  # that the clearly better one is so
    assert covered(hits, trials, confidence) and covered(ranked, trials, confidence)
    assert claims / trials > 0.9 or n == 12 or any(diverging), "with 60 runs a clear order must be seen"


@pytest.mark.parametrize("k", [1, 5])
def test_matched_pairs_cover_where_settings_are_hard_for_both(k):
    rng, n, trials, ratio = np.random.default_rng(5), 40, 400, 1.5
    hits, sum_of = 0, 0.0
    for _ in range(trials):
        hard = rng.lognormal(0, 1, n)
        a, b = hard * rng.exponential(1, n), hard * ratio * rng.exponential(1, n)
        estimate = beats_matched(a, b, k)
        low, high = interval(estimate, n, k, 0.2)
        sum_of += estimate
        hits += low <= ratio / (1 + ratio) <= high
    assert covered(hits, trials, 0.8)
    assert sum_of / trials == pytest.approx(ratio / (1 + ratio), abs=0.03), "unbiased at any k"


def test_equal_cells_are_hardly_ever_ordered():
    rng, trials, n = np.random.default_rng(9), 300, 30
    claims = 0
    for _ in range(trials):
        values = [draw(rng, n, diverging=0.1) for _ in range(5)]
        found = [interval(beats(a, b, 1), n, 1, 0.05 / 10) for a, b in combinations(values, 2)]
        claims += any(low > 0.5 or high < 0.5 for low, high in found)
    assert claims / trials <= 0.05
