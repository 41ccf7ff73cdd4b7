"""What made the images under scoring, for scores that ask more than images can say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from landscape.losses.adversarial import Loss


class Subject(NamedTuple):
    """The networks of a run, and where a score may leave a picture; `d` and `loss` are None where there is no D."""

    g: nn.Module  # the generator that is scored (its average where there is one)
    d: nn.Module | None
    loss: Loss | None
    latents: Tensor  # (n, dim), those of the images under scoring, in their order
    show: Callable[[str, Tensor], None]  # keeps a picture of samples (n, channels, side, side) in [0, 1] by name


@contextmanager
def inference(*networks: nn.Module) -> Iterator[None]:
    """Networks in inference mode, without gradients; their training modes are put back."""
    before = [network.training for network in networks]
    for network in networks:
        network.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        for network, training in zip(networks, before, strict=True):
            network.train(training)
