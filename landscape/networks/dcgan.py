"""DCGAN for sizes divisible by 16, as in the study's code: 5x5 kernels, stride 2, TensorFlow's "same" padding.

Radford et al. (arXiv 1511.06434). At width 1 and 32x32x3 the generator has 4,572,163 parameters, the discriminator
4,308,609. The discriminator takes images in [0, 1] without rescaling and starts from truncated normal weights. With
inputs 2x - 1 and plain normal weights, its initial gradient would be 3.3 times as large, and a penalty strength would
mean something else.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from landscape.config.schema import Arch
from landscape.networks.batch_layers import minibatch_layer
from landscape.networks.layers import SameConvTranspose2d, SamePad, TruncatedConv2d, channels_at, g_norm2d
from landscape.networks.normalizers import MakeLayer

SLOPE = 0.2
BN_EPS = 1e-5


class DCGANGenerator(nn.Module):
    """Latents (batch, latent_dim) to images (batch, channels, size, size) in [0, 1]."""

    def __init__(self, size: int, channels: int, latent_dim: int, arch: Arch) -> None:
        super().__init__()
        assert size >= 16 and size % 16 == 0, "checked at planning: the size is divisible by 16"
        c = [channels_at(arch.width, n) for n in (512, 256, 128, 64)]
        self.start = (c[0], size // 16, size // 16)
        self.linear = nn.Linear(latent_dim, c[0] * (size // 16) ** 2)
        self.norm = g_norm2d(arch, c[0], BN_EPS)
        layers: list[nn.Module] = []
        for before, after in pairwise([*c, channels]):
            layers.append(SameConvTranspose2d(before, after, 5, 2, 1))
            if len(layers) < 9:
                layers += [g_norm2d(arch, after, BN_EPS), nn.ReLU()]
        self.body = nn.Sequential(*layers)

    def forward(self, z: Tensor) -> Tensor:
        """Latents (batch, latent_dim) to images (batch, channels, size, size) in [0, 1]."""
        h = self.norm(self.linear(z).unflatten(1, self.start)).relu()
        images: Tensor = (self.body(h).tanh() + 1) / 2
        return images


class DCGANDiscriminator(nn.Module):
    """Images (batch, channels, size, size) in [0, 1] to logits (batch,); normalization after convolutions 2 to 4."""

    couples_samples = False

    def __init__(self, size: int, channels: int, arch: Arch, norm: MakeLayer) -> None:
        super().__init__()
        assert size >= 16 and size % 16 == 0, "checked at planning: the size is divisible by 16"
        c = [channels, *(channels_at(arch.width, n) for n in (64, 128, 256, 512))]
        layers: list[nn.Module] = []
        for i, (before, after) in enumerate(pairwise(c)):
            layers += [
                SamePad(),
                TruncatedConv2d(before, after, 5, 2),
                norm(after) if i else nn.Identity(),
                nn.LeakyReLU(SLOPE),
            ]
        self.body = nn.Sequential(*layers)
        self.minibatch, features = minibatch_layer(arch, c[-1] * (size // 16) ** 2)
        self.linear = nn.Linear(features, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Images (batch, channels, size, size) in [0, 1] to logits (batch,)."""
        logits: Tensor = self.linear(self.minibatch(self.body(x).flatten(1))).squeeze(1)
        return logits
