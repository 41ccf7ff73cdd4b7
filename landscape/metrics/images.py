"""Images under scoring: a tensor, or those of a data set, read in pieces."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from landscape.data import Dataset


class Images(Protocol):
    """Images (n, channels, side, side) in [0, 255], as a tensor is; they need not be in memory."""

    def __getitem__(self, which: Tensor, /) -> Tensor: ...
    def split(self, size: int, /) -> Iterable[Tensor]: ...


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
