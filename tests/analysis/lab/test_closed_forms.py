"""The formulas of the laboratory against values worked out elsewhere, and gradients by hand against differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from analysis.lab import batches, blur, clipping, contrastive, costs, elbo_gap, rate_distortion, reinforce, small_vae
from landscape.losses.adversarial import LOSSES


@pytest.mark.parametrize("name", costs.COSTS)
def test_the_costs_are_those_that_runs_are_trained_by(name: str) -> None:
    for logit in costs.LOGITS:
        a = torch.tensor([logit], dtype=torch.float64, requires_grad=True)
        value = LOSSES[name].g(a, None)
        value.backward()  # type: ignore[no-untyped-call]
        assert a.grad is not None
        assert float(costs.COSTS[name].value(logit)) == pytest.approx(value.item(), rel=1e-12)
        assert float(costs.COSTS[name].slope(logit)) == pytest.approx(a.grad.item(), rel=1e-12)


def test_gradients_where_the_discriminator_is_sure() -> None:
    slopes = {name: -cost.slope(np.array([-20.0, 5.0])) for name, cost in costs.COSTS.items()}
    assert slopes["ns"] == pytest.approx([1, 0.0067], rel=2e-2)
    assert slopes["minimax"] == pytest.approx([2.1e-9, 0.993], rel=2e-2)
    assert slopes["ml"] == pytest.approx([1.0e-9, 74.2], rel=4e-2)


@pytest.mark.parametrize(
    ("target", "theta", "gradient", "variance"),
    [
        (0.499, 0.5, 0.0005, 0.015625125),
        (0.45, 0.5, 0.025, 0.015939063),
        (0.499, 0.3, 0.00042, 0.013167139),
        (0.45, 0.3, 0.021, 0.015593813),
    ],
)
def test_reinforce(target: float, theta: float, gradient: float, variance: float) -> None:
    assert reinforce.gradient(theta, target) == pytest.approx(gradient, rel=1e-9)
    assert reinforce.variance(theta, target, 0.0) == pytest.approx(variance, abs=1e-9)
    best = reinforce.best_baseline(theta, target)
    around = reinforce.variance(theta, target, best + np.linspace(-0.1, 0.1, 21))
    assert np.argmin(around) == 10 and abs(around[10]) < 1e-16  # two outcomes: nothing is left


def test_noise_contrastive_estimation() -> None:
    assert pytest.approx(-0.918939, abs=1e-6) == contrastive.BEST
    assert contrastive.cost(contrastive.BEST + 0.1) == pytest.approx(1.202920, abs=1e-6)
    assert contrastive.cost(contrastive.BEST - 0.1) == pytest.approx(1.202934, abs=1e-6)


@pytest.mark.parametrize(
    ("beta", "rate", "distortion"),
    [
        (0.1, 1.570848, 0.972658),
        (0.5, 0.660417, 1.196716),
        (1, 0.346574, 1.418939),
        (2, 0.147177, 1.696716),
        (10, 0.010465, 2.199930),
    ],
)
def test_the_rate_distortion_curve(beta: float, rate: float, distortion: float) -> None:
    assert rate_distortion.best(np.array(beta)) == pytest.approx((rate, distortion), abs=1e-6)
    here = 1 / (1 + beta), beta / (1 + beta)
    for a, variance in ((here[0] + 0.05, here[1]), (here[0] - 0.05, here[1]), (here[0], here[1] * 1.2)):
        r, d = rate_distortion.plane(np.array(a), np.array(variance))
        assert d + beta * r > distortion + beta * rate


def test_the_best_factorized_posterior_and_what_it_chooses() -> None:
    found = elbo_gap.precision(0.8)
    for changed in (np.diag(found) * [1.1, 1], np.diag(found) * [1, 0.9]):
        kl = (np.trace(found @ np.diag(1 / changed)) - 2 + np.log(changed).sum() - np.linalg.slogdet(found)[1]) / 2
        assert kl > elbo_gap.gap(0.8)
    best = elbo_gap.maximum(elbo_gap.elbo)
    slope = (elbo_gap.elbo(best + 1e-5) - elbo_gap.elbo(best - 1e-5)) / 2e-5
    assert best == pytest.approx(0.743, abs=0.01) and slope == pytest.approx(0, abs=1e-6)


def test_equal_images_of_data_and_model_tell_nothing() -> None:
    assert batches.optimum(np.ones(5)) == pytest.approx(0.5)
    assert batches.single(np.array([np.e, np.e])) == pytest.approx(0.731059, abs=1e-6)


def test_six_in_ten_weights_start_beyond_the_clip() -> None:
    assert clipping.share(0.01, 0.02) == pytest.approx(0.617, abs=1e-3)
    assert clipping.share(0.05, 0.02, 2.0) == 0
    assert clipping.left_over(np.array([1e3]), 0.02) == pytest.approx(0.02)


def test_the_small_autoencoder_descends_its_own_gradient() -> None:
    rng = np.random.default_rng(0)
    params = small_vae.new_params(rng)
    x, eps = rng.standard_normal((6, 2)), rng.standard_normal((6, small_vae.LATENT))
    _, gradients = small_vae.loss(params, x, eps)
    for name, slope in gradients.items():
        at = np.unravel_index(np.abs(slope).argmax(), slope.shape)
        values = []
        for step in (1e-5, -1e-5):
            moved = {key: value.copy() for key, value in params.items()}
            moved[name][at] += step
            values.append(small_vae.loss(moved, x, eps)[0])
        assert (values[0] - values[1]) / 2e-5 == pytest.approx(slope[at], rel=1e-5), name


def test_scores_of_a_mixture_are_gradients_of_its_density() -> None:
    model, x = blur.Mixture(blur.CENTERS, 0.4), np.random.default_rng(0).standard_normal((20, 2))
    _, score = model.density_and_score(x)
    for axis, step in enumerate(1e-5 * np.eye(2)):
        slope = (model.log_density(x + step) - model.log_density(x - step)) / 2e-5
        assert score[:, axis] == pytest.approx(slope, abs=1e-6)
    side = np.linspace(-5, 5, 201)
    lattice = np.stack([part.ravel() for part in np.meshgrid(side, side)], 1)
    assert np.exp(model.log_density(lattice)).sum() * (side[1] - side[0]) ** 2 == pytest.approx(1, abs=1e-6)


def test_modes_and_sharpness_are_counted() -> None:
    rng = np.random.default_rng(0)
    assert blur.quality(blur.RING.draw(4000, rng))[0] == blur.MODES
    half = blur.Mixture(blur.CENTERS[:4], blur.WIDTH)
    assert blur.quality(half.draw(4000, rng))[0] == 4
    modes, near = blur.quality(blur.Mixture(np.zeros((1, 2)), 0.2).draw(4000, rng))
    assert (modes, near) == (0, 0)
