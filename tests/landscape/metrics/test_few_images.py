"""Scores that need fewer images: closed forms, agreement with their libraries, and what they see where FD does not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import comb

from landscape.metrics.coverage import coverage_density, radii
from landscape.metrics.fd_infinity import TooFew, extrapolated, intercept
from landscape.metrics.frechet import Moments, distance_of_features, frechet_distance, reference_moments
from landscape.metrics.mmd import median_distance, mmd2, within
from landscape.metrics.sliced_distance import mind
from landscape.metrics.vendi import vendi_score


def normal(seed: int, n: int, d: int) -> np.ndarray:
    return np.random.Generator(np.random.PCG64(seed)).standard_normal((n, d))


# FD infinity


def test_a_line_is_extrapolated_without_error_and_its_standard_error_is_that_of_least_squares() -> None:
    from scipy.stats import linregress

    x = 1 / np.linspace(100, 400, 15)
    assert intercept(x, 3 + 7 * x) == pytest.approx((3, 0), abs=1e-12)
    y = 3 + 7 * x + 0.1 * normal(0, 15, 1)[:, 0]
    theirs = linregress(x, y)
    assert intercept(x, y) == pytest.approx((theirs.intercept, theirs.intercept_stderr))


def test_extrapolation_removes_the_fakes_part_of_the_bias() -> None:
    """Fakes of a known Gaussian: the distance of its moments is the limit, and 400 fakes of 32 features are far off."""
    q = reference_moments(normal(9, 1000, 32))
    limit = frechet_distance(Moments(np.full(32, 0.1), 1.2 * np.eye(32)), q)
    sets = [0.1 + np.sqrt(1.2) * normal(seed, 400, 32) for seed in range(20)]
    plain = np.array([distance_of_features(fakes, q) for fakes in sets])
    values, errors = np.array([extrapolated(fakes, q, 15, 0.5, 0) for fakes in sets]).T
    assert abs(values.mean() - limit) < 0.2 * (plain.mean() - limit)
    assert 0.3 * values.std() < errors.mean() < values.std(), "of the line, not of other latents"


def test_extrapolation_from_no_more_images_than_features_is_refused() -> None:
    with pytest.raises(TooFew, match="more images than the 32 features, but the smallest has 30"):
        extrapolated(normal(0, 60, 32), reference_moments(normal(1, 100, 32)), 15, 0.5, 0)


# MIND


def test_mind_is_torch_fidelitys() -> None:
    """Values of torch_fidelity.metric_mind (after 0.4.0) on the same features, with its default seed."""
    x, y = normal(0, 300, 12), 1 + 2 * normal(1, 250, 12)
    assert mind(x, y, 64) == pytest.approx(THEIRS[0], rel=1e-5)
    assert mind(x[:250], y, 250) == pytest.approx(THEIRS[1], rel=1e-5)


THEIRS = (74.28555, 77.79484)


def test_mind_of_equal_sets_is_zero_and_it_is_symmetric() -> None:
    x, y = normal(0, 200, 12), normal(1, 200, 12)
    assert mind(x, x, 50) == 0
    assert mind(x, y, 50) == pytest.approx(mind(y, x, 50))


@pytest.mark.parametrize("shift", [0.5, 2.0])
def test_mind_of_a_shift_is_three_times_its_square(shift: float) -> None:
    """Of the same points moved by v every projection moves by u.v, and the mean of (u.v)^2 is |v|^2 / d."""
    x = normal(0, 100, 64)
    assert mind(x, x + shift, 4000) == pytest.approx(3 * 64 * shift**2, rel=0.05)


def test_mind_of_scaled_points_is_exact_in_one_dimension() -> None:
    x = normal(0, 100, 1)
    assert mind(x, 3 * x, 5) == pytest.approx(3 * 4 * np.square(x).mean(), rel=1e-5)


# MMD


@pytest.mark.parametrize(("shift", "sigma"), [(0.0, 3.0), (0.5, 3.0), (0.5, 6.0)])
def test_mmd_of_gaussians_has_a_closed_form(shift: float, sigma: float) -> None:
    """E k(x, y) = (s^2 / (s^2 + 2))^(d/2) exp(-|shift|^2 / 2 (s^2 + 2)) for unit Gaussians, s the bandwidth."""
    d = 8
    scale = (sigma**2 / (sigma**2 + 2)) ** (d / 2)
    exact = 2 * scale * (1 - np.exp(-d * shift**2 / (2 * (sigma**2 + 2))))
    found = [mmd2(normal(2 * i, 300, d) + shift, normal(2 * i + 1, 500, d), sigma) for i in range(20)]
    assert abs(np.mean(found) - exact) < 3 * np.std(found) / np.sqrt(20)
    assert np.std(found) < 0.02


def test_mmd_is_torch_fidelitys() -> None:
    from torch_fidelity.metric_kid import kid_features_to_metric

    x, y = normal(0, 90, 12), 0.5 + normal(1, 90, 12)
    theirs = kid_features_to_metric(
        *(torch.from_numpy(f) for f in (x, y)),
        kid_subsets=1, kid_subset_size=90, kid_kernel="rbf", kid_kernel_rbf_sigma=4.0, verbose=False,
    )  # fmt: skip
    assert mmd2(x, y, 4.0) == pytest.approx(theirs["kernel_inception_distance_mean"], rel=1e-9)
    assert mmd2(x, y, 4.0, within(y, 4.0)) == mmd2(x, y, 4.0)


def test_bandwidth_is_the_median_distance_and_rows_in_pieces_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert median_distance(np.array([[0.0], [1.0], [5.0]]), 0) == 4
    x, y = normal(0, 50, 3), normal(1, 40, 3)
    whole = mmd2(x, y, 1.0)
    monkeypatch.setattr("landscape.metrics.mmd.AT_ONCE", 7)
    assert mmd2(x, y, 1.0) == pytest.approx(whole, rel=1e-9)


# Coverage and density


def test_coverage_and_density_of_points_on_a_line() -> None:
    """Real points at 0, 1, 2, 10: their first neighbors are 1, 1, 1 and 8 away."""
    real = np.array([[0.0], [1.0], [2.0], [10.0]])
    reach = radii(real, 1)
    assert reach == pytest.approx([1, 1, 1, 8])
    assert coverage_density(np.array([[0.5]]), real, reach, 1) == (0.5, 2)  # in those of 0 and 1
    assert coverage_density(np.array([[0.5], [-50.0]]), real, reach, 1) == (0.5, 1)
    assert coverage_density(np.array([[7.0]] * 3), real, reach, 1) == (0.25, 1)  # in that of 10 alone
    assert coverage_density(real, real, reach, 1)[0] == 1


@pytest.mark.parametrize(("real", "fake", "k"), [(400, 400, 5), (400, 200, 3)])
def test_expectations_of_one_distribution_are_the_papers(real: int, fake: int, k: int) -> None:
    """Density 1, and coverage 1 - (n-1)...(n-k) / (m+n-1)...(m+n-k) for n real images and m fakes."""
    expected = 1 - comb(real - 1, k) / comb(real + fake - 1, k)
    found = []
    for i in range(10):
        x = normal(2 * i, real, 6)
        found.append(coverage_density(normal(2 * i + 1, fake, 6), x, radii(x, k), k))
    coverage, density = np.mean(found, axis=0)
    assert coverage == pytest.approx(expected, abs=0.01) and density == pytest.approx(1, abs=0.05)


def test_a_collapsed_set_is_dense_and_covers_little_and_fakes_in_pieces_change_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = normal(0, 300, 6)
    reach = radii(real, 5)
    coverage, density = whole = coverage_density(np.zeros((300, 6)), real, reach, 5)
    assert coverage < 0.2 and density > 1
    monkeypatch.setattr("landscape.metrics.coverage.AT_ONCE", 7)
    assert coverage_density(np.zeros((300, 6)), real, reach, 5) == whole


# Vendi score


@pytest.mark.parametrize(("n", "d"), [(5, 8), (40, 8)])
def test_vendi_score_counts_different_images(n: int, d: int) -> None:
    one = normal(0, 1, d)
    assert vendi_score(np.repeat(one, n, 0)) == pytest.approx(1)
    assert vendi_score(np.eye(d)[np.arange(n) % d]) == pytest.approx(min(n, d))


def test_vendi_score_is_that_of_the_similarities() -> None:
    """With similarity c of all pairs the eigenvalues of K / n are (1 + (n - 1) c) / n once and (1 - c) / n else."""
    n, c = 6, 0.3
    similar = np.full((n, n), c) + (1 - c) * np.eye(n)
    values = np.array([1 + (n - 1) * c, *[1 - c] * (n - 1)]) / n
    expected = np.exp(-(values * np.log(values)).sum())
    rooted = np.linalg.cholesky(similar)
    assert vendi_score(rooted) == pytest.approx(expected)
    assert vendi_score(7 * np.hstack([rooted, np.zeros((n, 3))])) == pytest.approx(expected), "lengths do not matter"
    x = normal(0, 30, 4)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    p = np.linalg.eigvalsh(unit @ unit.T / 30)[-4:]
    assert vendi_score(x) == pytest.approx(np.exp(-(p * np.log(p)).sum()))
    assert vendi_score(np.zeros((3, 4))) == pytest.approx(1)
