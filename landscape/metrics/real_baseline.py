"""The floor of a protocol: scores of held-out real images in place of fakes, and their distance by sample size.

The Frechet distance is biased upwards by about 1/n (arXiv 1706.08500), so even real images have a distance to other
real images. Compare a generator's distance with the floor at the same n. For diversity there are two baselines, as in
the study's figures (arXiv 1807.04720v1): real images, and real images with noise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from landscape.config.identity import short_hash
from landscape.data import Dataset
from landscape.metrics import ms_ssim
from landscape.metrics.content_cache import compute_once
from landscape.metrics.frechet import Moments, distance_of_features
from landscape.metrics.image_sources import NoisyImages, StoredImages
from landscape.store import Store
from landscape.store.old_names import named
from landscape.store.protocols import EvalProtocol, EvalRequest, defining

LADDER = (1000, 2000, 5000, 10000)
NOISE = 10.0  # standard deviation of the noise, of 255; the study does not state its own

Extract = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]  # rows of the data set -> features, logits
Measure = Callable[[np.ndarray, np.ndarray, np.ndarray], dict[str, Any]]  # rows, features, logits -> scores


@dataclass
class HeldOutReal:
    """Real images outside the reference, in random order (without replacement, by the protocol's seed)."""

    rows: np.ndarray  # all held-out images
    n: int  # number that replaces the fakes
    extract: Extract
    held: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)

    def first(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Features and logits of the first `count` images. The largest `count` so far is cached."""
        if not self.held or len(self.held[0][0]) < count:
            self.held[:] = [self.extract(self.rows[:count])]
        features, logits = self.held[0]
        return features[:count], logits[:count]


def held_out_real(asked: EvalRequest, data: Dataset, extract: Extract) -> HeldOutReal | None:
    """The held-out real images of a request; None if the reference has all images."""
    rows = np.setdiff1d(np.arange(len(data.images)), data.part(asked.real))
    if len(rows) < 2:
        return None
    rows = np.random.Generator(np.random.PCG64(asked.seed)).permutation(rows)
    return HeldOutReal(rows, min(asked.n_fake, len(rows)), extract)


def real_floor(
    store: Store, protocol: EvalProtocol, scores: list[str], real: HeldOutReal, reference: Moments, measure: Measure
) -> Mapping[str, Any]:
    """The floor as stored: {"n": number of images, a score: its value ..., "by_n": [[n, distance], ...]}.

    The smaller sets are subsets of the larger ones. Computed once per data set and protocol.
    """
    n = real.n
    counts = sorted({n, *(count for count in LADDER if count <= len(real.rows))})

    def distances() -> dict[str, Any]:
        real.first(counts[-1])
        return {"by_n": [[count, distance_of_features(real.first(count)[0], reference)] for count in counts]}

    def values() -> dict[str, Any]:
        found = measure(real.rows[:n], *real.first(n))
        return {key: value for key, value in found.items() if key != "why" and value is not None}

    curve = compute_once(store, "floor", short_hash([_whose(protocol), counts]), distances)
    at_n = compute_once(store, "floor", short_hash([_whose(protocol), sorted(scores)]), values)
    return {"n": n, **named(at_n, protocol.extractor), **curve}


def noisy_floor(
    store: Store,
    asked: EvalRequest,
    protocol: EvalProtocol,
    real: HeldOutReal,
    images: Callable[[np.ndarray], StoredImages],
) -> dict[str, float] | None:
    """The floor with noise: {"n", "deviation" (of 255), "ms_ssim"}; None if there are too few images.

    Pairs are those of the floor's MS-SSIM: classes are predicted on the images without noise.
    """
    n = real.n

    def value() -> dict[str, Any]:
        noisy = NoisyImages(images(real.rows[:n]), NOISE, asked.seed)
        return {"ms_ssim": ms_ssim.within(noisy, n, protocol.ms_ssim, lambda: real.first(n)[1].argmax(1))}

    found = compute_once(store, "floor", short_hash([_whose(protocol), "noisy", NOISE]), value)["ms_ssim"]
    return {"n": n, "deviation": NOISE, "ms_ssim": found} if math.isfinite(found) else None


def _whose(protocol: EvalProtocol) -> str:
    """Protocol id without the generator's kind: real images score the same for a generator and its EMA."""
    return short_hash({key: value for key, value in defining(protocol).items() if key != "generator"})
