"""The lens: its size, where it starts, its two parts of a loss, and its schedule."""

from __future__ import annotations

import math

import pytest
import torch
from support import kinds

from landscape.algorithms.schedules import lens_weight
from landscape.config.schema import Config, Lens
from landscape.losses.adversarial import LOSSES
from landscape.networks.lens import LENSES, TemperedLens, squared_change


def test_every_lens_has_a_file() -> None:
    assert set(LENSES) == set(kinds("lens", "kind"))


def test_its_size_and_its_start_as_the_identity() -> None:
    lens = TemperedLens(3, 1.0)
    assert sum(p.numel() for p in lens.parameters()) == 38_755
    lens.initialize(torch.Generator().manual_seed(0))
    x = torch.rand(2, 3, 8, 8)
    assert torch.equal(lens(x), x)
    (lens(x) - 1).square().sum().backward()
    last = lens.last.weight.grad
    assert last is not None and last.abs().max() > 0  # so that it can leave it
    assert TemperedLens(1, 0.25)(torch.rand(2, 1, 1, 1)).shape == (2, 1, 1, 1)  # a point


@pytest.mark.parametrize(
    ("t", "weight"), [(0, 1), (25, 0.617317), (50, 0.292893), (75, 0.076120), (100, 0), (101, 0), (1000, 0)]
)
def test_the_schedule(t: int, weight: float) -> None:
    """lambda after t D updates of K = 100; a step is counted from 1."""
    assert lens_weight(t + 1, Config(lens=Lens(kind="tempered", steps=100))) == pytest.approx(weight, abs=1e-6)
    assert lens_weight(t + 1, Config(lens=Lens(kind="none"))) == 0


def test_a_change_is_the_mean_or_the_sum_of_its_squares() -> None:
    x, y = torch.zeros(2, 3, 4, 4), torch.full((2, 3, 4, 4), 0.5)
    assert squared_change(x, y, "mean").item() == pytest.approx(0.25)
    assert squared_change(x, y, "sum").item() == pytest.approx(0.25 * 48)


@pytest.mark.parametrize("reduce", ["mean", "sum"])
def test_its_gradient_for_a_linear_critic_in_one_dimension(reduce: str) -> None:
    """d L_L / db = lambda psi sigmoid(psi b) + 2 (b - x), at D(b) = psi b."""
    x, psi, weight = 0.3, 1.7, 0.6
    b = torch.tensor([[[[0.8]]]], dtype=torch.float64, requires_grad=True)
    lens = LOSSES["ns"].lens
    assert lens is not None
    loss = weight * lens(psi * b.flatten(), None) + squared_change(torch.full_like(b, x), b, reduce)
    (gradient,) = torch.autograd.grad(loss, b)
    expected = weight * psi / (1 + math.exp(-psi * 0.8)) + 2 * (0.8 - x)
    assert gradient.item() == pytest.approx(expected, rel=1e-12)


# name: the lens's part of the loss and its derivative, at a logit of 0.7 (of reals, 0.2 of fakes)
SIGMA = 1 / (1 + math.exp(-0.7))
NS = (math.log(1 + math.exp(0.7)), SIGMA)
TABLE = {
    **dict.fromkeys(("ns", "minimax", "ml", "bgan", "mbgan"), NS),
    **dict.fromkeys(("wgan", "hinge"), (0.7, 1.0)),
    "ls": (0.49, 1.4),
    "ls_sigmoid": (SIGMA**2 / 2, SIGMA**2 * (1 - SIGMA)),
    "rpgan": (math.log(1 + math.exp(0.5)), 1 / (1 + math.exp(-0.5))),
}


@pytest.mark.parametrize("name", LOSSES)
def test_it_takes_reals_for_fake_by_every_loss(name: str) -> None:
    real = torch.full((3,), 0.7, dtype=torch.float64, requires_grad=True)
    lens = LOSSES[name].lens
    assert lens is not None
    value = lens(real, torch.full((3,), 0.2, dtype=torch.float64))
    (gradient,) = torch.autograd.grad(value, real)
    assert (value.item(), gradient.sum().item()) == pytest.approx(TABLE[name], rel=1e-12)
