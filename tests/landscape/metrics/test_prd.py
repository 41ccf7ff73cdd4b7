"""Precision and recall of distributions: closed forms on histograms, and what they see in sets of features."""

from __future__ import annotations

import numpy as np
import pytest

from landscape.metrics.precision_recall import curve, f_scores, histograms, precision_recall

ANGLES = 1001


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def shares(seed: int, bins: int = 20) -> np.ndarray:
    return rng(seed).dirichlet(np.ones(bins))


def test_equal_distributions_score_one_and_disjoint_ones_nothing() -> None:
    p = shares(0)
    assert f_scores(p, p, ANGLES) == pytest.approx((1, 1))
    left, right = np.array([0.5, 0.5, 0, 0]), np.array([0, 0, 0.3, 0.7])
    assert f_scores(left, right, ANGLES) == pytest.approx((0, 0), abs=1e-9)


def test_at_slope_one_precision_is_one_minus_the_total_variation() -> None:
    p, q = shares(0), shares(1)
    alpha, beta = curve(p, q, ANGLES)
    middle = ANGLES // 2
    assert alpha[middle] == pytest.approx(1 - np.abs(p - q).sum() / 2)
    assert beta[middle] == pytest.approx(alpha[middle])


def test_swapping_the_sides_swaps_precision_and_recall() -> None:
    p, q = shares(0), shares(1)
    recall, precision = f_scores(p, q, ANGLES)
    assert f_scores(q, p, ANGLES) == pytest.approx((precision, recall), rel=1e-9)


def test_dropped_modes_cost_recall_and_invented_ones_precision() -> None:
    """Data on four bins, fakes on one of them: all that is made is good, a quarter is covered."""
    data, fakes = np.full(4, 0.25), np.array([1.0, 0, 0, 0])
    alpha, beta = curve(data, fakes, ANGLES)
    assert alpha.max() == pytest.approx(1) and beta.max() == pytest.approx(0.25)
    recall, precision = f_scores(data, fakes, ANGLES)
    assert recall < 0.3 and precision > 0.9
    assert f_scores(fakes, data, ANGLES) == pytest.approx((precision, recall))


def test_clusters_hold_all_points_and_repeated_points_are_no_trouble() -> None:
    points = np.repeat(rng().standard_normal((3, 5)), 40, axis=0)
    p, q = histograms(points[:60], points[60:], 20, 0)
    assert p.sum() == pytest.approx(1) and q.sum() == pytest.approx(1) and len(p) == 3


def test_counts_are_made_equal_so_that_a_larger_side_gains_nothing() -> None:
    x = rng().standard_normal((4000, 8))
    halves = precision_recall(x[:400], x[400:800], 20, ANGLES, 3, 0)
    assert precision_recall(x[:400], x[400:], 20, ANGLES, 3, 0) == pytest.approx(halves, abs=0.05)
    assert min(halves) > 0.9


def test_features_of_other_places_score_low() -> None:
    x = rng().standard_normal((400, 8))
    assert max(precision_recall(x, x + 20, 20, ANGLES, 2, 0)) < 0.01


def test_a_collapsed_set_keeps_its_precision_and_loses_its_recall() -> None:
    x = rng().standard_normal((1000, 8))
    recall, precision = precision_recall(x[:500], np.repeat(x[500:505], 100, axis=0), 20, ANGLES, 3, 0)
    assert precision > 2 * recall


def test_scores_of_the_mean_curve_are_read_off_it() -> None:
    """The authors' form: curves are averaged angle by angle over the clusterings, then the largest F are taken."""
    x = rng().standard_normal((600, 8))
    real, fake = x[:300], x[300:] + 0.8
    pairs = [histograms(real, fake, 20, seed) for seed in range(3)]
    alpha, beta = np.mean([curve(p, q, ANGLES) for p, q in pairs], axis=0)

    def largest(b: float) -> float:
        return float(max((1 + b**2) * a * c / (b**2 * a + c) for a, c in zip(alpha, beta, strict=True)))

    of_curve = precision_recall(real, fake, 20, ANGLES, 3, 0, "curve")
    assert of_curve == pytest.approx((largest(8), largest(1 / 8)))
    scores = precision_recall(real, fake, 20, ANGLES, 3, 0)
    assert scores == pytest.approx(tuple(np.mean([f_scores(p, q, ANGLES) for p, q in pairs], axis=0)))
    assert all(0 < of_mean - of_one < 0.05 for of_mean, of_one in zip(scores, of_curve, strict=True))
