"""Layers shared by several networks."""

from __future__ import annotations

from torch import Generator, Tensor, nn

from landscape.config.registry import lookup
from landscape.config.schema import Arch
from landscape.networks.conditional import ConditionalBatchNorm


def channels_at(width: float, channels: int) -> int:
    """A channel count times the width multiplier, rounded, at least 1."""
    return max(1, round(width * channels))


def g_norm1d(arch: Arch, features: int, epsilon: float, classes: int = 0) -> nn.Module:
    """The generator's normalization after a linear layer: `arch.g_norm` is bn or none. By class if there are
    classes."""
    return _g_norm(nn.BatchNorm1d, arch, features, epsilon, classes)


def g_norm2d(arch: Arch, channels: int, epsilon: float, classes: int = 0) -> nn.Module:
    """The generator's normalization after a convolution."""
    return _g_norm(nn.BatchNorm2d, arch, channels, epsilon, classes)


def _g_norm(
    plain: type[nn.BatchNorm1d | nn.BatchNorm2d], arch: Arch, features: int, epsilon: float, classes: int
) -> nn.Module:
    make = lookup("arch.g_norm", arch.g_norm or "bn", {"bn": plain, "none": None})
    if make is None:
        return nn.Identity()
    return ConditionalBatchNorm(make, features, epsilon, classes) if classes else make(features, eps=epsilon)


class TruncatedConv2d(nn.Conv2d):
    """Convolution with truncated normal initialization, as in the study's ResNets and DCGAN."""

    couples_samples = False

    def initialize(self, std: float, rng: Generator) -> None:
        """Weights ~ N(0, std) truncated at two standard deviations, biases 0."""
        nn.init.trunc_normal_(self.weight, 0.0, std, -2 * std, 2 * std, generator=rng)
        if self.bias is not None:
            nn.init.zeros_(self.bias)


class SamePad(nn.Module):
    """TensorFlow's "same" padding for a 5x5 kernel at stride 2 and even sides: 1 pixel before, 2 after."""

    couples_samples = False

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, h, w) to (batch, channels, h + 3, w + 3), padded with zeros."""
        return nn.functional.pad(x, (1, 2, 1, 2))


class SameConvTranspose2d(nn.ConvTranspose2d):
    """Transposed counterpart of `SamePad` with a 5x5 kernel at stride 2: doubles the side.

    Create it with padding 1. torch pads both sides equally, so the last row and column are cut off to match TensorFlow.
    """

    couples_samples = False

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        """(batch, channels, h, w) to (batch, out channels, 2h, 2w)."""
        return super().forward(x, output_size)[..., :-1, :-1]
