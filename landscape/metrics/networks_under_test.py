"""The networks that made the images, for scores that need more than images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from landscape.losses.adversarial import Loss


class NetworksUnderTest(NamedTuple):
    """The networks of a run, and a function to save pictures."""

    g: nn.Module  # the generator that is scored (its EMA if there is one)
    d: nn.Module | None
    loss: Loss | None
    latents: Tensor  # (n, dim), the latents of the scored images, in the same order
    show: Callable[[str, Tensor], None]  # saves images (n, channels, side, side) in [0, 1] as a picture of this name
    labels: Tensor | None = None  # (n,), the classes that a conditional generator was asked for, in the same order
    batch: int | None = None  # number of images that D judges together; None if it judges each by itself


@contextmanager
def inference(*networks: nn.Module) -> Iterator[None]:
    """Inference mode without gradients. Restores the networks' training modes."""
    before = [network.training for network in networks]
    for network in networks:
        network.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        for network, training in zip(networks, before, strict=True):
            network.train(training)
