"""Multilayer perceptron for 2-D points: three hidden layers of 128 units at width 1, as 1x1 convolutions.

Convolutions let every normalizer and penalty apply unchanged.
"""

from __future__ import annotations

from torch import Tensor, nn

from landscape.config.schema import Arch
from landscape.networks.batch_layers import minibatch_layer
from landscape.networks.layers import channels_at, g_norm2d
from landscape.networks.normalizers import MakeLayer

HIDDEN, LAYERS = 128, 3
SLOPE = 0.2
BN_EPS = 1e-5


class MLPGenerator(nn.Module):
    """Latents (batch, latent_dim) to points (batch, channels, 1, 1). Data are in [0, 1]; outputs are not bounded."""

    def __init__(self, size: int, channels: int, latent_dim: int, arch: Arch) -> None:
        super().__init__()
        assert size == 1, "checked at planning"
        h = channels_at(arch.width, HIDDEN)
        layers: list[nn.Module] = []
        before = latent_dim
        for _ in range(LAYERS):
            layers += [nn.Conv2d(before, h, 1), g_norm2d(arch, h, BN_EPS), nn.ReLU()]
            before = h
        self.body = nn.Sequential(*layers, nn.Conv2d(before, channels, 1))

    def forward(self, z: Tensor) -> Tensor:
        """Latents (batch, latent_dim) to points (batch, channels, 1, 1)."""
        points: Tensor = (self.body(z[:, :, None, None]) + 1) / 2
        return points


class MLPDiscriminator(nn.Module):
    """Points (batch, channels, 1, 1) to logits (batch,); normalization after hidden layers 2 and 3."""

    couples_samples = False

    def __init__(self, size: int, channels: int, arch: Arch, norm: MakeLayer) -> None:
        super().__init__()
        assert size == 1, "checked at planning"
        h = channels_at(arch.width, HIDDEN)
        layers: list[nn.Module] = []
        before = channels
        for i in range(LAYERS):
            layers += [nn.Conv2d(before, h, 1), norm(h) if i else nn.Identity(), nn.LeakyReLU(SLOPE)]
            before = h
        self.body = nn.Sequential(*layers)
        self.minibatch, features = minibatch_layer(arch, h)
        self.linear = nn.Linear(features, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Points (batch, channels, 1, 1) to logits (batch,)."""
        logits: Tensor = self.linear(self.minibatch(self.body(2 * x - 1).flatten(1))).squeeze(1)
        return logits
