"""Images under scoring: a tensor, those of a data set, or a generator's, read or made in pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from landscape.data import Dataset


class Images(Protocol):
    """Images (n, channels, side, side) in [0, 255], as a tensor is; they need not be in memory."""

    def __getitem__(self, which: Tensor, /) -> Tensor: ...
    def split(self, size: int, /) -> Iterable[Tensor]:
        """All of them in order, `size` at a time; the last piece may be smaller."""
        ...


class Stored:
    """Images of a data set under scoring, read when they are asked for: a large set is never in memory whole."""

    def __init__(self, data: Dataset, rows: np.ndarray, device: torch.device) -> None:
        self.images, self.rows, self.device = data.images, rows, device

    def __getitem__(self, which: Tensor) -> Tensor:
        """Images (k, channels, side, side) in [0, 255]."""
        # By indexing, not np.take: with one channel the strides differ, and with them a score's last digits.
        taken = self.images[self.rows[which.numpy()]]
        return torch.from_numpy(taken).float().to(self.device)

    def split(self, size: int) -> Iterator[Tensor]:
        """All of them, `size` at a time."""
        return (self[which] for which in torch.arange(len(self.rows)).split(size))


class Noisy:
    """Images of a data set with Gaussian noise, rounded and cut to what a file may hold.

    An image's noise follows from `seed` and its row in the data set: it is the same whenever it is asked for.
    """

    def __init__(self, images: Stored, deviation: float, seed: int) -> None:
        """`deviation` is of the 0..255 that pixels have."""
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
        """All of them, `size` at a time."""
        return (self[which] for which in torch.arange(len(self.images.rows)).split(size))


class NotFinite(Exception):
    """A generator made something that is no image."""


class Generated:
    """Images of a generator, made in pieces when they are asked for: never all of them as floating point in memory.

    A piece of whole levels is kept as bytes. Any other is made again, from the same latents, when it is asked for
    again; only the last one stays at hand.
    """

    def __init__(self, make: Callable[[Tensor], Tensor], latents: Tensor, piece: int) -> None:
        """`make` maps latents (k, dim) to images (k, channels, side, side) in [0, 255], `piece` at a time."""
        self.make, self.latents, self.piece = make, latents.split(piece), piece
        self.n = len(latents)
        self.levels: dict[int, Tensor] = {}
        self.last: tuple[int, Tensor] | None = None

    def __getitem__(self, which: Tensor) -> Tensor:
        """Images (k, channels, side, side) in [0, 255], k at least 1; raises `NotFinite`."""
        which = which.cpu()
        home, place = which // self.piece, which % self.piece
        parts = [(home == number, self._made(number)) for number in home.unique().tolist()]
        images = parts[0][1].new_empty((len(which), *parts[0][1].shape[1:]))
        for here, made in parts:
            images[here] = made[place[here]]
        return images

    def split(self, size: int) -> Iterator[Tensor]:
        """All of them, `size` at a time; raises `NotFinite`."""
        return (self[which] for which in torch.arange(self.n).split(size))

    def _made(self, number: int) -> Tensor:
        latents = self.latents[number]
        if number in self.levels:
            return self.levels[number].to(latents.device).float()
        if self.last is not None and self.last[0] == number:
            return self.last[1]
        made = self.make(latents)
        if not made.isfinite().all():
            raise NotFinite
        levels = made.byte()
        if torch.equal(levels.to(made.dtype), made):
            self.levels[number] = levels.cpu()
        self.last = number, made
        return made
