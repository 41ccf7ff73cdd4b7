"""SNDCGAN for sizes divisible by 8, any channel count and width.

Miyato et al. (arXiv 1802.05957), table 3, as in the study's code: LeakyReLU slope 0.1, batch norm on the flat output of
the generator's linear layer, images in [0, 1] outside both networks. At width 1 and 32x32x3 the generator has 3,828,739
parameters, the discriminator 5,860,865.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from landscape.config.schema import Arch
from landscape.networks.batch_layers import minibatch_layer
from landscape.networks.conditional import Layers, apply, project
from landscape.networks.layers import channels_at, g_norm1d, g_norm2d
from landscape.networks.normalizers import MakeLayer

SLOPE = 0.1
BN_EPS = 2e-5  # the study's code; decay 0.9 is torch's momentum 0.1


class SNDCGANGenerator(nn.Module):
    """Latents (batch, latent_dim) to images (batch, channels, size, size) in [0, 1]; of given classes if it has any."""

    def __init__(self, size: int, channels: int, latent_dim: int, arch: Arch, classes: int = 0) -> None:
        super().__init__()
        assert size >= 8 and size % 8 == 0, "checked at planning: the size is divisible by 8"
        c = [channels_at(arch.width, n) for n in (512, 256, 128, 64)]
        self.start = (c[0], size // 8, size // 8)
        flat = c[0] * (size // 8) ** 2
        self.linear = nn.Linear(latent_dim, flat)
        self.norm = g_norm1d(arch, flat, BN_EPS, classes)
        layers: list[nn.Module] = []
        for before, after in pairwise(c):
            layers += [nn.ConvTranspose2d(before, after, 4, 2, 1), g_norm2d(arch, after, BN_EPS, classes), nn.ReLU()]
        self.body = Layers(*layers, nn.ConvTranspose2d(c[-1], channels, 3, 1, 1))

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Latents (batch, latent_dim) to images (batch, channels, size, size) in [0, 1]."""
        h = apply(self.norm, self.linear(z), labels).relu().unflatten(1, self.start)
        images: Tensor = (self.body(h, labels).tanh() + 1) / 2
        return images


class SNDCGANDiscriminator(nn.Module):
    """Images (batch, channels, size, size) in [0, 1] to logits (batch,).

    BN and LN follow convolutions 2 to 7, before the activation, as in chainer-gan-lib. The study's code does not
    support them here.
    """

    couples_samples = False

    def __init__(self, size: int, channels: int, arch: Arch, norm: MakeLayer, classes: int = 0) -> None:
        super().__init__()
        assert size >= 8 and size % 8 == 0, "checked at planning: the size is divisible by 8"
        c64, c128, c256, c512 = (channels_at(arch.width, n) for n in (64, 128, 256, 512))
        plan = [  # (out channels, kernel, stride); padding 1 is "same" for both kernels
            (c64, 3, 1), (c128, 4, 2), (c128, 3, 1), (c256, 4, 2), (c256, 3, 1), (c512, 4, 2), (c512, 3, 1),
        ]  # fmt: skip
        layers: list[nn.Module] = []
        before = channels
        for i, (after, kernel, stride) in enumerate(plan):
            layers += [
                nn.Conv2d(before, after, kernel, stride, 1),
                norm(after) if i else nn.Identity(),
                nn.LeakyReLU(SLOPE),
            ]
            before = after
        self.body = nn.Sequential(*layers)
        features = c512 * (size // 8) ** 2
        self.minibatch, seen = minibatch_layer(arch, features)
        self.linear = nn.Linear(seen, 1)
        self.projection = nn.Linear(features, classes, bias=False) if classes else None

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Images (batch, channels, size, size) in [0, 1] to logits (batch,)."""
        h = self.body(2 * x - 1).flatten(1)
        return project(lambda f: self.linear(self.minibatch(f)), self.projection, h, labels)
