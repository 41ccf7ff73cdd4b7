"""Networks: parameter counts of the study, shapes and ranges at other sizes, initialisation."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from support import kinds

from landscape.config.schema import Arch, Config, Data, Latent, Norm
from landscape.config.validation import SIZES
from landscape.networks.build import NETWORKS, build, initialize
from landscape.networks.normalizers import layer_factory
from landscape.networks.resnet import up_nearest, up_zeros
from landscape.networks.spectral_norm import SpectralNorm


def config(
    size: int, width: float = 1.0, norm: str = "none", seed: int = 0, arch: str = "sndcgan", **options: Any
) -> Config:
    return Config(
        arch=Arch(kind=arch, width=width, init_std=0.02, **options),
        data=Data(kind="digits", size=size),
        latent=Latent(dim=128, dist="uniform"),
        norm=Norm(kind=norm, epsilon=1e-12),
        seed=seed,
    )


def count(network: torch.nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def test_every_network_has_a_file_and_a_rule_for_sizes() -> None:
    assert set(NETWORKS) == set(kinds("arch", "kind")) == set(SIZES)


# Trainable parameters with biases and affine norms, latent 128, three channels; the last is what BN or LN adds to D.
COUNTS = [
    ("sndcgan", 32, {}, 3_828_739, 5_860_865, 3_584),
    ("sndcgan", 128, {}, 19_926_019, 5_983_745, 3_584),
    ("resnet19", 32, {}, 13_786_115, 15_086_529, 5_894),
    ("resnet19", 128, {}, 13_786_115, 15_086_529, 5_894),
    ("resnet19", 128, {"shortcut": "conv1"}, 9_788_419, 11_087_297, 5_894),
    ("resnet_cifar", 32, {}, 5_849_603, 1_483_137, 1_798),
    ("resnet_cifar", 32, {"shortcut": "identity"}, 4_276_739, 1_053_825, 1_798),
    ("dcgan", 32, {}, 4_572_163, 4_308_609, 1_792),
    ("dcgan", 128, {}, 8_535_043, 4_339_329, 1_792),
]


@pytest.mark.parametrize(("arch", "size", "options", "g_count", "d_count", "norms"), COUNTS)
def test_parameter_counts_of_the_study(
    arch: str, size: int, options: dict[str, Any], g_count: int, d_count: int, norms: int
) -> None:
    for norm in ("none", "sn", "bn", "ln"):
        with torch.device("meta"):
            network = NETWORKS[arch]
            cfg = config(size, norm=norm, arch=arch, **options)
            g = network.generator(size, 3, 128, cfg.arch)
            d = network.discriminator(size, 3, cfg.arch, layer_factory(cfg.norm))
        assert (count(g), count(d)) == (g_count, d_count + (norms if norm in ("bn", "ln") else 0))


SIDES = {"sndcgan": (8, 24, 64), "dcgan": (16, 48), "resnet19": (8, 16, 32, 64), "resnet_cifar": (32,), "mlp": (1,)}


@pytest.mark.parametrize(("arch", "size"), [(arch, size) for arch, sizes in SIDES.items() for size in sizes])
@pytest.mark.parametrize("channels", [1, 3])
def test_shapes_and_ranges(arch: str, size: int, channels: int) -> None:
    rule, _ = SIZES[arch]
    assert rule(size)
    g, d = build(config(size, width=0.02, arch=arch), channels)
    x = g(torch.rand(3, 128) * 2 - 1)
    assert x.shape == (3, channels, size, size)
    assert arch == "mlp" or (x.min() >= 0 and x.max() <= 1)  # points have no bound
    assert d(x).shape == (3,)


def test_where_normalization_stands() -> None:
    """SNDCGAN: after convolutions 2 to 7. DCGAN: 2 to 4. Residual: before both ReLUs of each block, the image's too."""
    channels = {}
    for arch in SIDES.keys() - {"mlp"}:
        _, d = build(config(32, arch=arch, norm="ln"), 3)
        channels[arch] = [m.num_channels for m in d.modules() if isinstance(m, torch.nn.GroupNorm)]
    assert channels["sndcgan"] == [128, 128, 256, 256, 512, 512] and channels["dcgan"] == [128, 256, 512]
    assert channels["resnet_cifar"] == [3, 128, 128, 128, 128, 128, 128, 128]
    assert channels["resnet19"] == [3, 64, 64, 128, 128, 256, 256, 256, 256, 512, 512, 512]


