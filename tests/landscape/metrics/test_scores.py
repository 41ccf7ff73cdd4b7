"""Scores: closed forms, invariances, and agreement with torch-fidelity on the same features."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from support import frozen_runs

from landscape.config.schema import Data, Latent, typed
from landscape.data import load_data
from landscape.metrics.evaluator import Scorer, quantize
from landscape.metrics.frechet import Moments, distance_of_features, frechet_distance, moments, reference_moments
from landscape.metrics.inception_score import inception_score
from landscape.metrics.kid import SEED, TooFew, kid
from landscape.networks.build import build
from landscape.runtime.worker import work
from landscape.store import Store
from landscape.store.protocols import EvalRequest
from sweeps.planning.plan import make_plan


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def features(seed: int, n: int = 300, d: int = 12) -> np.ndarray:
    g = rng(seed)
    return g.standard_normal((n, d)) @ g.standard_normal((d, d)) + g.standard_normal(d)


# Frechet distance


def test_equal_sets_are_at_distance_zero() -> None:
    m = moments(features(0))
    assert frechet_distance(m, m) == pytest.approx(0, abs=1e-9)


def test_shift_of_the_mean_costs_its_square() -> None:
    m = moments(features(0))
    shift = rng(1).standard_normal(12)
    assert frechet_distance(m, Moments(m.mean + shift, m.cov)) == pytest.approx(shift @ shift)


def test_commuting_covariances_have_a_closed_form() -> None:
    a, b = np.array([1.0, 4.0, 9.0]), np.array([4.0, 1.0, 0.25])
    p, q = (Moments(np.zeros(3), np.diag(v)) for v in (a, b))
    assert frechet_distance(p, q) == pytest.approx(((np.sqrt(a) - np.sqrt(b)) ** 2).sum())


def test_distance_is_symmetric_and_unchanged_by_rotation() -> None:
    p, q = features(0), features(1)
    d = frechet_distance(moments(p), moments(q))
    assert frechet_distance(moments(q), moments(p)) == pytest.approx(d, rel=1e-9)
    rotation, _ = np.linalg.qr(rng(2).standard_normal((12, 12)))
    assert frechet_distance(moments(p @ rotation), moments(q @ rotation)) == pytest.approx(d, rel=1e-9)


def test_distance_needs_no_full_rank() -> None:
    few = features(0, n=5)
    assert frechet_distance(moments(few), moments(few)) == pytest.approx(0, abs=1e-4)


def test_distance_of_what_is_not_finite_is_nan() -> None:
    p = features(0)
    p[3, 4] = np.inf
    with np.errstate(invalid="ignore"):
        broken = moments(p)
    assert np.isnan(frechet_distance(broken, moments(features(1))))


@pytest.mark.parametrize(("n", "d"), [(300, 12), (500, 64), (40, 64)])
def test_distance_is_torch_fidelitys(n: int, d: int) -> None:
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

    p, q = features(0, n, d), features(1, n, d)
    theirs = fid_statistics_to_metric(
        *(fid_features_to_statistics(torch.from_numpy(f)) for f in (p, q)), verbose=False
    )["frechet_inception_distance"]
    assert frechet_distance(moments(p), moments(q)) == pytest.approx(theirs, rel=1e-6)


@pytest.mark.parametrize(("n", "d"), [(300, 12), (12, 12), (40, 64), (2, 8)])
def test_distance_of_features_is_that_by_singular_values(n: int, d: int) -> None:
    """The root's trace is the sum of the singular values of X R', X the centred features, R the reference's root."""
    p, q = features(0, n, d), reference_moments(features(1, 300, d))
    x = (p - p.mean(0)) / np.sqrt(n - 1)
    values = np.linalg.svd(x @ np.asarray(q.root).T, compute_uv=False)
    m = moments(p)
    exact = np.square(m.mean - q.mean).sum() + np.trace(m.cov) + np.trace(q.cov) - 2 * values.sum()
    assert distance_of_features(p, q) == pytest.approx(exact, rel=1e-7 if n <= d else 1e-9)
    assert frechet_distance(m, q) == pytest.approx(exact, rel=1e-6 if n <= d else 1e-9)


