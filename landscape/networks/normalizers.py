"""Normalizers of the discriminator by name: layers that a network places, or a reparametrization of its weights.

A new one needs a row of `NORMALIZERS` and a file in `conf/norm`. `tests/landscape/networks/test_spectral.py` checks
that they agree, and `tests/landscape/training/test_combinations.py` trains it with every other choice. A layer that is
not torch's own must declare `couples_samples` (below). Each network decides where its layers go.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Generator, nn

from landscape.config.registry import lookup
from landscape.config.schema import Norm
from landscape.networks.spectral_norm import add_spectral_norm

MakeLayer = Callable[[int], nn.Module]  # channel count -> normalization layer


class Normalizer(NamedTuple):
    """`layer(norm, channels)` makes a normalization layer; `spectral` normalizes the weights instead."""

    layer: Callable[[Norm, int], nn.Module] | None = None
    spectral: bool = False


def batch_norm(norm: Norm, channels: int) -> nn.Module:
    """Batch normalization (arXiv 1502.03167), decay 0.9, with scale and bias."""
    assert norm.epsilon is not None
    return nn.BatchNorm2d(channels, eps=norm.epsilon)


def layer_norm(norm: Norm, channels: int) -> nn.Module:
    """Layer normalization as in TensorFlow: statistics over (channels, h, w) of a sample, affine per channel."""
    assert norm.epsilon is not None
    return nn.GroupNorm(1, channels, eps=norm.epsilon)


NORMALIZERS: dict[str, Normalizer] = {
    "none": Normalizer(),
    "bn": Normalizer(batch_norm),
    "ln": Normalizer(layer_norm),
    "sn": Normalizer(spectral=True),
}


def get_normalizer(kind: str | None) -> Normalizer:
    """The normalizer named `kind` (null is none). Raises `UserError` with the legal names."""
    return lookup("norm.kind", kind or "none", NORMALIZERS)


def layer_factory(norm: Norm) -> MakeLayer:
    """The function that makes D's normalization layers; identities for none and spectral normalization."""
    make = get_normalizer(norm.kind).layer
    return (lambda channels: nn.Identity()) if make is None else (lambda channels: make(norm, channels))


def normalize_weights(network: nn.Module, norm: Norm, rng: Generator) -> None:
    """Add spectral normalization to every convolution and linear layer if `norm` asks for it, in place."""
    if get_normalizer(norm.kind).spectral:
        assert norm.epsilon is not None
        add_spectral_norm(network, norm.epsilon, rng)


# Of torch's layers only batch norms couple samples (ours derive from them).
nn.modules.batchnorm._BatchNorm.couples_samples = True  # type: ignore[attr-defined]


def couples_samples(d: nn.Module, training: bool = True) -> bool:
    """Whether a logit of `d` depends on other samples of the batch, as declared by its layers' `couples_samples`.

    Undeclared layers count as independent if they are torch's own, else as coupling. A wrong "coupling" only costs
    time: real and fake images take separate passes. A wrong "independent" would mix them silently. In inference
    (`training=False`) batch norms use running statistics and couple nothing.
    """
    layers = [m for m in d.modules() if training or not isinstance(m, nn.modules.batchnorm._BatchNorm)]
    return any(getattr(layer, "couples_samples", not _is_torchs(layer)) for layer in layers)


def _is_torchs(layer: nn.Module) -> bool:
    return type(layer).__module__.startswith("torch.nn.")