def test_layer_norm_is_over_the_sample_with_affine_per_channel() -> None:
    norm = layer_factory(Norm(kind="ln", epsilon=0.0))(5)
    x = torch.randn(4, 5, 6, 6, dtype=torch.float64)
    y = norm.double()(x)
    torch.testing.assert_close(y.flatten(1).mean(1), torch.zeros(4, dtype=torch.float64), atol=1e-9, rtol=0)
    torch.testing.assert_close(y.flatten(1).var(1, correction=0), torch.ones(4, dtype=torch.float64))
    assert [tuple(p.shape) for p in norm.parameters()] == [(5,), (5,)]


def test_upsampling_variants() -> None:
    x = torch.arange(1.0, 5.0).reshape(1, 1, 2, 2)
    assert up_zeros(x)[0, 0].tolist() == [[1, 0, 2, 0], [0] * 4, [3, 0, 4, 0], [0] * 4]
    assert up_nearest(x)[0, 0].tolist() == [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]]


def test_pooling_variants_differ_by_the_number_of_pixels() -> None:
    mean, total = (build(config(32, width=0.05, arch="resnet_cifar", pool=pool), 3)[1] for pool in ("mean", "sum"))
    x = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(total(x) - total.linear.bias, (mean(x) - mean.linear.bias) * 64)


