"""What scores may ask of the real images: pixels, features, and what is made of them once for all runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from landscape.config.identity import short_hash
from landscape.data import Dataset
from landscape.metrics.content_cache import once
from landscape.metrics.extractors import Extractor
from landscape.metrics.image_sources import Images, Stored
from landscape.metrics.reference_stats import Reference
from landscape.store import Store


@dataclass(frozen=True)
class Real:
    """The data set behind a scorer. `key` identifies the data and the extractor: what is cached is cached by it."""

    data: Dataset
    part: str  # which images the fakes are compared with: train, test or all
    reference: Reference  # of that part
    extractor: Extractor
    store: Store
    device: torch.device
    key: dict[str, Any]
    _features: dict[str, np.ndarray] = field(default_factory=dict)

    def rows(self, part: str) -> np.ndarray:
        """Rows of "train", "test" or "all"."""
        return self.data.part(part)

    def images(self, rows: np.ndarray) -> Stored:
        """Images of the data set by row."""
        return Stored(self.data, rows, self.device)

    def features(self, part: str) -> np.ndarray:
        """Features (n, d) of a part of the data in its order, made once per store."""
        if part == self.part:
            return self.reference.features

        def make() -> dict[str, Any]:
            found, _ = self.extractor(self.images(self.data.part(part)))
            return {"features": torch.from_numpy(found.astype(np.float32))}

        if part not in self._features:
            self._features[part] = self.once("features", {"part": part}, make)["features"].numpy()
        return self._features[part]

    def once(self, kind: str, more: dict[str, Any], make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """What `make` gives for this data, extractor and `more`, from the store's cache where it is there."""
        return once(self.store, kind, short_hash(self.key | more), make)


def pixels(images: Images, rows: np.ndarray) -> np.ndarray:
    """Images by row as points (n, channels * side * side) in [0, 1], double precision."""
    parts = [images[part].double().flatten(1).cpu() for part in torch.from_numpy(rows).split(1000)]
    return torch.cat(parts).numpy() / 255


def some(n: int, count: int, seed: int) -> np.ndarray:
    """`count` of n rows in order, drawn without replacement; all of them where there are no more."""
    if count >= n:
        return np.arange(n)
    return np.sort(np.random.Generator(np.random.PCG64(seed)).choice(n, count, replace=False))
