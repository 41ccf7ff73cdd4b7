"""The birthday test recovers a known support; nearest neighbours tell copies from honest samples."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from landscape.metrics.birthday_test import closest_pairs, nearest_other, support
from landscape.metrics.memorization import memorization, nearest, probability_smaller


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


# Birthdays


def test_the_support_of_a_finite_generator_is_recovered() -> None:
    """1,000 samples of 10,000 images, near-duplicates of noise far below the distance between images."""
    images = rng(1).standard_normal((10_000, 16))
    real = rng(2).standard_normal((1000, 16))
    samples = images[rng(3).integers(10_000, size=1000)] + 1e-3 * rng(4).standard_normal((1000, 16))
    distances = pdist(samples) / nearest_other(real)
    size, least = support(1000, int((distances <= 0.25).sum()))
    assert size == pytest.approx(10_000, rel=0.35) and least < 10_000
    assert (pdist(real) / nearest_other(real) <= 0.25).sum() == 0


def test_without_a_duplicate_there_is_only_a_bound() -> None:
    size, least = support(500, 0)
    assert math.isinf(size) and least == pytest.approx(500 * 499 / 2 / 3, rel=0.01)  # 3 pairs: the rule of three


def test_the_bound_lies_below_the_truth_as_often_as_it_says() -> None:
    truth, below = 2000, 0
    for i in range(400):
        draws = rng(i).integers(truth, size=100)
        counts = np.unique(draws, return_counts=True)[1]
        below += support(100, int((counts * (counts - 1) // 2).sum()))[1] <= truth
    assert below / 400 >= 0.93


def test_closest_pairs_are_listed_nearest_first() -> None:
    points = rng().standard_normal((40, 3))
    points[31] = points[7] + 1e-3
    points[2] = points[39] + 1e-2
    distances = pdist(points)
    pairs, apart = closest_pairs(distances, 5)
    assert pairs[:2].tolist() == [[7, 31], [2, 39]]
    np.testing.assert_allclose(apart, np.sort(distances)[:5])
    np.testing.assert_allclose([np.linalg.norm(points[i] - points[j]) for i, j in pairs], apart)
    assert len(closest_pairs(distances[:1], 20)[0]) == 1  # two points, one pair


# Neighbours


def test_nearest_points_are_found_in_order() -> None:
    points = np.arange(10.0)[:, None]
    distances, rows = nearest(np.array([[3.2]]), points, 3)
    assert rows.tolist() == [[3, 4, 2]] and distances[0] == pytest.approx([0.2, 0.8, 1.2])


def test_the_chance_of_being_nearer_is_one_half_between_equals() -> None:
    a = rng().random(500)
    assert probability_smaller(a, a) == pytest.approx(0.5)
    assert probability_smaller(a, a + 2) == 1 and probability_smaller(a + 2, a) == 0


def test_copies_are_told_from_honest_and_from_poor_samples() -> None:
    train, test, fresh = (rng(i).standard_normal((n, 6)) for i, n in ((0, 2000), (1, 400), (2, 400)))
    yardstick = nearest(test, train)[0][:, 0]

    def found(samples: np.ndarray) -> dict[str, float]:
        return memorization(samples, train, test, yardstick, 0)

    copies = train[rng(3).integers(2000, size=400)] + 0.01 * rng(4).standard_normal((400, 6))
    honest, memorised, poor = found(fresh), found(copies), found(fresh + 4)
    assert honest["nn_ratio"] == pytest.approx(1, abs=0.1) and honest["nn_nearer"] == pytest.approx(0.5, abs=0.06)
    assert memorised["nn_nearer"] > 0.99 and memorised["nn_distance"] < honest["nn_distance"] / 10
    assert memorised["nn_ratio"] < honest["nn_ratio"] - 0.02
    assert poor["nn_nearer"] < 0.05 and poor["nn_ratio"] == pytest.approx(1, abs=0.2)