def same(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    """TensorFlow's "same" convolution at stride 2, pixel by pixel; x is (h, w) with even sides, w a kernel of 5x5."""
    out = x.new_zeros(len(x) // 2, len(x) // 2)
    before = (5 - 2) // 2  # of the padding that makes ceil(side / 2) outputs, the smaller half stands first
    for i, j in itertools.product(range(len(out)), repeat=2):
        for k, m in itertools.product(range(5), repeat=2):
            row, column = 2 * i + k - before, 2 * j + m - before
            if 0 <= row < len(x) and 0 <= column < len(x):
                out[i, j] += x[row, column] * w[k, m]
    return out


def test_padding_of_dcgan_is_tensorflows() -> None:
    """D's convolutions are "same" as defined above, G's transposed ones its adjoint: <same(x), y> = <x, transposed(y)>.

    TensorFlow defines `conv2d_transpose` as the gradient of `conv2d`.
    """
    g, d = build(config(16, width=0.002, arch="dcgan", g_norm="none"), 1)  # a channel everywhere
    x, y = torch.randn(16, 16), torch.randn(8, 8)
    down, up = d.body[:2], g.body[-1]
    with torch.no_grad():
        torch.testing.assert_close(down(x[None, None])[0, 0], same(x, d.body[1].weight[0, 0]))
        spread = up(y[None, None])[0, 0]
    assert spread.shape == (16, 16)
    ours, theirs = (x * spread).sum(), (same(x, up.weight.detach()[0, 0]) * y).sum()
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


TRUNCATED = 0.02 * 0.87962566  # deviation of N(0, 0.02) within two deviations: sqrt(1 - 4 phi(2) / (2 Phi(2) - 1))


def expected_gradient(widths: list[int], side: int) -> float:
    """Root of E ||da/dx||^2 of DCGAN's D at its start, by propagating second moments back from the logit.

    A weight adds its variance times the moment at its output, a leaky ReLU the mean of 1 and its squared slope.
    """
    e = torch.full((1, 1, side // 16, side // 16), 0.02**2)
    for channels in reversed(widths):
        e = e * (1 + 0.2**2) / 2 * channels * TRUNCATED**2
        e = torch.nn.functional.conv_transpose2d(e, torch.ones(1, 1, 5, 5), None, 2, 1)[..., :-1, :-1]
    return float(e.sum() * 3) ** 0.5


def test_gradient_of_dcgans_discriminator_at_the_start_is_that_of_the_studys() -> None:
    """Images in [0, 1] as they are, truncated weights; it was 3.3 times this, so that penalties weighed more."""
    found = []
    for seed in range(40):
        _, d = build(config(32, width=0.25, arch="dcgan", seed=seed), 3)
        x = torch.rand(8, 3, 32, 32, generator=torch.Generator().manual_seed(seed)).requires_grad_()
        (gradient,) = torch.autograd.grad(d(x).sum(), x)
        found.append(gradient.flatten(1).square().sum(1).mean())
    assert torch.stack(found).mean().sqrt().item() == pytest.approx(expected_gradient([16, 32, 64, 128], 32), rel=0.05)


def test_dcgans_weights_start_as_the_studys() -> None:
    """Convolutions are truncated at two deviations; transposed ones and linear layers are not."""
    g, d = build(config(32, arch="dcgan"), 3)
    convolutions = [m.weight for m in d.modules() if isinstance(m, torch.nn.Conv2d)]
    assert len(convolutions) == 4 and all(w.abs().max() <= 0.04 for w in convolutions)
    assert convolutions[-1].std().item() == pytest.approx(TRUNCATED, rel=0.01)
    transposed = [m.weight for m in g.modules() if isinstance(m, torch.nn.ConvTranspose2d)]
    assert len(transposed) == 4 and all(w.std().item() == pytest.approx(0.02, rel=0.05) for w in transposed)
    assert all(w.abs().max() > 0.05 for w in (*transposed, g.linear.weight))


def test_generator_options() -> None:
    plain, bare, spectral = (
        build(config(32, width=0.05, arch="resnet_cifar", **o), 3)[0]
        for o in ({}, {"g_norm": "none"}, {"g_spectral": True})
    )
    assert any(isinstance(m, torch.nn.BatchNorm2d) for m in plain.modules())
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in bare.modules())
    assert any(isinstance(m, SpectralNorm) for m in spectral.modules())


def test_residual_convolutions_are_truncated_at_two_deviations() -> None:
    g, _ = build(config(32, arch="resnet_cifar"), 3)
    weight = g.blocks[0].conv1.weight
    assert weight.abs().max() <= 0.04 and weight.std().item() == pytest.approx(0.0176, rel=0.02)
    assert g.linear.weight.abs().max() > 0.06


def test_initialisation_is_seeded_and_has_its_standard_deviation() -> None:
    (g, d), (g2, _), (g3, _) = (build(config(32, seed=s), 3) for s in (0, 0, 1))
    assert all(torch.equal(a, b) for a, b in zip(g.parameters(), g2.parameters(), strict=True))
    assert (g.linear.weight != g3.linear.weight).any()
    assert d.body[9].weight.std().item() == pytest.approx(0.02, rel=0.02)
    assert d.linear.bias.abs().sum() == 0


def test_gradients_reach_every_parameter() -> None:
    g, d = build(config(16, width=0.05), 1)
    d(g(torch.randn(4, 128))).sum().backward()
    # The bias before a batch norm cannot move the output; its gradient is zero up to rounding, but it is there.
    assert all(p.grad is not None for p in (*g.parameters(), *d.parameters()))


class Constant(torch.nn.Module):
    """A network that brings its own initialization, of all that is in it."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = torch.nn.Linear(2, 2)

    def initialize(self, std: float, rng: torch.Generator) -> None:
        for p in self.parameters():
            torch.nn.init.constant_(p, std)


def test_a_network_may_bring_its_own_initialization() -> None:
    own, other = Constant(), torch.nn.Linear(2, 2)
    initialize(torch.nn.Sequential(own, other), 0.5, torch.Generator())
    assert all((p == 0.5).all() for p in own.parameters())
    assert not (other.weight == 0.5).any() and not other.bias.any()
