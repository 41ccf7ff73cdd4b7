"""What a data set is before it is decoded: a fingerprint of its files, and how to get at its pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

Advance = Callable[[int], None]  # told how many more images are through, for the progress bar


@dataclass(frozen=True)
class Contents:
    """What decoding will give; all but the pixels is known beforehand."""

    shape: tuple[int, int, int, int]  # (n, channels, side, side)
    labels: np.ndarray | None  # int64 (n,)
    train: np.ndarray  # int64 indices
    test: np.ndarray
    classes: tuple[str, ...]  # names of the labels, for people
    blocks: Callable[[Advance], Iterator[np.ndarray]]  # consecutive uint8 (k, channels, side, side); the n images


@dataclass(frozen=True)
class Source:
    """A data set's files. `contents` raises `UserError` for what is wrong with them, as does reading its blocks."""

    name: str
    fingerprint: dict[str, Any]  # plain values; equal ones decode to equal data
    contents: Callable[[], Contents]
