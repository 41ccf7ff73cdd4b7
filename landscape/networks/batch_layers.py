"""Layers by which a discriminator sees a batch and not single images: `arch.minibatch`, `arch.symmetric`, `arch.pack`.

In training they see the batch of all devices. In inference they see what they are given, which should be batches of
that size: the features of `discrimination` grow with it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from landscape import distributed
from landscape.config.registry import lookup
from landscape.config.schema import Arch
from landscape.config.validation import GROUP

ROWS, COLUMNS = 100, 5  # of minibatch discrimination's matrix per image
FLOOR = 1e-8  # added to a variance


class MinibatchDiscrimination(nn.Module):
    """Features f (batch, features) to [f, o] with o_b(i) = sum over j != i of exp(-||M_ib - M_jb||_1), M = f T.

    Salimans et al. (arXiv 1606.03498), section 3.2, with T of (features, rows, columns). The term j = i is left out, as
    in the authors' code; their weight normalization of T and bias of o are not used.
    """

    couples_samples = True

    def __init__(self, features: int, rows: int = ROWS, columns: int = COLUMNS) -> None:
        super().__init__()
        self.shape = (rows, columns)
        self.project = nn.Linear(features, rows * columns, bias=False)

    def forward(self, f: Tensor) -> Tensor:
        """(batch, features) to (batch, features + rows)."""
        own = self.project(f).float().unflatten(1, self.shape)
        every = distributed.gathered(own) if self.training else own
        distance = own.new_zeros(())
        for k in range(self.shape[1]):  # one at a time: all at once need as many times the memory
            distance = distance + (own[:, None, :, k] - every[None, :, :, k]).abs()
        return torch.cat([f, (-distance).exp().sum(1) - 1], 1)


class MinibatchStddev(nn.Module):
    """Features f (batch, features) to [f, s]: the standard deviation over a group of 4, averaged over the features.

    Karras et al. (arXiv 1710.10196), section 3, as in their code: of n images, i, i + n/4, i + 2n/4 and i + 3n/4 are a
    group; population variance, plus 1e-8. There s is another channel at 4x4 pixels, here another feature.
    """

    couples_samples = True

    def forward(self, f: Tensor) -> Tensor:
        """(batch, features) to (batch, features + 1). The batch is at most 4, or a multiple of 4."""
        every = distributed.gathered(f) if self.training else f
        size = min(GROUP, len(every))
        groups = every.float().unflatten(0, (size, len(every) // size))
        spread = (groups.var(0, correction=0) + FLOOR).sqrt().mean(1).repeat(size)
        own = distributed.local_rows(spread) if self.training else spread
        return torch.cat([f, own[:, None]], 1)


# name: the layer for a number of features, and how many features it adds
MINIBATCH: dict[str, tuple[Callable[[int], nn.Module], int]] = {
    "none": (lambda features: nn.Identity(), 0),
    "discrimination": (MinibatchDiscrimination, ROWS),
    "stddev": (lambda features: MinibatchStddev(), 1),
}


def minibatch_layer(arch: Arch, features: int) -> tuple[nn.Module, int]:
    """The layer before D's last one, from (batch, features), and the number of features that it returns."""
    make, more = lookup("arch.minibatch", arch.minibatch or "none", MINIBATCH)
    return make(features), features + more


class SymmetricConv(nn.Module):
    """y_i = W * x_i + V * mean_j x_j + b: a convolution that also sees the mean of the batch.

    After Lucas et al. (arXiv 1806.07185), whose layer is known in words only; the form is that of Zaheer et al. (arXiv
    1703.06114), section 3. The mean is over all images, x_i included, at each position. V acts on one averaged image.
    """

    couples_samples = True

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.own, self.pooled = conv, copy.deepcopy(conv)
        self.pooled.bias = None

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, h, w) to what the convolution returns."""
        mean = x.mean(0, keepdim=True)
        if self.training:
            mean = distributed.gathered(mean).mean(0, keepdim=True)
        y: Tensor = self.own(x) + self.pooled(mean)
        return y


def make_symmetric(network: nn.Module) -> None:
    """Replace every convolution inside `network` by a `SymmetricConv`, in place."""
    for name, layer in network.named_children():
        if isinstance(layer, nn.Conv2d):
            setattr(network, name, SymmetricConv(layer))
        else:
            make_symmetric(layer)


class Packed(nn.Module):
    """A discriminator of `pack` consecutive images, joined over channels: images (n, ...) to logits (n / pack,).

    Lin et al., "PacGAN" (arXiv 1712.04086). Batches of one kind make packs of one kind.
    """

    couples_samples = True

    def __init__(self, d: nn.Module, pack: int) -> None:
        super().__init__()
        self.d, self.pack = d, pack

    def forward(self, x: Tensor) -> Tensor:
        """Images (n, channels, h, w), with n a multiple of `pack`, to logits (n / pack,)."""
        n, channels, *sides = x.shape
        logits: Tensor = self.d(x.reshape(n // self.pack, self.pack * channels, *sides))
        return logits
