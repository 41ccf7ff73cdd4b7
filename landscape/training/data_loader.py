"""Real images in batches: uint8 on the way in, [0, 1] floats on the way out, and an exact place to resume from."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch import Tensor

from landscape import distributed
from landscape.algorithms.algorithm import Batch
from landscape.rng import stream

SMALL = 2**30  # bytes of training images that a GPU keeps whole; a CPU trusts the disk's cache with as much


class Batches:
    """Endless batches of (batch, channels, side, side) in [0, 1], each epoch in a new order without its remainder.

    `rows` are the images to train on; batches carry the `labels` (int64, of all images) where they are given. The
    order of an epoch is drawn from a stream of the run's seed; its state before the draw and the position inside the
    epoch are all that a checkpoint needs. How the images are read changes no batch: few live on a GPU whole, many are
    read from their memory map, the next batch by a thread while this one trains. What was read ahead is no part of the
    position.
    """

    def __init__(
        self,
        images: np.ndarray,
        rows: np.ndarray,
        batch_size: int,
        seed: int,
        device: torch.device,
        small: int = SMALL,
        labels: np.ndarray | None = None,
    ) -> None:
        assert batch_size <= len(rows), "checked at planning"
        self.images, self.rows, self.batch_size, self.device = images, rows, batch_size, device
        self.labels = None if labels is None else torch.from_numpy(labels[rows]).to(device)
        fits = len(rows) * images[:1].nbytes <= small
        self.resident = self._upload() if fits and device.type != "cpu" else None
        # On a CPU few images are read where they lie: runs side by side share the disk's cache.
        self.reader = None if fits else ThreadPoolExecutor(1, "batches")
        self.ahead: Future[Tensor] | None = None
        self.rng = stream(seed, "data")
        self._draw()

    def _upload(self) -> Tensor:
        """The training images on the device; on the way there never all of them twice."""
        whole = torch.empty((len(self.rows), *self.images.shape[1:]), dtype=torch.uint8, device=self.device)
        at = 0
        for part in np.array_split(self.rows, max(1, whole.nbytes >> 24)):
            whole[at : at + len(part)] = torch.from_numpy(np.take(self.images, part, axis=0))
            at += len(part)
        return whole

    def _draw(self) -> None:
        self.before = self.rng.get_state()
        order = torch.randperm(len(self.rows), generator=self.rng)
        self.order = order if self.resident is None else order.to(self.device)
        self.position = 0
        self.ahead = None  # it was read in another order

    def next(self) -> Batch:
        """The next batch, on the device, its images in channels-last order; a new epoch where too few are left."""
        if self.position + self.batch_size > len(self.order):
            self._draw()
        pixels = self._pixels()
        labels = None if self.labels is None else self.labels[self._chosen(self.position).to(self.device)]
        self.position += self.batch_size
        if self.reader is not None and self.position + self.batch_size <= len(self.order):
            self.ahead = self.reader.submit(self._read, self.position)
        return Batch((pixels.float() / 255).contiguous(memory_format=torch.channels_last), labels)

    def _chosen(self, position: int) -> Tensor:
        """Places among the rows of the batch at a position: of several ranks, this one's slice of it."""
        return distributed.share(self.order[position : position + self.batch_size])

    def _pixels(self) -> Tensor:
        """The batch at the position, uint8 on the device."""
        if self.resident is not None:
            return self.resident[self._chosen(self.position)]
        read, self.ahead = self.ahead, None
        pixels = self._read(self.position) if read is None else read.result()
        return pixels.to(self.device, non_blocking=True)

    def _read(self, position: int) -> Tensor:
        chosen = self.rows[self._chosen(position).numpy()]
        pixels = torch.from_numpy(np.take(self.images, chosen, axis=0))
        return pixels if self.device.type == "cpu" else pixels.pin_memory()

    def state_dict(self) -> dict[str, Any]:
        """The place to resume from: the random stream before this epoch was drawn, and the position inside it."""
        return {"before": self.before, "position": self.position}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go to the place that `state_dict` gave; the next batch is the one that followed it."""
        self.rng.set_state(state["before"].cpu())
        self._draw()
        self.position = state["position"]
