"""Discriminator accuracy on training, test and fake images. A gap between training and test shows overfitting.

D sees images in [0, 1] as in training, in inference mode, and its state is unchanged. (The study's code feeds it images
of another range.)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import repeat
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from landscape.losses.adversarial import Loss
from landscape.metrics.extractors import BATCH
from landscape.metrics.networks_under_test import NetworksUnderTest, inference
from landscape.metrics.reference_stats import subsample
from landscape.metrics.row_values import Value
from landscape.networks.conditional import at_labels

if TYPE_CHECKING:
    from landscape.metrics.evaluator import ScoringInput


Batches = Iterable[tuple[Tensor, Tensor | None]]  # images in [0, 1], and their labels for a conditional D


def logits(d: nn.Module, batches: Batches) -> Tensor:
    """D's outputs (n,). Call it inside `inference(d)`."""
    with parametrize.cached():
        return torch.cat(
            [at_labels(d, y)(x.contiguous(memory_format=torch.channels_last)).flatten() for x, y in batches]
        )


def discriminator_stats(train: Tensor, test: Tensor, fake: Tensor, loss: Loss) -> dict[str, Value]:
    """Accuracies, losses and mean logits from logits (n,) of equally many train, test and fake images.

    Real images count as correct above the loss's threshold, fakes below it. The loss is D's own on (train, fake) and
    (test, fake), without the penalty.
    """
    found: dict[str, Value] = {}
    for name, values in (("train", train), ("test", test), ("fake", fake)):
        right = None
        if loss.threshold is not None:
            right = values < loss.threshold if name == "fake" else values > loss.threshold
        found[f"d_acc_{name}"] = "the loss has no decision threshold" if right is None else right.float().mean().item()
        found[f"d_logit_{name}"] = values.double().mean().item()
    found["d_loss_train"] = loss.d(train, fake).item()
    found["d_loss_test"] = loss.d(test, fake).item()
    return found


def score_discriminator(networks: NetworksUnderTest, s: ScoringInput) -> Mapping[str, Value]:
    """`discriminator_stats` on equally many images of each set: as many as the smallest has.

    A D that judges images together gets whole batches, of the size of those in training, each of one set.
    """
    seed = s.request.seed
    assert networks.d is not None and networks.loss is not None  # because it needs "discriminator"
    size, whole = networks.batch or BATCH, networks.batch or 1
    n = min(len(s.data.rows("train")), len(s.data.rows("test")), len(networks.latents)) // whole * whole
    if not n:
        return {"d_acc_test": f"D judges {whole} images together, and there are fewer train, test or fake images"}

    def split(labels: Tensor | None) -> Iterable[Tensor | None]:
        return repeat(None) if labels is None else labels.split(size)

    def real(part: str) -> Batches:
        rows = s.data.rows(part)
        rows = rows[subsample(len(rows), n, seed)]
        images = (batch / 255 for batch in s.data.images(rows).split(size))
        known = None if networks.labels is None else torch.from_numpy(s.data.labels[rows]).to(networks.labels.device)
        return zip(images, split(known), strict=False)

    with inference(networks.g, networks.d):
        latents, asked = networks.latents[:n].split(size), None if networks.labels is None else networks.labels[:n]
        fakes = ((at_labels(networks.g, y)(z), y) for z, y in zip(latents, split(asked), strict=False))
        train, test, fake = (logits(networks.d, x) for x in (real("train"), real("test"), fakes))
        return discriminator_stats(train, test, fake, networks.loss)


def d_accuracy(s: ScoringInput) -> Mapping[str, Value]:
    """Columns d_acc_*, d_logit_* of train, test and fake, and d_loss_train, d_loss_test."""
    assert s.networks is not None  # because it needs "networks"
    if not len(s.data.rows("test")):
        return {"d_acc_test": "the data have no test images"}
    return score_discriminator(s.networks, s)
