"""Sources of images to score: a tensor, a data set, or a generator, read in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from landscape.data import Dataset


class Images(Protocol):
    """Images (n, channels, side, side) in [0, 255]. Interface of a tensor; they need not be in memory."""

    def __getitem__(self, which: Tensor, /) -> Tensor: ...
    def split(self, size: int, /) -> Iterable[Tensor]:
        """All images in order, `size` at a time; the last batch may be smaller."""
        ...


class StoredImages:
    """Images of a data set, read on demand, so that a large set is never in memory whole."""

    def __init__(self, data: Dataset, rows: np.ndarray, device: torch.device) -> None:
        self.images, self.rows, self.device = data.images, rows, device

    def __getitem__(self, which: Tensor) -> Tensor:
        """Images (k, channels, side, side) in [0, 255]."""
        # Plain indexing: np.take gives other strides for one channel, which changes the last digits of scores.
        taken = self.images[self.rows[which.numpy()]]
        return torch.from_numpy(taken).float().to(self.device)

    def split(self, size: int) -> Iterator[Tensor]:
        """All images in order, `size` at a time."""
        return (self[which] for which in torch.arange(len(self.rows)).split(size))


class NoisyImages:
    """Images of a data set with Gaussian noise, rounded and clipped to [0, 255].

    An image's noise depends on `seed` and its row in the data set only.
    """

    def __init__(self, images: StoredImages, deviation: float, seed: int) -> None:
        """`deviation` is the standard deviation of the noise, on the scale 0..255."""
        self.images, self.deviation, self.seed = images, deviation, seed

    def __getitem__(self, which: Tensor) -> Tensor:
        """Images (k, channels, side, side) in [0, 255]."""
        clean = self.images[which]
        noise = [
            np.random.Generator(np.random.PCG64([self.seed, int(row)])).standard_normal(clean.shape[1:], np.float32)
            for row in self.images.rows[which.numpy()]
        ]
        return (clean + self.deviation * torch.from_numpy(np.stack(noise)).to(clean)).round().clamp(0, 255)

    def split(self, size: int) -> Iterator[Tensor]:
        """All images in order, `size` at a time."""
        return (self[which] for which in torch.arange(len(self.images.rows)).split(size))


class NotFinite(Exception):
    """A generator returned values that are not finite."""


class GeneratedImages:
    """Images of a generator, made on demand, so that they are never all in memory as floats.

    Integer-valued batches are kept as uint8. Others are generated again from the same latents when needed; only the
    last one is kept.
    """

    def __init__(self, make: Callable[..., Tensor], latents: Tensor, piece: int, labels: Tensor | None = None) -> None:
        """`make` maps latents (k, dim) to images (k, channels, side, side) in [0, 255]; `piece` is its batch size.

        With labels (n,) it also takes those of its latents.
        """
        self.make, self.latents, self.piece = make, latents.split(piece), piece
        self.labels = None if labels is None else labels.split(piece)
        self.n = len(latents)
        self.levels: dict[int, Tensor] = {}
        self.last: tuple[int, Tensor] | None = None

    def __getitem__(self, which: Tensor) -> Tensor:
        """Images (k, channels, side, side) in [0, 255], k at least 1. Raises `NotFinite`."""
        which = which.cpu()
        home, place = which // self.piece, which % self.piece
        parts = [(home == number, self._made(number)) for number in home.unique().tolist()]
        images = parts[0][1].new_empty((len(which), *parts[0][1].shape[1:]))
        for here, made in parts:
            images[here] = made[place[here]]
        return images

    def split(self, size: int) -> Iterator[Tensor]:
        """All images in order, `size` at a time. Raises `NotFinite`."""
        return (self[which] for which in torch.arange(self.n).split(size))

    def _made(self, number: int) -> Tensor:
        latents = self.latents[number]
        if number in self.levels:
            return self.levels[number].to(latents.device).float()
        if self.last is not None and self.last[0] == number:
            return self.last[1]
        made = self.make(latents) if self.labels is None else self.make(latents, self.labels[number])
        if not made.isfinite().all():
            raise NotFinite
        levels = made.byte()
        if torch.equal(levels.to(made.dtype), made):
            self.levels[number] = levels.cpu()
        self.last = number, made
        return made
