"""Regularizers of G on generators whose Jacobian is known."""

from __future__ import annotations

import math

import pytest
import torch
from support import kinds

from landscape.config.schema import RegG
from landscape.losses.generator_penalties import REGULARIZERS_G, clamp, quotients
from landscape.metrics.jacobian_conditioning import conditions


def reg(epsilon: float = 1, per: str = "sample", strength: float = 1) -> RegG:
    return RegG(penalty="clamp", strength=strength, low=1, high=20, epsilon=epsilon, per=per)


def latents(n: int = 64, dim: int = 8) -> torch.Tensor:
    return torch.randn(n, dim, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(2)


class Linear(torch.nn.Module):
    """G(z) = A z."""

    def __init__(self, matrix: torch.Tensor) -> None:
        super().__init__()
        self.matrix = torch.nn.Parameter(matrix.double())

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return z @ self.matrix.t()


# c: what G(z) = c z pays between 1 and 20
TABLE = {0.5: 0.25, 1.0: 0.0, 5.0: 0.0, 20.0: 0.0, 25.0: 25.0}


def test_every_regularizer_of_g_has_a_file() -> None:
    assert set(REGULARIZERS_G) == set(kinds("reg_g", "penalty"))


@pytest.mark.parametrize("per", ["sample", "batch"])
@pytest.mark.parametrize("epsilon", [0.1, 1.0])
@pytest.mark.parametrize("c", TABLE)
def test_a_generator_that_scales_its_latent(c: float, epsilon: float, per: str) -> None:
    g, z = Linear(c * torch.eye(8)), latents()
    term, logged = clamp(g, z, g(z), reg(epsilon, per), rng())
    assert term.item() == pytest.approx(TABLE[c], abs=1e-6) and logged["q_mean"].item() == pytest.approx(c)
    twice, _ = clamp(g, z, g(z), reg(epsilon, per, strength=2), rng())
    assert twice.item() == pytest.approx(2 * term.item())
    (gradient,) = torch.autograd.grad(term, g.matrix)
    if c == 5:
        assert gradient.abs().max() == 0 and logged["q_outside"] == 0
    if c == 25:
        assert gradient.diagonal().sum() > 0 and logged["q_outside"] == 1  # descent is towards the bound


def test_quotients_of_a_linear_generator_lie_between_its_singular_values() -> None:
    g, z = Linear(torch.randn(12, 8, generator=torch.Generator().manual_seed(0))), latents(20_000)
    q = quotients(g, z, g(z), reg(), rng())
    values = torch.linalg.svdvals(g.matrix.detach())
    assert values[-1] <= q.min() and q.max() <= values[0]
    mean = q.square().mean().item()  # directions are uniform on the sphere: ||A||_F^2 / dim
    assert mean == pytest.approx(g.matrix.square().sum().item() / 8, rel=0.02)
    one = quotients(g, z, g(z), reg(per="batch"), rng())
    assert one.shape == (1,) and one.item() == pytest.approx(math.sqrt(mean), rel=1e-9)


def test_an_orthogonal_generator_moves_as_far_as_its_latent() -> None:
    matrix, _ = torch.linalg.qr(torch.randn(8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64))
    g, z = Linear(matrix), latents()
    torch.testing.assert_close(quotients(g, z, g(z), reg(), rng()), torch.ones(64, dtype=torch.float64))


def test_it_agrees_with_the_diagnostic() -> None:
    """All singular values within the bounds: nothing to pay, and log kappa is at most 2 log(high / low)."""
    left, _ = torch.linalg.qr(torch.randn(8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64))
    g, z = Linear(left @ torch.diag(torch.linspace(1, 20, 8)).double()), latents()
    term, _ = clamp(g, z, g(z), reg(), rng())
    logs, _, _ = conditions(g, z[:2])
    assert term.item() == 0 and logs == pytest.approx([2 * math.log(20)] * 2, rel=1e-6)


def test_a_dead_generator_has_a_finite_gradient() -> None:
    g, z = Linear(torch.zeros(3, 8)), latents()
    term, logged = clamp(g, z, g(z), reg(), rng())
    (gradient,) = torch.autograd.grad(term, g.matrix)
    assert term.item() == pytest.approx(1.0, abs=1e-5) and logged["q_outside"] == 1 and gradient.isfinite().all()
