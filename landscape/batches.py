"""Real images in batches: uint8 on the device, [0, 1] floats on the way out, and an exact place to resume from."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from landscape.streams import stream


class Batches:
    """Endless batches of (batch, channels, side, side) in [0, 1], each epoch in a new order without its remainder.

    The order of an epoch is drawn from a stream of the run's seed; its state before the draw and the position
    inside the epoch are all that a checkpoint needs.
    """

    def __init__(self, images: np.ndarray, batch_size: int, seed: int, device: torch.device) -> None:
        self.images = torch.from_numpy(images).to(device)
        self.batch_size = batch_size
        assert batch_size <= len(images), "checked at planning"
        self.rng = stream(seed, "data")
        self._draw()

    def _draw(self) -> None:
        self.before = self.rng.get_state()
        self.order = torch.randperm(len(self.images), generator=self.rng).to(self.images.device)
        self.position = 0

    def next(self) -> Tensor:
        if self.position + self.batch_size > len(self.order):
            self._draw()
        batch = self.order[self.position : self.position + self.batch_size]
        self.position += self.batch_size
        return (self.images[batch].float() / 255).contiguous(memory_format=torch.channels_last)

    def state_dict(self) -> dict[str, Any]:
        return {"before": self.before, "position": self.position}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.rng.set_state(state["before"].cpu())
        self._draw()
        self.position = state["position"]
