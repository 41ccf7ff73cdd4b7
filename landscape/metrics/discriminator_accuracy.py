"""What the discriminator makes of training, test and fake images: one that knows its training images has memorised.

The study's code reports the like, but on images of another scale than the networks were trained on; here D sees
what the training loop shows it (in [0, 1]), in inference mode, with no trace left in its state.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from landscape.losses.adversarial import Loss
from landscape.metrics.extractors import BATCH
from landscape.metrics.networks_under_test import Subject, inference
from landscape.metrics.reference_stats import some
from landscape.metrics.row_values import Value

if TYPE_CHECKING:
    from landscape.metrics.evaluator import Sample


def logits(d: nn.Module, batches: Iterable[Tensor]) -> Tensor:
    """D's outputs (n,) on batches of images in [0, 1]; call it inside `inference(d)`."""
    with parametrize.cached():
        return torch.cat([d(batch.contiguous(memory_format=torch.channels_last)).flatten() for batch in batches])


def verdicts(train: Tensor, test: Tensor, fake: Tensor, loss: Loss) -> dict[str, Value]:
    """Accuracies, losses and mean logits from logits (n,), one count for all three.

    Real counts as recognised above the loss's threshold, fake below it. The loss is D's own, on (train, fake)
    and on (test, fake), without the penalty.
    """
    found: dict[str, Value] = {}
    for name, values in (("train", train), ("test", test), ("fake", fake)):
        right = None
        if loss.threshold is not None:
            right = values < loss.threshold if name == "fake" else values > loss.threshold
        found[f"d_acc_{name}"] = (
            "the loss sets no logit at which D is undecided" if right is None else right.float().mean().item()
        )
        found[f"d_logit_{name}"] = values.double().mean().item()
    found["d_loss_train"] = loss.d(train, fake).item()
    found["d_loss_test"] = loss.d(test, fake).item()
    return found


def judged(subject: Subject, s: Sample) -> Mapping[str, Value]:
    """`verdicts` on as many training, test and fake images as the smallest of the three sets has."""
    seed = s.request.seed
    assert subject.d is not None and subject.loss is not None  # its descriptor says so
    n = min(len(s.data.rows("train")), len(s.data.rows("test")), len(subject.latents))

    def real(part: str) -> Iterator[Tensor]:
        rows = s.data.rows(part)
        return (batch / 255 for batch in s.data.images(rows[some(len(rows), n, seed)]).split(BATCH))

    with inference(subject.g, subject.d):
        fakes = (subject.g(z) for z in subject.latents[:n].split(BATCH))
        train, test, fake = (logits(subject.d, x) for x in (real("train"), real("test"), fakes))
        return verdicts(train, test, fake, subject.loss)


def d_accuracy(s: Sample) -> Mapping[str, Value]:
    """Columns d_acc_*, d_logit_* of train, test and fake, and d_loss_train, d_loss_test; of a run's own D only."""
    assert s.subject is not None  # its descriptor says so
    if not len(s.data.rows("test")):
        return {"d_acc_test": "the data have no test images"}
    return judged(s.subject, s)
