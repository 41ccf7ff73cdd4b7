"""Reference statistics of the real images, cached in the store and shared by all runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch

from landscape.config.identity import short_hash
from landscape.data import Dataset
from landscape.metrics.content_cache import compute_once
from landscape.metrics.extractors import Extractor
from landscape.metrics.frechet import Moments, reference_moments
from landscape.metrics.image_sources import Images, StoredImages
from landscape.store import Store


class Reference:
    """Features of the real images and their moments, cached in the store.

    `extract` returns features (n, d), `key` identifies them in the cache. `keep`: cache the features too, not only
    their moments.
    """

    def __init__(self, extract: Callable[[], np.ndarray], key: str, store: Store, keep: bool) -> None:
        self.extract, self.key, self.store, self.keep = extract, key, store, keep

    @cached_property
    def features(self) -> np.ndarray:
        """Features (n, d), float64 with fp32 precision."""

        def make() -> dict[str, Any]:
            return {"features": torch.from_numpy(self.extract()).float()}

        return np.asarray(compute_once(self.store, "features", self.key, make)["features"].double().numpy())

    @cached_property
    def moments(self) -> Moments:
        """Moments of the features, with the root."""

        def make() -> dict[str, Any]:
            found = reference_moments(self.features if self.keep else self.extract())
            return {name: torch.from_numpy(part) for name, part in found._asdict().items() if part is not None}

        cached = compute_once(self.store, "reference", self.key, make)
        return Moments(**{name: part.numpy() for name, part in cached.items()})


@dataclass(frozen=True)
class RealData:
    """The data set that a scorer compares with. `key` identifies data and extractor in the cache."""

    data: Dataset
    part: str  # the reference split
    reference: Reference  # of that split
    extractor: Extractor
    store: Store
    device: torch.device
    key: dict[str, Any]
    _features: dict[str, np.ndarray] = field(default_factory=dict)

    def rows(self, part: str) -> np.ndarray:
        """Indices of a split: "train", "test" or "all"."""
        return self.data.part(part)

    @property
    def labels(self) -> np.ndarray:
        """Labels of all images (n,), of a data set that has some."""
        assert self.data.labels is not None
        return self.data.labels

    def images(self, rows: np.ndarray) -> StoredImages:
        """Images of the data set by index."""
        return StoredImages(self.data, rows, self.device)

    @cached_property
    def class_moments(self) -> list[Moments]:
        """Moments of the reference split's features by class. Each class has at least two images."""
        labels, features = self.labels[self.rows(self.part)], self.reference.features
        return [reference_moments(features[labels == c]) for c in range(int(self.labels.max()) + 1)]

    def features(self, part: str) -> np.ndarray:
        """Features (n, d) of a split in its order, computed once per store."""
        if part == self.part:
            return self.reference.features

        def make() -> dict[str, Any]:
            found, _ = self.extractor(self.images(self.data.part(part)))
            return {"features": torch.from_numpy(found.astype(np.float32))}

        if part not in self._features:
            self._features[part] = self.cached("features", {"part": part}, make)["features"].numpy()
        return self._features[part]

    def cached(self, kind: str, more: dict[str, Any], make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The cached result of `make` for this data, extractor and `more`."""
        return compute_once(self.store, kind, short_hash(self.key | more), make)


def flat_pixels(images: Images, rows: np.ndarray) -> np.ndarray:
    """Images by index as points (n, channels * side * side) in [0, 1], float64."""
    parts = [images[part].double().flatten(1).cpu() for part in torch.from_numpy(rows).split(1000)]
    return torch.cat(parts).numpy() / 255


def subsample(n: int, count: int, seed: int) -> np.ndarray:
    """Sorted random `count` of n indices, without replacement; all if there are no more."""
    if count >= n:
        return np.arange(n)
    return np.sort(np.random.Generator(np.random.PCG64(seed)).choice(n, count, replace=False))
