"""Conditional networks: projection and conditional batch norm in closed form, and what they share with plain ones."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn

from landscape.config.schema import Arch, Config, Data, Latent, Norm
from landscape.networks.build import build
from landscape.networks.conditional import AtLabels, ConditionalBatchNorm, draw_labels, rows_of_classes
from landscape.networks.normalizers import couples_samples
from landscape.networks.population_batchnorm import PopulationBatchNorm2d, use_population_variance
from landscape.networks.spectral_norm import SpectralNorm

ARCHS = {"sndcgan": 16, "resnet19": 16, "resnet_cifar": 32}
CLASSES = 5


def networks(arch: str, conditional: bool = True, norm: str = "none", **options: Any) -> tuple[nn.Module, nn.Module]:
    cfg = Config(
        arch=Arch(kind=arch, width=0.05, init_std=0.2, conditional=conditional, **options),
        data=Data(kind="digits", size=ARCHS[arch], classes=CLASSES),
        latent=Latent(dim=8, dist="uniform"),
        norm=Norm(kind=norm, epsilon=1e-12),
        seed=3,
    )
    return build(cfg, 1)


def labels(n: int = 10) -> torch.Tensor:
    return torch.arange(n) % CLASSES


@pytest.mark.parametrize("arch", ARCHS)
def test_a_logit_is_the_plain_one_plus_the_product_of_its_classes_vector_and_the_features(arch: str) -> None:
    d, plain = networks(arch)[1], networks(arch, False)[1]
    features: list[torch.Tensor] = []
    d.linear.register_forward_pre_hook(lambda module, given: features.append(given[0]))
    x = torch.rand(10, 1, ARCHS[arch], ARCHS[arch])
    with torch.no_grad():
        logits = d(x, labels())
        expected = plain(x) + (features[0] * d.projection.weight[labels()]).sum(1)
        torch.testing.assert_close(logits, expected)
        assert not torch.allclose(logits, plain(x))
        d.projection.weight.zero_()
        assert torch.equal(d(x, labels()), plain(x))


@pytest.mark.parametrize("arch", ARCHS)
def test_a_fresh_generator_is_the_plain_one_whatever_the_class_and_another_once_scales_differ(arch: str) -> None:
    g, plain = networks(arch)[0], networks(arch, False)[0]
    z = torch.rand(10, 8)
    torch.testing.assert_close(g(z, labels()), plain(z), rtol=1e-4, atol=1e-5)
    norms = [m for m in g.modules() if isinstance(m, ConditionalBatchNorm)]
    assert len(norms) == sum(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in plain.modules()) > 0
    with torch.no_grad():
        norms[0].bias[1] += 1
    moved = (g(z, labels()) - plain(z)).flatten(1).abs().amax(1)
    assert (moved[labels() == 1] > 1e-2).all()


@pytest.mark.parametrize("plain", [nn.BatchNorm1d, nn.BatchNorm2d])
def test_with_equal_scales_and_biases_it_is_batch_norm(plain: Any) -> None:
    shape = (12, 3) if plain is nn.BatchNorm1d else (12, 3, 4, 4)
    x, y = torch.randn(shape).double() * 3 + 1, labels(12)
    one, by_class = plain(3, eps=1e-3).double(), ConditionalBatchNorm(plain, 3, 1e-3, CLASSES).double()
    with torch.no_grad():
        for name in ("weight", "bias"):
            values = torch.randn(3).double()
            getattr(one, name).copy_(values)
            getattr(by_class, name).copy_(values.expand(CLASSES, 3))
    torch.testing.assert_close(by_class(x, y), one(x))
    torch.testing.assert_close(by_class.norm.running_var, one.running_var)
    torch.testing.assert_close(by_class.eval()(x, y), one.eval()(x))


def test_each_sample_has_the_scale_and_the_bias_of_its_class() -> None:
    norm = ConditionalBatchNorm(nn.BatchNorm2d, 2, 1e-5, 2)
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([[1.0, 1.0], [2.0, 3.0]]))
        norm.bias.copy_(torch.tensor([[0.0, 0.0], [5.0, 7.0]]))
    x, y = torch.randn(6, 2, 3, 3), torch.tensor([0, 1, 0, 1, 1, 0])
    plain = norm(x, torch.zeros(6, dtype=torch.int64))
    expected = torch.where((y == 1)[:, None, None, None], plain * torch.tensor([2.0, 3.0]).view(1, 2, 1, 1), plain)
    expected[y == 1] += torch.tensor([5.0, 7.0]).view(1, 2, 1, 1)
    torch.testing.assert_close(norm(x, y), expected)


@pytest.mark.parametrize("arch", ARCHS)
def test_weights_that_both_have_start_equal_and_the_vectors_are_weights_of_d(arch: str) -> None:
    for conditional, plain in zip(networks(arch, norm="sn"), networks(arch, False, norm="sn"), strict=True):
        ours, theirs = dict(conditional.named_parameters()), dict(plain.named_parameters())
        shared = {k for k in ours.keys() & theirs.keys() if ours[k].shape == theirs[k].shape}
        assert any("conv" in k or "body" in k for k in shared)
        assert all(torch.equal(ours[k], theirs[k]) for k in shared)
    _, d = networks(arch, norm="sn")
    norm = d.projection.parametrizations.weight[0]  # type: ignore[union-attr, index]
    assert isinstance(norm, SpectralNorm) and norm.u.shape == (CLASSES,)  # as SNEmbedID in the paper's code
    assert not couples_samples(d) and couples_samples(networks(arch, norm="bn")[1])


def test_other_kinds_of_batch_norm_keep_the_classes() -> None:
    g, _ = networks("sndcgan")
    other = copy.deepcopy(g)
    use_population_variance(other)
    assert any(isinstance(m, PopulationBatchNorm2d) for m in other.modules())
    z = torch.rand(10, 8)
    assert torch.equal(other(z, labels()), g(z, labels()))


def test_a_network_at_labels_takes_several_times_the_batch() -> None:
    _, d = networks("sndcgan")
    x = torch.rand(20, 1, 16, 16)
    twice = AtLabels(d, labels())(x)
    torch.testing.assert_close(twice, torch.cat([d(x[:10], labels()), d(x[10:], labels())]))


def test_labels_are_drawn_as_frequent_as_they_are() -> None:
    known = torch.tensor([0] * 70 + [1] * 20 + [4] * 10)
    drawn = draw_labels(known, 10_000, torch.Generator().manual_seed(0))
    shares = drawn.bincount(minlength=5) / 10_000
    torch.testing.assert_close(shares, torch.tensor([0.7, 0.2, 0, 0, 0.1]), atol=0.02, rtol=0)


def test_a_picture_has_a_row_per_class() -> None:
    assert rows_of_classes(3).tolist() == [0] * 8 + [1] * 8 + [2] * 8
    assert rows_of_classes(1000).unique().tolist() == list(range(16))
