"""Spectral normalization: what it bounds, what it does not, and when its iteration moves."""

from __future__ import annotations

import pytest
import torch
from support import kinds
from torch import nn

from landscape.config.schema import Arch, Config, Data, Latent, Norm
from landscape.networks.build import NETWORKS, build
from landscape.networks.normalizers import NORMALIZERS, normalize_weights
from landscape.networks.spectral_norm import SpectralNorm, add_spectral_norm, advance_spectral_norms
from landscape.rng import stream


def small_net() -> nn.Sequential:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(2, 5, 3, 1, 1), nn.LeakyReLU(0.1), nn.Flatten(), nn.Linear(5 * 16, 1))
    add_spectral_norm(net, 1e-12, stream(0, "norm"))
    return net


def test_every_normalizer_has_a_file() -> None:
    assert set(NORMALIZERS) == set(kinds("norm", "kind"))


def test_norm_of_every_reshaped_kernel_goes_to_one() -> None:
    net = small_net()
    for _ in range(200):
        advance_spectral_norms(net)
    for layer in (net[0], net[3]):
        assert torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item() == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("arch", NETWORKS)
@pytest.mark.slow
def test_every_weight_of_both_networks_is_normalized(arch: str) -> None:
    """A weight layer is one whose weight is no vector, whatever its type; a row of its matrix is an output channel."""
    cfg = Config(
        arch=Arch(kind=arch, width=0.1, init_std=0.02, g_spectral=True),
        data=Data(kind="digits", size=1 if arch == "mlp" else 32),
        latent=Latent(dim=16, dist="uniform"),
        norm=Norm(kind="sn", epsilon=1e-12),
        seed=0,
    )
    for network in build(cfg, 2 if arch == "mlp" else 3):
        weights = {
            name: layer
            for name, layer in network.named_modules()
            if isinstance(getattr(layer, "weight", None), torch.Tensor) and layer.weight.ndim > 1
        }
        normalized = {name for name in weights if hasattr(weights[name], "parametrizations")}
        assert normalized == set(weights) and len(weights) > 3
        for _ in range(2000):
            advance_spectral_norms(network)
        for name, layer in weights.items():
            by_output = layer.weight.movedim(1 if isinstance(layer, nn.ConvTranspose2d) else 0, 0)
            assert by_output.shape[0] == getattr(layer, "out_channels", None) or isinstance(layer, nn.Linear), name
            sigma = torch.linalg.svdvals(by_output.flatten(1).double())[0].item()
            assert sigma == pytest.approx(1, abs=1e-3), name


def test_a_transposed_convolution_is_normalized_as_torch_does_it() -> None:
    """Torch's parametrization, its iteration run to its end, gives the same weight."""
    torch.manual_seed(0)
    ours, theirs = (nn.Sequential(nn.ConvTranspose2d(6, 4, 3)) for _ in range(2))
    theirs.load_state_dict(ours.state_dict())
    add_spectral_norm(ours, 1e-12, stream(0, "norm"))
    nn.utils.parametrizations.spectral_norm(theirs[0], n_power_iterations=500)
    for _ in range(500):
        advance_spectral_norms(ours)
    torch.testing.assert_close(ours[0].weight, theirs[0].weight)


def test_biases_are_left_alone() -> None:
    net = small_net()
    assert [name for name, _ in net.named_parameters() if "bias" in name] == ["0.bias", "3.bias"]


def test_iteration_moves_only_when_told_to() -> None:
    net = small_net()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    net.train()
    net(torch.randn(3, 2, 4, 4)).sum().backward()
    net.eval()
    net(torch.randn(3, 2, 4, 4))
    assert all(torch.equal(v, net.state_dict()[k]) for k, v in before.items())
    for _ in range(2):
        advance_spectral_norms(net)
    moved = {k for k, v in before.items() if not torch.allclose(v, net.state_dict()[k], atol=1e-4)}
    assert moved >= {"0.parametrizations.weight.0.u", "0.parametrizations.weight.0.v"}
    assert all(".parametrizations.weight.0." in k for k in moved)


def test_sigma_is_live_in_the_weight_and_constant_in_u_and_v() -> None:
    """d(W / (u^T W v)) / dW by hand, for a linear functional of the result."""
    w = torch.randn(4, 6, generator=stream(0, "w"), dtype=torch.float32).requires_grad_()
    norm = SpectralNorm(w, 1e-12, stream(0, "u"))
    c = torch.randn(4, 6, generator=stream(1, "c"))
    (norm(w) * c).sum().backward()
    sigma = norm.u @ w.detach() @ norm.v
    expected = c / sigma - (c * w.detach()).sum() / sigma**2 * torch.outer(norm.u, norm.v)
    torch.testing.assert_close(w.grad, expected)


def test_bound_is_on_the_kernel_not_on_the_convolution() -> None:
    """All-ones 3x3 kernel: sigma of the reshaped kernel is 3, the zero-padded convolution on 12x12 has norm 8.655."""
    kernel = torch.ones(1, 1, 3, 3)
    assert torch.linalg.matrix_norm(kernel.flatten(1), 2).item() == pytest.approx(3)
    basis = torch.eye(144).reshape(144, 1, 12, 12)
    operator = nn.functional.conv2d(basis, kernel, padding=1).flatten(1)
    assert torch.linalg.matrix_norm(operator, 2).item() == pytest.approx(8.655, abs=1e-3)


def test_none_changes_nothing() -> None:
    net = nn.Linear(3, 3)
    normalize_weights(net, Norm(kind="none"), stream(0, "norm"))
    assert list(dict(net.named_parameters())) == ["weight", "bias"]
