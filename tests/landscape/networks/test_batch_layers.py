"""Layers that see a batch: their values in closed form, what they cost, and what they are when they are neutral."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from landscape.config.schema import Arch, Config, Data, Latent, Norm
from landscape.config.validation import GROUP
from landscape.networks.batch_layers import (
    MINIBATCH,
    MinibatchDiscrimination,
    MinibatchStddev,
    Packed,
    SymmetricConv,
    make_symmetric,
)
from landscape.networks.build import NETWORKS, build
from landscape.networks.normalizers import couples_samples, layer_factory


def config(size: int, arch: str, width: float = 1.0, **options: Any) -> Config:
    return Config(
        arch=Arch(kind=arch, width=width, init_std=0.02, **options),
        data=Data(kind="digits", size=size),
        latent=Latent(dim=16, dist="uniform"),
        norm=Norm(kind="none"),
        seed=0,
    )


@pytest.fixture
def rng() -> torch.Generator:
    return torch.Generator().manual_seed(3)


@pytest.mark.parametrize(
    ("x", "o"),
    [
        ((0, 1), (0.367879, 0.367879)),
        ((0, 1, 3), (0.417667, 0.503215, 0.185122)),
        ((2, 2, 2, 2, 2), (4, 4, 4, 4, 4)),  # n identical images: n - 1
        ((0, 1e4, -1e4), (0, 0, 0)),  # far apart: as without the layer
    ],
)
def test_minibatch_discrimination_in_closed_form(x: tuple[float, ...], o: tuple[float, ...]) -> None:
    """With A = B = C = 1 and T = 1."""
    layer = MinibatchDiscrimination(1, 1, 1)
    nn.init.ones_(layer.project.weight)
    f = torch.tensor(x)[:, None].float()
    out = layer(f)
    assert torch.equal(out[:, :1], f) and out[:, 1].tolist() == pytest.approx(o, abs=1e-6)


def test_minibatch_discrimination_adds_the_distances_of_its_columns() -> None:
    layer = MinibatchDiscrimination(2, 1, 2)
    with torch.no_grad():
        layer.project.weight.copy_(torch.eye(2))
    out = layer(torch.tensor([[0.0, 0.0], [1.0, 2.0]]))
    assert out[:, 2].tolist() == pytest.approx([0.049787, 0.049787], abs=1e-6)  # exp(-3)


def test_minibatch_stddev_in_closed_form() -> None:
    layer = MinibatchStddev()
    assert layer(torch.full((4, 3), 0.3))[:, 3].tolist() == pytest.approx([1e-4] * 4)
    pair = torch.tensor([[1.0], [-1.0]])
    assert layer(pair)[:, 1].tolist() == pytest.approx([(1 + 1e-8) ** 0.5] * 2)
    # Of 8 images i, i + 2, i + 4 and i + 6 are a group; the second group differs within itself.
    x = torch.tensor([0.0, 1, 0, 3, 0, 1, 0, 3])[:, None]
    assert layer(x)[:, 1].tolist() == pytest.approx([1e-4, 1.0] * 4)


@pytest.mark.parametrize("kind", [kind for kind in MINIBATCH if kind != "none"])
def test_minibatch_layers_permute_with_the_batch(kind: str, rng: torch.Generator) -> None:
    make, more = MINIBATCH[kind]
    layer, f = make(6), torch.randn(GROUP, 6, generator=rng)
    order = torch.randperm(GROUP, generator=rng)
    out = layer(f)
    assert out.shape == (GROUP, 6 + more)
    torch.testing.assert_close(layer(f[order]), out[order])


# What each adds to the parameters of D at 32x32x3 and width 1.
COSTS: list[tuple[str, dict[str, Any], int]] = [
    ("sndcgan", {"minibatch": "discrimination"}, 4_096_100),
    ("resnet_cifar", {"minibatch": "discrimination"}, 64_100),
    ("sndcgan", {"minibatch": "stddev"}, 1),
    ("sndcgan", {"symmetric": True}, 11_711_681 - 5_860_865),
    ("sndcgan", {"pack": 2}, 3 * 64 * 9),
]


@pytest.mark.parametrize(("arch", "options", "more"), COSTS)
def test_parameters(arch: str, options: dict[str, Any], more: int) -> None:
    def count(**given: Any) -> int:
        cfg = config(32, arch, **given)
        with torch.device("meta"):
            d = NETWORKS[arch].discriminator(32, 3 * (cfg.arch.pack or 1), cfg.arch, layer_factory(cfg.norm))
            if cfg.arch.symmetric:
                make_symmetric(d)
        return sum(p.numel() for p in d.parameters())

    assert count(**options) - count() == more


SWITCHES: list[dict[str, Any]] = [
    {"minibatch": "discrimination"},
    {"minibatch": "stddev"},
    {"symmetric": True},
    {"pack": 2},
    {"pack": 2, "symmetric": True, "minibatch": "stddev"},
]


@pytest.mark.parametrize("arch", NETWORKS)
@pytest.mark.parametrize("options", SWITCHES, ids=str)
def test_every_discriminator_has_them_and_says_that_it_couples_samples(
    arch: str, options: dict[str, Any], rng: torch.Generator
) -> None:
    side = 1 if arch == "mlp" else 32
    g, plain = build(config(side, arch, 0.02), 3)
    g2, d = build(config(side, arch, 0.02, **options), 3)
    assert all(torch.equal(p, q) for p, q in zip(g.parameters(), g2.parameters(), strict=True))
    assert couples_samples(d) and couples_samples(d, training=False) and not couples_samples(plain)
    logits = d(torch.rand(8, 3, side, side, generator=rng))
    assert logits.shape == (8 // options.get("pack", 1),)
    logits.square().sum().backward()
    assert all(p.grad is not None for p in d.parameters())


@pytest.mark.parametrize("options", SWITCHES, ids=str)
def test_a_logit_depends_on_other_images(options: dict[str, Any], rng: torch.Generator) -> None:
    _, d = build(config(8, "sndcgan", 0.1, **options), 1)
    for p in d.parameters():
        nn.init.normal_(p, 0, 0.3, generator=rng)
    x = torch.rand(8, 1, 8, 8, generator=rng).requires_grad_()
    (gradient,) = torch.autograd.grad(d(x)[0], x)
    assert gradient[1:].abs().max() > 0


def test_a_symmetric_discriminator_permutes_with_the_batch_and_is_the_plain_one_without_its_pooled_weights(
    rng: torch.Generator,
) -> None:
    d, plain = (build(config(8, "sndcgan", 0.1, symmetric=symmetric), 1)[1].double() for symmetric in (True, False))
    for p in d.parameters():
        nn.init.normal_(p, 0, 0.1, generator=rng)
    x = torch.rand(6, 1, 8, 8, generator=rng, dtype=torch.float64)
    order = torch.randperm(6, generator=rng)
    torch.testing.assert_close(d(x[order]), d(x)[order], rtol=0, atol=1e-12)
    torch.testing.assert_close(d(x[order]).mean(), d(x).mean(), rtol=0, atol=1e-12)
    symmetric = [m for m in d.modules() if isinstance(m, SymmetricConv)]
    convolutions = [m for m in plain.modules() if isinstance(m, nn.Conv2d)]
    with torch.no_grad():
        for layer, conv in zip(symmetric, convolutions, strict=True):
            layer.pooled.weight.zero_()
            conv.load_state_dict(layer.own.state_dict())
    plain.get_submodule("linear").load_state_dict(d.get_submodule("linear").state_dict())
    torch.testing.assert_close(d(x), plain(x), rtol=0, atol=1e-12)


def test_a_symmetric_convolution_adds_a_convolution_of_the_mean() -> None:
    layer = SymmetricConv(nn.Conv2d(1, 1, 1))
    assert layer.own.bias is not None and layer.pooled.bias is None
    with torch.no_grad():
        layer.own.weight.fill_(2.0)
        layer.own.bias.fill_(0.5)
        layer.pooled.weight.fill_(10.0)
    assert layer(torch.tensor([1.0, 3.0]).reshape(2, 1, 1, 1)).flatten().tolist() == [22.5, 26.5]


class Digits(nn.Module):
    """Reads the channels of one pixel as the digits of a number."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, :, 0, 0] @ torch.tensor([1000.0, 100.0, 10.0, 1.0])


def test_a_pack_is_consecutive_images_joined_over_channels() -> None:
    x = torch.arange(8.0).reshape(4, 2, 1, 1).contiguous(memory_format=torch.channels_last)
    assert Packed(Digits(), 2)(x).tolist() == [123, 4567]
