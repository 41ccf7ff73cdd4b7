"""Penalties on critics whose gradients are known in closed form."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from support import kinds

from landscape.config.schema import Arch, Config, Data, Latent, Norm, Reg
from landscape.losses.dragan_noise import NOISES
from landscape.losses.penalties import (
    REGULARIZERS,
    clip,
    gradient_penalty,
    l2,
    squared_differences,
    squared_gradient_norms,
    weight_tensors,
)
from landscape.networks.build import build
from landscape.rng import stream

SHAPE = (6, 2, 4, 4)


def images(seed: int) -> torch.Tensor:
    return torch.rand(SHAPE, generator=stream(seed, "images"), dtype=torch.float32).double()


def reg(**values: Any) -> Reg:
    usual: dict[str, Any] = {"penalty": "gp", "strength": 10.0, "target": 1.0, "epsilon": 0.0}
    return Reg(**usual | values)


def linear_critic(norm: float):
    w = torch.randn(SHAPE[1:], generator=stream(3, "w"), dtype=torch.float32).double()
    w = w * norm / w.norm()
    return lambda x: (x * w).sum((1, 2, 3))


def test_every_penalty_has_a_file() -> None:
    assert set(REGULARIZERS) == set(kinds("reg", "penalty"))


# What a linear critic of slope s pays, at strength 10: its gradient is the same everywhere.
LINEAR = {
    "gp": lambda s: 10 * (s - 1) ** 2,
    "gp0": lambda s: 10 * s**2,
    "dragan": lambda s: 10 * (s - 1) ** 2,
    "r1": lambda s: 5 * s**2,
    "r2": lambda s: 5 * s**2,
    "r1r2": lambda s: 10 * s**2,
}


def test_every_penalty_on_gradients_has_a_row_here() -> None:
    assert set(LINEAR) == {name for name, r in REGULARIZERS.items() if r.term is not None and r.per_sample}


@pytest.mark.parametrize("name", LINEAR)
@pytest.mark.parametrize("slope", [0.5, 1.0, 3.0])
def test_linear_critic_pays_for_its_slope(name: str, slope: float) -> None:
    term = REGULARIZERS[name].term
    assert term is not None
    value = term(linear_critic(slope), images(0), images(1), reg(noise="study"), stream(0, "p"))
    assert value.item() == pytest.approx(LINEAR[name](slope), abs=1e-9)


def points(name: str) -> torch.Tensor:
    """Where a penalty looks, for fakes that are all 2 (no real pixel is)."""
    seen = []

    def critic(x: torch.Tensor) -> torch.Tensor:
        seen.append(x.detach())
        return x.square().sum((1, 2, 3))

    term = REGULARIZERS[name].term
    assert term is not None
    term(critic, images(0), torch.full(SHAPE, 2.0).double(), reg(noise="study"), stream(0, "p"))
    return seen[0]


def test_r1_looks_at_real_r2_at_fake_and_both_at_both() -> None:
    fake = torch.full(SHAPE, 2.0).double()
    assert torch.equal(points("r1"), images(0)) and torch.equal(points("r2"), fake)
    assert torch.equal(points("r1r2"), torch.cat([images(0), fake]))


# R1 by differences


def quadratic_critic() -> tuple[Any, torch.Tensor, torch.Tensor]:
    """x'Ax / 2 + b'x, with A and b."""
    rng, d = stream(4, "a"), 32
    a = torch.randn(d, d, generator=rng).double()
    a, b = (a + a.T) / d, torch.randn(d, generator=rng).double()
    return lambda x: (x.flatten(1) @ a * x.flatten(1)).sum(1) / 2 + x.flatten(1) @ b, a, b


def test_of_a_quadratic_critic_the_difference_is_the_slope_in_its_direction() -> None:
    critic, a, b = quadratic_critic()
    x = images(0)
    z = torch.randn(SHAPE, generator=stream(0, "p"), dtype=torch.float64).flatten(1)
    slopes = ((x.flatten(1) @ a + b) * z).sum(1)
    for step in (0.01, 1.0):
        found = squared_differences(critic, x, step, stream(0, "p"))
        torch.testing.assert_close(found, slopes.square(), rtol=1e-9, atol=1e-9)


def test_over_directions_it_is_r1_on_average() -> None:
    critic, a, _ = quadratic_critic()
    x, n = images(0)[:1], 20_000
    exact = REGULARIZERS["r1"].term(critic, x, x, reg(), stream(0, "p"))  # type: ignore[misc]
    many = x.expand(n, *SHAPE[1:])
    by_differences = REGULARIZERS["r1"].term(critic, many, many, reg(difference=0.1), stream(0, "p"))  # type: ignore[misc]
    assert by_differences.item() == pytest.approx(exact.item(), rel=4 * (2 / n) ** 0.5)  # four standard errors
    forward = ((critic(many + 0.1 * (z := torch.randn(many.shape).double())) - critic(many)) / 0.1).square().mean()
    larger = 0.1**2 / 4 * (2 * a.square().sum() + a.trace() ** 2)
    assert forward.item() == pytest.approx(2 * exact.item() / 10 + larger.item(), rel=0.1) and z.shape == many.shape


def test_it_moves_d_without_a_second_derivative() -> None:
    w = torch.nn.Parameter(torch.ones(SHAPE[1:]).double())
    squared = squared_differences(lambda x: (x * w).sum((1, 2, 3)), images(0), 0.01, stream(0, "p"))
    squared.mean().backward()
    z = torch.randn(SHAPE, generator=stream(0, "p"), dtype=torch.float64)
    expected = (2 * z.sum((1, 2, 3), keepdim=True) * z).mean(dim=0)
    torch.testing.assert_close(w.grad, expected, rtol=1e-6, atol=1e-6)


# DRAGAN's conventions


def test_the_studys_noise_is_symmetric_scalar_and_clipped() -> None:
    x = images(0)
    moved = NOISES["study"].perturb(x, stream(0, "n"))
    s = x.std(correction=0)
    assert (moved - x).abs().max() <= s / 2 and moved.min() >= 0 and moved.max() <= 1
    assert (moved < x).any() and (moved > x).any()


def test_the_authors_noise_is_upward_with_one_alpha_a_sample() -> None:
    x = images(0)
    moved = NOISES["authors"].perturb(x, stream(0, "n")) - x
    assert moved.min() >= 0 and moved.max() <= x.std(correction=0) / 2
    largest = moved.flatten(1).max(1).values / (x.std(correction=0) / 2)
    assert largest.std() > 0.05  # samples differ in how far they go
    assert NOISES["authors_sigmoid"].on_probability and not NOISES["authors"].on_probability


def test_per_pixel_noise_leaves_constant_pixels_alone() -> None:
    x = images(0)
    x[:, 0, 2, 2] = 0.25
    moved = NOISES["per_pixel"].perturb(x, stream(0, "n"))
    assert torch.equal(moved[:, 0, 2, 2], x[:, 0, 2, 2]) and not torch.equal(moved, x)


def test_normal_noise_has_the_batchs_deviation() -> None:
    x = torch.rand(64, 3, 16, 16, generator=stream(0, "x")).double()
    moved = NOISES["normal"].perturb(x, stream(0, "n")) - x
    assert moved.std().item() == pytest.approx(x.std().item(), rel=0.02)


def test_gradient_of_the_sigmoid_is_the_logits_times_its_slope() -> None:
    critic, x = linear_critic(3.0), images(0)
    a = critic(x).sigmoid()
    torch.testing.assert_close(squared_gradient_norms(critic, x, sigmoid=True), 9 * (a * (1 - a)).square())


# Penalties on weights

TENSORS = {("sndcgan", 32): 8, ("resnet_cifar", 32): 13, ("resnet19", 32): 19, ("dcgan", 32): 5}


@pytest.mark.parametrize(("arch", "size"), TENSORS)
@pytest.mark.parametrize("norm", ["none", "sn", "bn", "ln"])
def test_l2_takes_the_studys_number_of_tensors(arch: str, size: int, norm: str) -> None:
    _, d = build(network(arch, size, norm), 3)
    weights = weight_tensors(d)
    assert len(weights) == TENSORS[arch, size]
    value = l2(d, images(0), images(1), reg(strength=0.5), stream(0, "p"))
    assert value.item() == pytest.approx(0.5 * sum(w.square().sum().item() / 2 for w in weights) / len(weights))


def network(arch: str, size: int, norm: str) -> Config:
    return Config(
        arch=Arch(kind=arch, width=0.05, init_std=0.02),
        data=Data(kind="digits", size=size),
        latent=Latent(dim=8, dist="uniform"),
        norm=Norm(kind=norm, epsilon=1e-5),
        seed=0,
    )


def test_clip_clamps_all_and_counts_what_lies_on_the_bound() -> None:
    _, d = build(network("sndcgan", 32, "bn"), 3)
    share = clip(d, reg(bound=0.01, norms=True))
    assert all(p.abs().max() <= 0.01 + 1e-9 for p in d.parameters())
    # N(0, 0.02): 62 % of weights exceed 0.01; biases are 0, and scales of 1 are cut.
    weights = torch.cat([w.flatten() for w in weight_tensors(d)])
    assert (weights.abs() >= 0.01).float().mean().item() == pytest.approx(0.617, abs=0.02)
    assert 0.5 < share.item() < 0.65


def test_clip_can_leave_normalizers_out() -> None:
    _, d = build(network("sndcgan", 32, "bn"), 3)
    clip(d, reg(bound=0.01, norms=False))
    scales = [m.weight for m in d.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert all((s == 1).all() for s in scales) and max(w.abs().max() for w in weight_tensors(d)) <= 0.01


def test_epsilon_stands_under_the_root() -> None:
    value = gradient_penalty(linear_critic(2.0), images(0), images(1), reg(epsilon=1e-2), stream(0, "p"))
    assert value.item() == pytest.approx(10 * ((4 + 1e-2) ** 0.5 - 1) ** 2, abs=1e-9)


def test_gradient_is_taken_between_real_and_fake_one_place_a_sample() -> None:
    seen = []

    def critic(x: torch.Tensor) -> torch.Tensor:
        seen.append(x.detach())
        return x.square().sum((1, 2, 3))

    real, fake = images(0), images(1)
    gradient_penalty(critic, real, fake, reg(), stream(0, "p"))
    alpha = (seen[0] - real) / (fake - real)
    flat = alpha.flatten(1)
    torch.testing.assert_close(flat, flat[:, :1].expand_as(flat))
    assert ((flat >= 0) & (flat <= 1)).all()
    assert flat[:, 0].std() > 0.05


def test_norms_of_a_quadratic_critic() -> None:
    x = images(0)
    norms = squared_gradient_norms(lambda y: y.square().sum((1, 2, 3)), x)
    torch.testing.assert_close(norms, 4 * x.square().sum((1, 2, 3)))


def test_penalty_can_be_differentiated_for_the_critics_weights() -> None:
    net = torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(32, 8), torch.nn.LeakyReLU(0.1), torch.nn.Linear(8, 1)
    )
    net = net.double()
    value = gradient_penalty(lambda x: net(x).squeeze(1), images(0), images(1), reg(), stream(0, "p"))
    value.backward()
    assert net[1].weight.grad is not None and net[1].weight.grad.abs().sum() > 0
