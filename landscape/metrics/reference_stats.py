"""The real images' side of every comparison: made once per data set and protocol, shared by all runs of a store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch

from landscape.config.identity import short_hash
from landscape.data import Dataset
from landscape.metrics.content_cache import once
from landscape.metrics.extractors import Extractor
from landscape.metrics.frechet import Moments, reference_moments
from landscape.metrics.image_sources import Images, Stored
from landscape.store import Store


class Reference:
    """Features of the real images and what is made of them, from the store's cache where it holds them.

    `extract` gives the features (n, d), `key` names them. With `keep` they are cached too, not their moments alone.
    """

    def __init__(self, extract: Callable[[], np.ndarray], key: str, store: Store, keep: bool) -> None:
        self.extract, self.key, self.store, self.keep = extract, key, store, keep

    @cached_property
    def features(self) -> np.ndarray:
        """Features (n, d), float64; they have single precision, as extractors do."""

        def make() -> dict[str, Any]:
            return {"features": torch.from_numpy(self.extract()).float()}

        return np.asarray(once(self.store, "features", self.key, make)["features"].double().numpy())

    @cached_property
    def moments(self) -> Moments:
        """Their moments, with the root."""

        def make() -> dict[str, Any]:
            found = reference_moments(self.features if self.keep else self.extract())
            return {name: torch.from_numpy(part) for name, part in found._asdict().items() if part is not None}

        cached = once(self.store, "reference", self.key, make)
        return Moments(**{name: part.numpy() for name, part in cached.items()})


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
