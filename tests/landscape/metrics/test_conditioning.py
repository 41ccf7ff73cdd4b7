"""Generator conditioning: closed forms on linear maps, and the Jacobian of every architecture against differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from landscape.config.schema import typed
from landscape.metrics.jacobian_conditioning import conditions, jacobian, log_spectrum
from landscape.networks.build import build
from sweeps.planning.plan import make_plan


class Linear(nn.Module):
    """G(z) = A z, as an image of one column."""

    def __init__(self, a: np.ndarray) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.from_numpy(a))

    def forward(self, z: Tensor) -> Tensor:
        return (z @ self.a.t())[:, None, :, None]


def matrix(rows: int, columns: int, seed: int = 0) -> np.ndarray:
    return np.random.Generator(np.random.PCG64(seed)).standard_normal((rows, columns))


def latents(n: int, dim: int) -> Tensor:
    return torch.randn(n, dim, dtype=torch.float64)


def test_a_linear_generator_gives_the_condition_of_its_gram_matrix() -> None:
    a = matrix(50, 6)
    logs, ranks, eigenvalues = conditions(Linear(a), latents(3, 6))
    np.testing.assert_allclose(logs, np.log(np.linalg.cond(a.T @ a)), rtol=1e-9)
    np.testing.assert_allclose(logs, 2 * np.log(np.linalg.cond(a)), rtol=1e-9)
    np.testing.assert_allclose(eigenvalues, np.linalg.eigvalsh(a.T @ a)[::-1], rtol=1e-9)
    assert (ranks == 6).all()


def test_scale_changes_the_spectrum_and_not_the_condition() -> None:
    a = matrix(50, 6)
    once, ten = (conditions(Linear(s * a), latents(2, 6)) for s in (1, 10))
    np.testing.assert_allclose(once[0], ten[0], rtol=1e-9)
    np.testing.assert_allclose(np.array(log_spectrum(ten[2])) - log_spectrum(once[2]), 2, atol=1e-5)


def test_single_precision_gives_the_condition_to_four_digits_and_knows_its_zeros() -> None:
    a = matrix(50, 6)
    flat = np.concatenate([a, a[:, :2]], axis=1).astype(np.float32)
    logs, ranks, eigenvalues = conditions(Linear(flat), latents(2, 8).float())
    seen = np.linalg.svd(flat.astype(np.float64), compute_uv=False)[:6]
    np.testing.assert_allclose(logs, 2 * np.log(seen[0] / seen[-1]), rtol=1e-4)
    assert (ranks == 6).all() and len(log_spectrum(eigenvalues)) == 6


def test_directions_that_move_nothing_lower_the_rank_and_not_the_condition() -> None:
    a = matrix(50, 6)
    flat = np.concatenate([a, np.zeros((50, 2))], axis=1)
    logs, ranks, eigenvalues = conditions(Linear(flat), latents(2, 8))
    np.testing.assert_allclose(logs, np.log(np.linalg.cond(a.T @ a)), rtol=1e-9)
    assert (ranks == 6).all() and len(log_spectrum(eigenvalues)) == 6
    logs, ranks, _ = conditions(Linear(matrix(5, 8)), latents(2, 8))  # fewer pixels than latent dimensions
    assert (ranks == 5).all() and np.isfinite(logs).all()
    logs, ranks, eigenvalues = conditions(Linear(np.zeros((5, 8))), latents(2, 8))
    assert (ranks == 0).all() and np.isnan(logs).all() and log_spectrum(eigenvalues) == []


@pytest.mark.parametrize("arch", ["sndcgan", "dcgan", "resnet19", "resnet_cifar", "mlp"])
def test_the_jacobian_is_that_of_central_differences(arch: str) -> None:
    chosen = ["data=ring"] if arch == "mlp" else [f"arch={arch}", "arch.width=0.04", "data.size=32"]
    cfg = typed(make_plan([*chosen, "latent.dim=40"], multirun=False).runs[0].config)
    g, _ = build(cfg, 1 if arch != "mlp" else 2)
    g(torch.randn(16, 40))  # batch norms have seen something
    g = g.double().eval().requires_grad_(False)
    generator = torch.Generator().manual_seed(1)
    for _ in range(20):
        z, direction = torch.randn(2, 40, dtype=torch.float64, generator=generator)
        before, here, after = (g((z + s * 1e-6 * direction)[None]).flatten() for s in (-1, 0, 1))
        # A ReLU that switches on inside the step has two derivatives there: such a latent says nothing.
        if torch.allclose(after - here, here - before, rtol=0, atol=1e-10):
            break
    else:
        raise AssertionError("a ReLU switches near each of 20 latents")
    torch.testing.assert_close(direction @ jacobian(g, z), (after - before) / 2e-6, rtol=1e-4, atol=1e-7)


def test_the_generator_is_left_alone() -> None:
    cfg = typed(make_plan(["arch.g_spectral=true", "latent.dim=8"], multirun=False).runs[0].config)
    g, _ = build(cfg, 1)
    before = {name: value.clone() for name, value in g.state_dict().items()}
    conditions(g, torch.randn(2, 8))
    assert g.training and next(g.parameters()).dtype == torch.float32 and next(g.parameters()).requires_grad
    assert all(torch.equal(before[name], value) for name, value in g.state_dict().items())
