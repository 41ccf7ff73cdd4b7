"""Networks: parameter counts of the study, shapes and ranges at other sizes, initialisation."""

from __future__ import annotations

import pytest
import torch

from landscape.checks import SIZES
from landscape.config import Arch, Config, Data, Latent, Norm
from landscape.networks import NETWORKS, build
from sweeps.choices import kinds


def config(size: int, width: float = 1.0, norm: str = "none", seed: int = 0) -> Config:
    return Config(
        arch=Arch(kind="sndcgan", width=width, init_std=0.02),
        data=Data(kind="digits", size=size),
        latent=Latent(dim=128, dist="uniform"),
        norm=Norm(kind=norm, epsilon=1e-12),
        seed=seed,
    )


def count(network: torch.nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def test_every_network_has_a_file_and_a_rule_for_sizes() -> None:
    assert set(NETWORKS) == set(kinds("arch", "kind")) == set(SIZES)


@pytest.mark.parametrize(("size", "g_count", "d_count"), [(32, 3_828_739, 5_860_865), (128, 19_926_019, 5_983_745)])
@pytest.mark.parametrize("norm", ["none", "sn"])
def test_parameter_counts_of_the_study(size: int, g_count: int, d_count: int, norm: str) -> None:
    g, d = build(config(size, norm=norm), 3)
    assert (count(g), count(d)) == (g_count, d_count)


@pytest.mark.parametrize("size", [8, 16, 24, 40])
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_any_size_divisible_by_8_and_any_channel_count(size: int, channels: int) -> None:
    g, d = build(config(size, width=0.02), channels)
    x = g(torch.rand(5, 128) * 2 - 1)
    assert x.shape == (5, channels, size, size)
    assert x.min() >= 0 and x.max() <= 1
    assert d(x).shape == (5,)


def test_initialisation_is_seeded_and_has_its_standard_deviation() -> None:
    (g, d), (g2, _), (g3, _) = (build(config(32, seed=s), 3) for s in (0, 0, 1))
    assert all(torch.equal(a, b) for a, b in zip(g.parameters(), g2.parameters(), strict=True))
    assert not torch.equal(g.linear.weight, g3.linear.weight)
    assert d.body[6].weight.std().item() == pytest.approx(0.02, rel=0.02)
    assert d.linear.bias.abs().sum() == 0


def test_gradients_reach_every_parameter() -> None:
    g, d = build(config(16, width=0.05), 1)
    d(g(torch.randn(4, 128))).sum().backward()
    # The bias before a batch norm cannot move the output; its gradient is zero up to rounding, but it is there.
    assert all(p.grad is not None for p in (*g.parameters(), *d.parameters()))
