"""A data set in memory: images, labels, split, and the digest of all three."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class Dataset:
    """Images as uint8 (n, channels, side, side), where 0..255 stand for [0, 1]; labels as int64 (n,) or None.

    `train` and `test` are disjoint index arrays. `images` may be a memory map; do not read it whole.
    """

    name: str
    images: np.ndarray
    labels: np.ndarray | None
    train: np.ndarray
    test: np.ndarray

    @property
    def channels(self) -> int:
        """Channels of an image: 1 (gray) or 3 (color); 2 for points."""
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
        """Indices of "train", "test", "all", or one of two fixed halves of the test set ("test_a", "test_b").

        The halves are drawn at random, independent of labels: select on one, confirm on the other.
        """
        if which in ("test_a", "test_b"):
            mixed = np.random.Generator(np.random.PCG64(0)).permutation(self.test)
            half = len(mixed) // 2
            return np.sort(mixed[:half] if which == "test_a" else mixed[half:])
        return {"train": self.train, "test": self.test, "all": np.arange(len(self.images))}[which]

    @cached_property
    def content(self) -> str:
        """SHA-256 of shape, pixels, labels and split. It enters the run id; paths do not."""
        return content_digest(self.images.shape, pieces(self.images), self.labels, self.train, self.test)


PIECE = 2**24  # bytes that are processed at a time


def pieces(array: np.ndarray) -> Iterator[np.ndarray]:
    """Consecutive parts of an array, about `PIECE` bytes each, so that a memory map is never loaded whole."""
    step = max(1, PIECE * len(array) // max(1, array.nbytes))
    for start in range(0, len(array), step):
        yield np.ascontiguousarray(array[start : start + step])


def content_digest(
    shape: tuple[int, ...],
    images: Iterable[np.ndarray],
    labels: np.ndarray | None,
    train: np.ndarray,
    test: np.ndarray,
) -> str:
    """`Dataset.content` for images that arrive in consecutive pieces."""
    digest = hashlib.sha256(repr(shape).encode() + b"|")
    for piece in images:
        digest.update(piece.data)
    for array in (labels, train, test):
        digest.update(b"|")
        for piece in () if array is None else pieces(array):
            digest.update(piece.data)
    return digest.hexdigest()
