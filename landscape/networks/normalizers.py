"""The discriminator's normalizers, by name: layers that a network places, or a change of its weights.

Adding one is a row of `NORMALIZERS` and a file in `conf/norm`; `tests/landscape/networks/test_spectral.py` keeps the
two equal and `tests/landscape/training/test_combinations.py` trains it with every other choice. A layer that is not
torch's own declares `couples_samples` (below). Where in a network the layers stand is the network's own business (the
study places them differently in each).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Generator, nn

from landscape.config.registry import lookup
from landscape.config.schema import Norm
from landscape.networks.spectral_norm import add_spectral_norm

MakeLayer = Callable[[int], nn.Module]  # from a channel count to the layer that stands there


class Normalizer(NamedTuple):
    """`layer(norm, channels)` stands where a network places normalization; `spectral` divides its weights."""

    layer: Callable[[Norm, int], nn.Module] | None = None
    spectral: bool = False


def batch(norm: Norm, channels: int) -> nn.Module:
    """Batch normalization (arXiv 1502.03167), decay 0.9, scale and offset."""
    assert norm.epsilon is not None
    return nn.BatchNorm2d(channels, eps=norm.epsilon)


def layer(norm: Norm, channels: int) -> nn.Module:
    """Layer normalization as TensorFlow's: statistics over (channels, h, w) of a sample, affine per channel."""
    assert norm.epsilon is not None
    return nn.GroupNorm(1, channels, eps=norm.epsilon)


NORMALIZERS: dict[str, Normalizer] = {
    "none": Normalizer(),
    "bn": Normalizer(batch),
    "ln": Normalizer(layer),
    "sn": Normalizer(spectral=True),
}


def get_normalizer(kind: str | None) -> Normalizer:
    """The normalizer called `kind` (null is none); raises `UserError` naming the known ones."""
    return lookup("norm.kind", kind or "none", NORMALIZERS)


def layers(norm: Norm) -> MakeLayer:
    """What a network puts where it places normalization."""
    make = get_normalizer(norm.kind).layer
    return (lambda channels: nn.Identity()) if make is None else (lambda channels: make(norm, channels))


def normalize_weights(network: nn.Module, norm: Norm, rng: Generator) -> None:
    """Spectral normalization of every convolution and linear layer, where `norm` asks for it; in place."""
    if get_normalizer(norm.kind).spectral:
        assert norm.epsilon is not None
        add_spectral_norm(network, norm.epsilon, rng)


# Torch's layers look at a sample by itself, all but this family (ours of several devices is one of it).
nn.modules.batchnorm._BatchNorm.couples_samples = True  # type: ignore[attr-defined]


def couples_samples(d: nn.Module) -> bool:
    """Whether a discriminator's logits depend on the rest of their batch, as its layers declare by `couples_samples`.

    An undeclared layer of torch does not couple them; anyone else's is taken to. If that is wrong, D's real and fake
    images take two passes where one would do; the other mistake would show D their mixture without a word.
    """
    return any(getattr(layer, "couples_samples", not _is_torchs(layer)) for layer in d.modules())


def _is_torchs(layer: nn.Module) -> bool:
    return type(layer).__module__.startswith("torch.nn.")
