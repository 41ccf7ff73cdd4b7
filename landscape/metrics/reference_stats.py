"""The real images' side of every comparison: made once per data set and protocol, shared by all runs of a store."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
import torch

from landscape.metrics.content_cache import once
from landscape.metrics.frechet import Moments, reference_moments
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
