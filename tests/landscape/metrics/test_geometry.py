"""The geometry score: a circle has one hole and a disk none, and sets of one shape are near each other."""

from __future__ import annotations

import gudhi
import numpy as np
import pytest
from scipy.spatial.distance import cdist

from landscape.metrics import geometry_score as geometry
from landscape.metrics.geometry_score import geometry_score, holes_by_scale, living_times, mean_living_times

N = 300


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def circle(seed: int, n: int = N) -> np.ndarray:
    angle = 2 * np.pi * rng(seed).random(n)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def disk(seed: int, n: int = N) -> np.ndarray:
    return circle(seed, n) * np.sqrt(rng(seed + 100).random((n, 1)))


def modes(count: int, seed: int, n: int = 250) -> np.ndarray:
    angle = 2 * np.pi * rng(seed).integers(count, size=n) / 8
    return np.stack([np.cos(angle), np.sin(angle)], axis=1) + 0.01 * rng(seed + 100).standard_normal((n, 2))


def mrlt(points: np.ndarray, seed: int = 0, landmarks: int = 32, gamma: float = 1 / 8, draws: int = 10) -> np.ndarray:
    return mean_living_times(points, landmarks, gamma, 100, draws, seed)


def test_a_circle_has_one_hole_and_a_disk_none() -> None:
    assert mrlt(circle(0)).argmax() == 1 and mrlt(circle(0))[1] > 0.8
    assert mrlt(disk(0, 1000)).argmax() == 0 and mrlt(disk(0, 1000))[0] > 0.7


def test_one_shape_is_near_itself_and_far_from_another() -> None:
    a, b, other = mrlt(circle(0)), mrlt(circle(1), seed=1), mrlt(disk(0))
    assert geometry_score(a, a) == 0
    assert geometry_score(a, b) < 0.02 < 0.5 < geometry_score(a, other)
    assert geometry_score(a, other) == geometry_score(other, a)


def test_scale_and_rotation_change_nothing() -> None:
    turned = 7 * circle(0) @ np.array([[0.6, -0.8], [0.8, 0.6]])
    np.testing.assert_allclose(mrlt(turned), mrlt(circle(0)), atol=1e-9)


def test_a_collapsed_set_scores_high() -> None:
    """Up to 2: the circle spends its time at one hole, a single point at none."""
    single = mrlt(np.ones((N, 2)))
    assert single[0] == 1 and single.sum() == 1
    assert geometry_score(mrlt(circle(0)), single) > 1.5


def test_missing_modes_of_a_ring_open_it() -> None:
    ring = mrlt(modes(8, 0), gamma=0.5)
    same, two_gone = mrlt(modes(8, 1), seed=1, gamma=0.5), mrlt(modes(6, 1), seed=1, gamma=0.5)
    assert ring[1] > 0.2 and two_gone[1] < 0.02
    assert geometry_score(ring, two_gone) > 10 * geometry_score(ring, same)


def test_living_times_are_shares_of_the_range() -> None:
    bars = np.array([[1.0, 3.0], [2.0, np.inf]])  # none before 1, one to 2, two to 3, one to the end at 4
    np.testing.assert_allclose(living_times(bars, 4.0, 5), [0.25, 0.5, 0.25, 0, 0])
    np.testing.assert_allclose(living_times(bars, 4.0, 2), [0.25, 0.5])  # what is beyond is left out
    np.testing.assert_allclose(living_times(np.zeros((0, 2)), 4.0, 3), [1, 0, 0])


@pytest.mark.parametrize("gamma", [1 / 8, 1 / 2])
def test_landmarks_out_of_reach_are_not_missed(gamma: float, monkeypatch: pytest.MonkeyPatch) -> None:
    points = disk(3, 120)
    bars, alpha = holes_by_scale(points, 24, gamma, rng(5))
    chosen = points[rng(5).choice(len(points), 24, replace=False)]
    distance = cdist(points, chosen)
    assert alpha == gamma * distance.max()
    whole = [[(int(i), float(row[i])) for i in np.argsort(row, kind="stable")] for row in distance]
    tree = gudhi.WitnessComplex(whole).create_simplex_tree(max_alpha_square=alpha, limit_dimension=2)
    tree.compute_persistence(homology_coeff_field=2)
    np.testing.assert_array_equal(bars, tree.persistence_intervals_in_dimension(1))


def test_few_points_are_all_landmarks() -> None:
    assert mrlt(circle(0, 10)).sum() == pytest.approx(1)
    assert geometry.rounded_curve(np.array([0.5, 0.5, 0, 0])) == [0.5, 0.5]
