"""An undecoded data set: the fingerprint of its files, and how to read its pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

Advance = Callable[[int], None]  # called with the number of further images that are done


@dataclass(frozen=True)
class Contents:
    """The result of decoding. All but the pixels is known beforehand."""

    shape: tuple[int, int, int, int]  # (n, channels, side, side)
    labels: np.ndarray | None  # int64 (n,)
    train: np.ndarray  # int64 indices
    test: np.ndarray
    classes: tuple[str, ...]  # names of the labels
    blocks: Callable[[Advance], Iterator[np.ndarray]]  # yields consecutive uint8 (k, channels, side, side)


@dataclass(frozen=True)
class Source:
    """A data set's files. `contents` and its blocks raise `UserError` for bad files."""

    name: str
    fingerprint: dict[str, Any]  # plain values; equal fingerprints decode to equal data
    contents: Callable[[], Contents]
