"""Class-conditional networks: batch norm with a scale and a bias per class in G, a projection of the class in D.

Miyato and Koyama, "cGANs with Projection Discriminator" (arXiv 1802.05637). A conditional network is called with images
or latents and with labels, int64 (batch,).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Generator, Tensor, nn

ROWS, ROW = 16, 8  # of a picture of samples by class: most rows, and samples in a row


class ConditionalBatchNorm(nn.Module):
    """Batch norm whose scale and bias are those of a sample's class; the statistics are shared by all classes.

    They start at 1 and 0, as in the paper's code. `plain` makes the batch norm, nn.BatchNorm1d or nn.BatchNorm2d.
    """

    takes_labels = True

    def __init__(
        self, plain: type[nn.BatchNorm1d | nn.BatchNorm2d], features: int, epsilon: float, classes: int
    ) -> None:
        super().__init__()
        self.norm = plain(features, eps=epsilon, affine=False)
        self.weight = nn.Parameter(torch.ones(classes, features))
        self.bias = nn.Parameter(torch.zeros(classes, features))

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        """(batch, features, ...) of these classes (batch,), normalized."""
        shape = [*x.shape[:2], *[1] * (x.ndim - 2)]
        h: Tensor = self.norm(x)
        return (h * self.weight[labels].view(shape) + self.bias[labels].view(shape)).to(h.dtype)


class Layers(nn.Sequential):
    """An nn.Sequential that hands the labels to the layers that take them."""

    def forward(self, x: Any, labels: Tensor | None = None) -> Any:
        """The output of the last layer."""
        for layer in self:
            x = apply(layer, x, labels)
        return x


def apply(layer: nn.Module, x: Tensor, labels: Tensor | None) -> Tensor:
    """A layer's output. Only layers that normalize by class, or contain such layers, get the labels."""
    output: Tensor = layer(x, labels) if getattr(layer, "takes_labels", False) else layer(x)
    return output


def project(psi: Callable[[Tensor], Tensor], vectors: nn.Module | None, h: Tensor, labels: Tensor | None) -> Tensor:
    """D's logits (batch,): psi(h) + <v_y, h> with a vector v_y per class (arXiv 1802.05637, eq. 3), of features h.

    The vectors are the rows of a linear layer without bias, so that spectral normalization, l2 and initialization treat
    them as D's other weights, as the paper's code does (`SNEmbedID`). Without `vectors` it is psi alone.
    """
    logits: Tensor = psi(h).squeeze(1)
    if vectors is None:
        return logits
    assert labels is not None, "a conditional network is called with labels"
    products: Tensor = vectors(h)
    return logits + products.gather(1, labels[:, None]).squeeze(1)


class AtLabels(nn.Module):
    """A network at the labels of a batch: a function of its other input alone.

    That may be several times the batch, such as real images followed by fakes of the same labels.
    """

    couples_samples = False

    def __init__(self, network: nn.Module, labels: Tensor) -> None:
        super().__init__()
        self.network, self.labels = network, labels

    def forward(self, x: Tensor) -> Tensor:
        """The network's output for `x` (k * batch, ...)."""
        output: Tensor = self.network(x, self.labels.repeat(len(x) // len(self.labels)))
        return output


def at_labels(network: nn.Module, labels: Tensor | None) -> nn.Module:
    """A network as a function of its other input: the network itself without labels, or `AtLabels`."""
    return network if labels is None else AtLabels(network, labels)


def draw_labels(labels: Tensor, n: int, rng: Generator) -> Tensor:
    """Labels (n,) for samples: those of random training images, so classes are as frequent as in the data.

    As in StyleGAN2-ADA's code (arXiv 2006.06676). `labels` are all training images' labels; drawn on the CPU.
    """
    return labels[torch.randint(len(labels), (n,), generator=rng)]


def rows_of_classes(classes: int) -> Tensor:
    """Labels for a picture with a row per class, at most `ROWS` of them."""
    return torch.arange(min(classes, ROWS)).repeat_interleave(ROW)
