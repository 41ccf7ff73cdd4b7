"""The `classifier` extractor: a small network trained once on a data set's own labels.

It lets the embedded data be scored without a download. Its distance is not "FID" in the literature's sense
and is never shown beside an Inception FID. Whether it means anything rests on the features: label smoothing,
weight decay, small shifts and noise in training keep a half-trained generator nearer to the data than a grey
image is (tests/test_ladders.py holds it to that).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import cross_entropy

from landscape.data import Dataset
from landscape.streams import stream

SPEC: dict[
    str, Any
] = {  # all of it in the cache's key and in the protocol: change a value, and it is another extractor
    "version": 1,
    "channels": [32, 64, 64],
    "features": 64,
    "epochs": 30,
    "batch_size": 64,
    "lr": 2e-3,
    "weight_decay": 5e-2,
    "label_smoothing": 0.1,
    "noise": 0.1,
    "shift": 1,
}


class Classifier(nn.Module):
    """Images (batch, channels, side, side) in [0, 1] to (features (batch, 64), logits (batch, classes))."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = channels
        for i, after in enumerate(SPEC["channels"]):
            layers += [nn.Conv2d(before, after, 3, 2 if i else 1, 1), nn.BatchNorm2d(after), nn.ReLU()]
            before = after
        self.body = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten())
        self.features = nn.Linear(4 * before, SPEC["features"])
        self.head = nn.Linear(SPEC["features"], classes)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = self.features(self.body(2 * x - 1))
        return h, self.head(h.relu())


def _augment(x: Tensor, rng: Generator) -> Tensor:
    """Shift each image by up to `shift` pixels and add Gaussian noise."""
    s = SPEC["shift"]
    padded = nn.functional.pad(x, (s, s, s, s))
    n, _, h, w = x.shape
    dy, dx = torch.randint(0, 2 * s + 1, (2, n), generator=rng)
    rows = dy[:, None] + torch.arange(h)
    cols = dx[:, None] + torch.arange(w)
    shifted = padded[torch.arange(n)[:, None, None], :, rows[:, :, None], cols[:, None, :]].permute(0, 3, 1, 2)
    return shifted + SPEC["noise"] * torch.randn(x.shape, generator=rng)


def train_classifier(data: Dataset, seed: int) -> tuple[Classifier, float]:
    """A classifier trained on the train split, on the CPU, and its accuracy on the test split."""
    assert data.labels is not None
    rng = stream(seed, "classifier")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**31, (1,), generator=rng)))
        net = Classifier(data.channels, data.classes)

    def images(rows: Tensor) -> Tensor:
        return torch.from_numpy(np.take(data.images, rows.numpy(), axis=0)).float() / 255

    labels = torch.from_numpy(data.labels)
    train = torch.from_numpy(data.train)
    steps = SPEC["epochs"] * (len(train) // SPEC["batch_size"])
    optimizer = torch.optim.AdamW(net.parameters(), SPEC["lr"], weight_decay=SPEC["weight_decay"])
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, SPEC["lr"], total_steps=steps)
    net.train()
    for _ in range(SPEC["epochs"]):
        order = train[torch.randperm(len(train), generator=rng)]
        for batch in order.split(SPEC["batch_size"]):
            if len(batch) < SPEC["batch_size"]:
                continue
            _, logits = net(_augment(images(batch), rng))
            loss = cross_entropy(logits, labels[batch], label_smoothing=SPEC["label_smoothing"])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    net.eval().requires_grad_(False)
    with torch.inference_mode():
        found = torch.cat([net(images(part))[1].argmax(1) for part in torch.from_numpy(data.test).split(1000)])
    accuracy = (found == labels[torch.from_numpy(data.test)]).float().mean()
    return net, float(accuracy)
