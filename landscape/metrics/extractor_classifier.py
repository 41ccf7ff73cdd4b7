"""The `classifier` extractor: a small network trained once on a data set's own labels.

It scores labeled data without a download. Its distance is not FID and is never shown next to an Inception FID.

Two quantities decide whether the distance is useful. Its scale: a generator that repeats a single image has a distance
of at least the trace of the real features' covariance. Its floor: the distance of held-out real images, which depends
on how differently the network treats training and test images. An overfitted network has a floor nearly as high as the
scale. Training is therefore short and regularized (label smoothing, weight decay, shifts, noise). Each feature is
standardized to variance 1 over the augmented training images, so the trace is about the number of features. The noise
level is random per image, so that clean images are among the training inputs. There are no flips, because flipped
digits are not digits. tests/landscape/metrics/test_ladders.py checks these properties.

Images of up to 16 pixels use a smaller network that is trained longer, without standardization. It passes the same
tests and keeps earlier results on digits valid.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import cross_entropy

from landscape.data import Dataset
from landscape.data.progress import progress
from landscape.rng import stream

logger = logging.getLogger(__name__)

SMALL = 16  # largest side, in pixels, for the small network
LONG = 1000  # trainings of at least this many steps show their progress
SIDE = 32  # side at the first full stage; strided stages halve larger images before it


def spec(size: int) -> dict[str, Any]:
    """Architecture and training of the classifier for images of `size` pixels. Part of the cache key and the protocol.

    Training ends after `epochs` epochs or `images` images, whichever is first. `noise` is the range of the noise's
    standard deviation per image (images are in [0, 1]); `shift` is in pixels.
    """
    shared = {"version": 2, "features": 64, "batch_size": 64, "weight_decay": 5e-2, "label_smoothing": 0.1}
    if size <= SMALL:
        stages = {"channels": [32, 64, 64], "strides": [1, 2, 2], "standardised": False}
        return shared | stages | {"epochs": 30, "images": 250_000, "lr": 2e-3, "noise": [0.1, 0.1], "shift": 1}
    halvings = max(0, math.ceil(math.log2(size / SIDE)))
    stages = {
        "channels": [32] * halvings + [32, 64, 128, 256],
        "strides": [2] * halvings + [1, 2, 2, 2],
        "standardised": True,
    }
    return shared | stages | {"epochs": 30, "images": 250_000, "lr": 3e-3, "noise": [0.0, 0.1], "shift": 2}


class Classifier(nn.Module):
    """Images (batch, channels, side, side) in [0, 1] to (features (batch, 64), logits (batch, classes))."""

    def __init__(self, how: dict[str, Any], channels: int, classes: int) -> None:
        """`how` is the result of `spec`."""
        super().__init__()
        layers: list[nn.Module] = []
        before = channels
        for after, stride in zip(how["channels"], how["strides"], strict=True):
            layers += [nn.Conv2d(before, after, 3, stride, 1), nn.BatchNorm2d(after), nn.ReLU()]
            before = after
        self.body = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten())
        self.features: nn.Module = nn.Linear(4 * before, how["features"])
        if how["standardised"]:
            self.features = nn.Sequential(self.features, nn.BatchNorm1d(how["features"], affine=False))
        self.head = nn.Linear(how["features"], classes)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Features before their ReLU (these are scored), and logits."""
        h = self.features(self.body(2 * x - 1))
        return h, self.head(h.relu())


def _augment(x: Tensor, how: dict[str, Any], rng: Generator) -> Tensor:
    """Shift each image by up to `shift` pixels and add Gaussian noise."""
    s = how["shift"]
    padded = nn.functional.pad(x, (s, s, s, s))
    n, _, h, w = x.shape
    dy, dx = torch.randint(0, 2 * s + 1, (2, n), generator=rng)
    rows = dy[:, None] + torch.arange(h)
    cols = dx[:, None] + torch.arange(w)
    shifted = padded[torch.arange(n)[:, None, None], :, rows[:, :, None], cols[:, None, :]].permute(0, 3, 1, 2)
    low, high = how["noise"]
    strength = low if low == high else low + (high - low) * torch.rand((n, 1, 1, 1), generator=rng)
    noisy: Tensor = shifted + strength * torch.randn(x.shape, generator=rng)
    return noisy


def _batches(train: Tensor, size: int, steps: int, rng: Generator) -> Iterator[Tensor]:
    """`steps` batches of indices: each epoch in a new order, without its incomplete last batch."""
    full = len(train) // size
    for step in range(steps):
        if step % full == 0:
            order = train[torch.randperm(len(train), generator=rng)]
        yield order[step % full * size :][:size]


def train_classifier(data: Dataset, seed: int) -> tuple[Classifier, float]:
    """A classifier trained on the train split (on the CPU), and its accuracy on the test split.

    The weights depend on data, seed, machine and number of threads only.
    """
    assert data.labels is not None
    how = spec(data.size)
    rng = stream(seed, "classifier")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**31, (1,), generator=rng)))
        net = Classifier(how, data.channels, data.classes)

    def images(rows: Tensor) -> Tensor:
        return torch.from_numpy(np.take(data.images, rows.numpy(), axis=0)).float() / 255

    labels = torch.from_numpy(data.labels)
    train = torch.from_numpy(data.train)
    size = how["batch_size"]
    steps = min(how["epochs"] * (len(train) // size), how["images"] // size)
    optimizer = torch.optim.AdamW(net.parameters(), how["lr"], weight_decay=how["weight_decay"])
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, how["lr"], total_steps=steps)
    what = f"training the classifier of data={data.name} (once)"
    long = steps >= LONG
    net.train()
    with progress(what, steps * size) if long else nullcontext(lambda count: None) as advance:
        for batch in _batches(train, size, steps, rng):
            _, logits = net(_augment(images(batch), how, rng))
            loss = cross_entropy(logits, labels[batch], label_smoothing=how["label_smoothing"])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            advance(size)
    net.eval().requires_grad_(False)
    with torch.inference_mode():
        found = torch.cat([net(images(part))[1].argmax(1) for part in torch.from_numpy(data.test).split(1000)])
    accuracy = float((found == labels[torch.from_numpy(data.test)]).float().mean())
    if long:
        logger.info(f"{what}: test accuracy {accuracy:.1%}")
    return net, accuracy