@pytest.mark.parametrize("n", [300, 5])
def test_distance_of_features_that_are_not_finite_is_nan(n: int) -> None:
    p = features(0, n)
    p[3, 4] = np.nan
    assert np.isnan(distance_of_features(p, reference_moments(features(1))))


# Kernel distance


def test_kernel_distance_is_torch_fidelitys() -> None:
    from torch_fidelity.metric_kid import kid_features_to_metric

    p, q = features(0, 120), features(1, 90)
    theirs = kid_features_to_metric(
        *(torch.from_numpy(f) for f in (p, q)), kid_subsets=7, kid_subset_size=50, verbose=False
    )
    mean, std = kid(p, q, 7, 50)
    assert mean == pytest.approx(theirs["kernel_inception_distance_mean"], rel=1e-9)
    assert std == pytest.approx(theirs["kernel_inception_distance_std"], rel=1e-9)


def test_kernel_distance_of_equal_distributions_is_about_zero_and_rises_with_a_shift() -> None:
    g = rng(0)
    p, q = g.standard_normal((2, 2000, 12))
    same, spread = kid(p, q, 20, 100)
    assert abs(same) < spread
    values = [kid(p + s, q, 10, 200)[0] for s in (0, 0.1, 0.2, 0.4, 0.8)]
    assert values == sorted(values)


def test_kernel_distance_has_no_bias_by_the_number_of_images() -> None:
    """Unlike the Frechet distance, whose bias falls with it."""
    p, q = rng(0).standard_normal((2, 4000, 12))
    few, many = (kid(p, q, 100, size) for size in (20, 200))
    assert abs(few[0]) < 3 * few[1] / 10 and abs(many[0]) < many[1]
    assert distance_of_features(p[:50], moments(q)) > 10 * distance_of_features(p, moments(q))


def test_kernel_distance_is_symmetric_where_a_subset_is_the_whole_set() -> None:
    p, q = features(0, 90), features(1, 90)
    assert kid(p, q, 1, 90)[0] == pytest.approx(kid(q, p, 1, 90)[0], rel=1e-9)


def test_kernel_distance_of_fewer_images_than_a_subset_says_so() -> None:
    with pytest.raises(TooFew, match="subsets of 200 images, but there are 300 fakes and 100 real"):
        kid(features(0), features(1, 100), 5, 200)


# Inception score


def test_sure_and_balanced_predictions_score_the_number_of_classes() -> None:
    logits = 1e3 * np.eye(10)[np.arange(200) % 10]
    assert inception_score(logits)[0] == pytest.approx(10)


def test_one_class_or_no_opinion_scores_one() -> None:
    assert inception_score(np.tile(rng().standard_normal(10), (50, 1)))[0] == pytest.approx(1)
    assert inception_score(np.zeros((50, 10)))[0] == pytest.approx(1)


@pytest.mark.parametrize("lead", [20.0, 800.0, 1e30])
def test_inception_score_is_1_where_one_class_has_all_the_mass(lead: float) -> None:
    """Also where the others' probabilities are no numbers of double precision any more."""
    logits = np.zeros((50, 10))
    logits[:, 3] = lead
    assert inception_score(logits, splits=2) == pytest.approx((1, 0))


@pytest.mark.parametrize("splits", [1, 3, 10])
@pytest.mark.parametrize("shuffle", [None, SEED])
def test_score_is_torch_fidelitys(splits: int, shuffle: int | None) -> None:
    from torch_fidelity.metric_isc import isc_features_to_metric

    logits = 3 * rng().standard_normal((500, 10))
    theirs = isc_features_to_metric(torch.from_numpy(logits), splits=splits, shuffle=shuffle is not None)
    mean, std = inception_score(logits, splits, shuffle)
    assert mean == pytest.approx(theirs["inception_score_mean"], rel=1e-9)
    assert std == pytest.approx(theirs["inception_score_std"], rel=1e-6, abs=1e-9)


