"""Batches of real images: uint8 in, [0, 1] floats out, with an exact position to resume from."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch import Tensor

from landscape import distributed
from landscape.algorithms.algorithm import Batch
from landscape.rng import stream

SMALL = 2**30  # most bytes of training images kept on a GPU, or read without prefetching on a CPU


class Batches:
    """Endless batches (batch, channels, side, side) in [0, 1]: each epoch in a new order, without its incomplete last
    batch.

    `rows` are the training images. `labels` (int64, of all images) are added to the batches if given. The order of an
    epoch comes from a stream of the run's seed, so a checkpoint needs only the stream's state before the epoch and the
    position in it. Small data sets are kept on a GPU; large ones are read from their memory map, with the next batch
    prefetched by a thread. This does not affect the batches.
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
        # On a CPU small data sets are read directly, because concurrent runs share the page cache.
        self.reader = None if fits else ThreadPoolExecutor(1, "batches")
        self.ahead: Future[Tensor] | None = None
        self.rng = stream(seed, "data")
        self._draw()

    def _upload(self) -> Tensor:
        """The training images on the device, copied in parts to limit host memory."""
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
        self.ahead = None  # prefetched in the old order

    def next(self) -> Batch:
        """The next batch, on the device, with images in channels-last format. Starts a new epoch if too few images are
        left."""
        if self.position + self.batch_size > len(self.order):
            self._draw()
        pixels = self._pixels()
        labels = None if self.labels is None else self.labels[self._chosen(self.position).to(self.device)]
        self.position += self.batch_size
        if self.reader is not None and self.position + self.batch_size <= len(self.order):
            self.ahead = self.reader.submit(self._read, self.position)
        return Batch((pixels.float() / 255).contiguous(memory_format=torch.channels_last), labels)

    def _chosen(self, position: int) -> Tensor:
        """Indices into `rows` of the batch at a position: this rank's slice."""
        return distributed.local_rows(self.order[position : position + self.batch_size])

    def _pixels(self) -> Tensor:
        """The batch at the current position, uint8 on the device."""
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
        """The position to resume from: the random state before this epoch, and the position in it."""
        return {"before": self.before, "position": self.position}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume from the result of `state_dict`; the next batch is the one that followed."""
        self.rng.set_state(state["before"].cpu())
        self._draw()
        self.position = state["position"]
