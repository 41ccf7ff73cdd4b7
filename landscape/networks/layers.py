"""Small pieces that several networks share."""

from __future__ import annotations

from torch import Generator, Tensor, nn

from landscape.config.registry import lookup
from landscape.config.schema import Arch


def channels_at(width: float, channels: int) -> int:
    """A channel count at a width multiplier, never under one."""
    return max(1, round(width * channels))


def g_norm1d(arch: Arch, features: int, epsilon: float) -> nn.Module:
    """The generator's normalization of a flat layer: `arch.g_norm` is bn, or none (a question of the WGAN paper)."""
    make = lookup("arch.g_norm", arch.g_norm or "bn", {"bn": nn.BatchNorm1d, "none": None})
    return nn.Identity() if make is None else make(features, eps=epsilon)


def g_norm2d(arch: Arch, channels: int, epsilon: float) -> nn.Module:
    """The same of a convolution's output."""
    make = lookup("arch.g_norm", arch.g_norm or "bn", {"bn": nn.BatchNorm2d, "none": None})
    return nn.Identity() if make is None else make(channels, eps=epsilon)


class TruncatedConv2d(nn.Conv2d):
    """A convolution of ResNets and DCGAN: the study's code truncates its initial weights at two deviations."""

    couples_samples = False

    def initialise(self, std: float, rng: Generator) -> None:
        """Weights ~ N(0, std) within two deviations, biases 0."""
        nn.init.trunc_normal_(self.weight, 0.0, std, -2 * std, 2 * std, generator=rng)
        if self.bias is not None:
            nn.init.zeros_(self.bias)


class SamePad(nn.Module):
    """Pads for a 5x5 kernel at stride 2 as TensorFlow's "same": one pixel before, two after (sides even)."""

    couples_samples = False

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, h, w) to (batch, channels, h + 3, w + 3), zeros around."""
        return nn.functional.pad(x, (1, 2, 1, 2))


class SameConvTranspose2d(nn.ConvTranspose2d):
    """The transposed convolution that belongs to `SamePad` and a 5x5 kernel at stride 2: it doubles the side.

    Torch pads both sides alike (one pixel, as it must be made); of TensorFlow's two pixels after the image one is left.
    """

    couples_samples = False

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        """Maps (batch, channels, h, w) to (batch, out channels, 2h, 2w)."""
        return super().forward(x, output_size)[..., :-1, :-1]