# Quantisation


def test_uint8_rounds_to_the_nearest_level_and_float_does_not() -> None:
    x = torch.tensor([0.0, 0.5, 0.0019, 0.002, 1.0])
    assert quantize(x, "uint8").tolist() == [0, 128, 0, 1, 255]
    torch.testing.assert_close(quantize(x, "float"), x * 255)


# One scorer


def test_latents_are_the_same_at_every_evaluation_and_g_is_left_as_it_was(store: Store) -> None:
    config = make_plan(["metrics.n_fake=64", "arch.width=0.04"], multirun=False).runs[0].config
    g, _ = build(typed(config), 1)
    asked = EvalRequest.of(config)
    assert asked is not None
    seen: list[torch.Tensor] = []
    g.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    before = {k: v.clone() for k, v in g.state_dict().items()}
    for training in (True, False):
        scorer = Scorer(asked, load_data(Data(kind="digits", size=8)), typed(config).latent, store, torch.device("cpu"))
        g.train(training)
        once, again = scorer.score(g), scorer.score(g)
        assert once | {"cost": None} == again | {"cost": None}
        assert g.training is training and all(m.training is training for m in g.modules())
    assert len(seen) == 4 and all(torch.equal(z, seen[0]) for z in seen) and len(seen[0]) == 64
    assert all(torch.equal(v, before[k]) for k, v in g.state_dict().items())


# Modes of points


@pytest.fixture
def ring(tmp_path: Path) -> Scorer:
    asked = EvalRequest.of(make_plan(["data=ring"], multirun=False).runs[0].config)
    assert asked is not None
    data = load_data(Data(kind="ring", size=1))
    return Scorer(asked, data, Latent(dim=2, dist="normal"), Store(tmp_path), torch.device("cpu"))


class Fixed(torch.nn.Module):
    """A generator that gives these points of the plane, over and over."""

    def __init__(self, points: list[tuple[float, float]]) -> None:
        super().__init__()
        self.points = torch.tensor(points, dtype=torch.float32)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return ((self.points / 3 + 1) / 2).repeat(len(z), 1)[: len(z), :, None, None]


def test_modes_are_counted_and_good_samples_lie_within_three_deviations(ring: Scorer) -> None:
    every = [(2 * np.cos(a), 2 * np.sin(a)) for a in 2 * np.pi * np.arange(8) / 8]
    for points, modes, quality in [
        (every, 8, 1.0),
        (every[:3], 3, 1.0),
        ([(2.0, 0.0), (2.05, 0.0)], 1, 1.0),  # 2.5 deviations away
        ([(2.0, 0.0), (2.07, 0.0)], 1, 0.5),  # 3.5
        ([(0.0, 0.0)], 0, 0.0),
    ]:
        found = ring.score(Fixed(points))
        assert found["modes"] == modes
        assert found["quality"] == pytest.approx(quality, abs=0.01)


def test_real_points_cover_all_modes_and_are_good_as_often_as_a_gaussian(ring: Scorer) -> None:
    assert ring.floor is not None and ring.floor["modes"] == 8
    # A two-dimensional Gaussian lies within three deviations with probability 1 - exp(-9/2).
    assert ring.floor["quality"] == pytest.approx(1 - np.exp(-4.5), abs=0.01)


def test_a_trained_mlp_finds_modes(tmp_path: Path) -> None:
    store = Store(tmp_path / "s")
    (run,) = frozen_runs(store, "data=ring", "reg=r1", "train.steps=400", "metrics.every=400", "metrics.n_fake=2000")
    assert work(store, run.id, lambda text: None) == "done"
    first, last = (row.values for row in run.rows())
    assert first["modes"] == 0 and last["modes"] >= 2 and last["fd_points"] < first["fd_points"]
    assert run.sample_grid(400).exists()
