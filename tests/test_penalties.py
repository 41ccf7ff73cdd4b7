"""Penalties on critics whose gradients are known in closed form."""

from __future__ import annotations

import pytest
import torch

from landscape.config import Reg
from landscape.penalties import PENALTIES, gradient_penalty, squared_gradient_norms
from landscape.streams import stream
from sweeps.choices import kinds

SHAPE = (6, 2, 4, 4)


def images(seed: int) -> torch.Tensor:
    return torch.rand(SHAPE, generator=stream(seed, "images"), dtype=torch.float32).double()


def reg(**values: float) -> Reg:
    return Reg(**({"penalty": "gp", "strength": 10.0, "target": 1.0, "epsilon": 0.0} | values))  # type: ignore[arg-type]


def linear_critic(norm: float):
    w = torch.randn(SHAPE[1:], generator=stream(3, "w"), dtype=torch.float32).double()
    w = w * norm / w.norm()
    return lambda x: (x * w).sum((1, 2, 3))


def test_every_penalty_has_a_file() -> None:
    assert set(PENALTIES) == set(kinds("reg", "penalty"))


@pytest.mark.parametrize("norm", [0.5, 1.0, 3.0])
def test_linear_critic_pays_the_distance_of_its_slope_from_one(norm: float) -> None:
    value = gradient_penalty(linear_critic(norm), images(0), images(1), reg(), stream(0, "p"))
    assert value.item() == pytest.approx(10 * (norm - 1) ** 2, abs=1e-9)


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
