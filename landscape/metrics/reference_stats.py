"""Reference statistics of the real images, cached in the store and shared by all runs."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
import torch

from landscape.metrics.content_cache import compute_once
from landscape.metrics.frechet import Moments, reference_moments
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
