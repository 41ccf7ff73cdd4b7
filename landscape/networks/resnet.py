"""The study's residual architectures, ResNet19 and ResNet-CIFAR, with the variants found in other sources.

Kurach et al. (arXiv 1807.04720), table 4, and its code. `arch.shortcut`: `conv3` (the study: always a 3x3 convolution),
`conv1` (always 1x1) or `identity` (1x1 only if the shape changes: SNGAN). `arch.pool`: final mean (the study) or sum
(SNGAN) of the discriminator. `arch.upsample`: `zeros` (the study: each 2x2 cell gets one value and three zeros) or
`nearest`.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate

from landscape.config.schema import Arch
from landscape.networks.batch_layers import minibatch_layer
from landscape.networks.conditional import Layers, apply, project
from landscape.networks.layers import TruncatedConv2d, channels_at, g_norm2d
from landscape.networks.normalizers import MakeLayer

BN_EPS = 1e-5


def up_zeros(x: Tensor) -> Tensor:
    """Double the side: the value in the first pixel of each 2x2 cell, zeros in the others."""
    n, c, h, w = x.shape
    out = x.new_zeros(n, c, h, 2, w, 2)
    out[:, :, :, 0, :, 0] = x
    return out.reshape(n, c, 2 * h, 2 * w)


def up_nearest(x: Tensor) -> Tensor:
    """Double the side by repeating pixels."""
    return interpolate(x, scale_factor=2, mode="nearest")


def down(x: Tensor) -> Tensor:
    """2x2 average pooling. A single pixel is unchanged (TensorFlow's "same" pooling)."""
    return avg_pool2d(x, 2) if x.shape[-1] > 1 else x


UPSAMPLE = {"zeros": up_zeros, "nearest": up_nearest}


class Block(nn.Module):
    """Pre-activation block: norm, ReLU, (up,) 3x3, norm, ReLU, 3x3(, down), plus a shortcut from the block's input."""

    couples_samples = False
    takes_labels = True

    def __init__(
        self, before: int, after: int, arch: Arch, norm: MakeLayer, up: bool = False, pool: bool = False
    ) -> None:
        super().__init__()
        self.up = UPSAMPLE[arch.upsample or "zeros"] if up else None
        self.pool = pool
        self.norm1, self.conv1 = norm(before), TruncatedConv2d(before, after, 3, 1, 1)
        self.norm2, self.conv2 = norm(after), TruncatedConv2d(after, after, 3, 1, 1)
        kernel = {"conv3": 3, "conv1": 1, "identity": 1}[arch.shortcut or "conv3"]
        same = arch.shortcut == "identity" and before == after and not up and not pool
        self.shortcut = nn.Identity() if same else TruncatedConv2d(before, after, kernel, 1, kernel // 2)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """(batch, before, s, s) to (batch, after, t, t), where t is 2s if upsampling, s / 2 if pooling, else s."""
        h = apply(self.norm1, x, labels).relu()
        short = x
        if self.up is not None:
            h, short = self.up(h), self.up(short)
        h = self.conv2(apply(self.norm2, self.conv1(h), labels).relu())
        short = self.shortcut(short)
        return down(h) + down(short) if self.pool else h + short


class _Generator(nn.Module):
    """Linear to 4x4, blocks, norm, ReLU, 3x3 convolution to the image's channels, sigmoid."""

    def __init__(
        self, channels: int, latent_dim: int, arch: Arch, classes: int, first: int, plan: list[tuple[int, bool]]
    ) -> None:
        super().__init__()
        before = channels_at(arch.width, first)
        self.start = (before, 4, 4)
        self.linear = nn.Linear(latent_dim, before * 16)

        def norm(c: int) -> nn.Module:
            return g_norm2d(arch, c, BN_EPS, classes)

        blocks = []
        for width, up in plan:
            after = channels_at(arch.width, width)
            blocks.append(Block(before, after, arch, norm, up=up))
            before = after
        self.blocks = Layers(*blocks)
        self.norm = norm(before)
        self.out = TruncatedConv2d(before, channels, 3, 1, 1)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        h = self.blocks(self.linear(z).unflatten(1, self.start), labels)
        images: Tensor = self.out(apply(self.norm, h, labels).relu()).sigmoid()
        return images


class _Discriminator(nn.Module):
    """Blocks, ReLU, mean (or sum) over pixels, linear. Each block normalizes before both ReLUs."""

    couples_samples = False

    def __init__(self, channels: int, arch: Arch, norm: MakeLayer, classes: int, plan: list[tuple[int, bool]]) -> None:
        super().__init__()
        before, blocks = channels, []
        for width, pool in plan:
            after = channels_at(arch.width, width)
            blocks.append(Block(before, after, arch, norm, pool=pool))
            before = after
        self.blocks = nn.Sequential(*blocks)
        self.minibatch, features = minibatch_layer(arch, before)
        self.linear = nn.Linear(features, 1)
        self.projection = nn.Linear(before, classes, bias=False) if classes else None
        self.total = arch.pool == "sum"

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        h = self.blocks(x).relu()
        h = h.sum((2, 3)) if self.total else h.mean((2, 3))
        return project(lambda f: self.linear(self.minibatch(f)), self.projection, h, labels)


class ResNet19Generator(_Generator):
    """Latents to images of 4 to 128 pixels (powers of two). The first log2(size / 4) of five blocks upsample."""

    def __init__(self, size: int, channels: int, latent_dim: int, arch: Arch, classes: int = 0) -> None:
        ups = (size // 4).bit_length() - 1
        assert 4 * 2**ups == size and ups <= 5, "checked at planning"
        plan = [(width, i < ups) for i, width in enumerate((512, 256, 256, 128, 64))]
        super().__init__(channels, latent_dim, arch, classes, 512, plan)


class ResNet19Discriminator(_Discriminator):
    """Images to logits. Six pooling blocks; at 32 pixels the last one receives a single pixel."""

    def __init__(self, size: int, channels: int, arch: Arch, norm: MakeLayer, classes: int = 0) -> None:
        super().__init__(channels, arch, norm, classes, [(width, True) for width in (64, 128, 256, 256, 512, 512)])


class ResNetCIFARGenerator(_Generator):
    """Latents to 32x32 images: three upsampling blocks of 256."""

    def __init__(self, size: int, channels: int, latent_dim: int, arch: Arch, classes: int = 0) -> None:
        assert size == 32, "checked at planning"
        super().__init__(channels, latent_dim, arch, classes, 256, [(256, True)] * 3)


class ResNetCIFARDiscriminator(_Discriminator):
    """32x32 images to logits: four blocks of 128, the first two pool."""

    def __init__(self, size: int, channels: int, arch: Arch, norm: MakeLayer, classes: int = 0) -> None:
        assert size == 32, "checked at planning"
        super().__init__(channels, arch, norm, classes, [(128, True), (128, True), (128, False), (128, False)])
