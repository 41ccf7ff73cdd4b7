"""What a data set is to the rest of the program: bytes, labels, a split, and the digest of all three."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class Dataset:
    """Images as uint8 (n, channels, side, side), where 0..255 stand for [0, 1]; labels int64 (n,) or None.

    `train` and `test` index into them and share nothing.
    """

    name: str
    images: np.ndarray
    labels: np.ndarray | None
    train: np.ndarray
    test: np.ndarray

    @property
    def channels(self) -> int:
        return int(self.images.shape[1])

    @property
    def size(self) -> int:
        """Side of the (square) images in pixels."""
        return int(self.images.shape[2])

    @property
    def classes(self) -> int:
        """Number of classes; 0 without labels."""
        return 0 if self.labels is None else int(self.labels.max()) + 1

    def part(self, which: str) -> np.ndarray:
        """Indices of "train", "test" or "all"."""
        return {"train": self.train, "test": self.test, "all": np.arange(len(self.images))}[which]

    @cached_property
    def content(self) -> str:
        """SHA-256 over shape, pixels, labels and split: the data's place in a run's id (never its path)."""
        digest = hashlib.sha256(repr(self.images.shape).encode())
        for array in (self.images, self.labels, self.train, self.test):
            digest.update(b"|" if array is None else b"|" + np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()
