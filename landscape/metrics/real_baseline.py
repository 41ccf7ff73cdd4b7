"""The floor of a protocol: what real images score in the fakes' place, and how their distance falls with their number.

A Frechet distance is biased upwards by about 1/n (arXiv 1706.08500), so that even real images are at some distance
from other real ones: a generator's distance is to be read against theirs at the same n. Diversity has two levels to
be read against, as in the study's figures (arXiv 1807.04720v1): that of real images, and that of the same with noise.
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
from landscape.metrics.content_cache import once
from landscape.metrics.frechet import Moments, distance_of_features
from landscape.metrics.image_sources import Noisy, Stored
from landscape.store import Store
from landscape.store.old_names import named
from landscape.store.protocols import EvalProtocol, EvalRequest, defining

LADDER = (1000, 2000, 5000, 10000)
NOISE = 10.0  # deviation of the noisy images' noise, of 255; the study does not give its own

Extract = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]  # rows of the data set to features and logits
Measure = Callable[[np.ndarray, np.ndarray, np.ndarray], dict[str, Any]]  # rows, features, logits to a row


@dataclass
class Others:
    """Real images outside the reference, in the order in which they are drawn: without replacement, by the seed."""

    rows: np.ndarray  # all of them
    n: int  # that stand in the fakes' place
    extract: Extract
    held: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)

    def first(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Features and logits of the first `count`, extracted once for all who ask for no more than the first did."""
        if not self.held or len(self.held[0][0]) < count:
            self.held[:] = [self.extract(self.rows[:count])]
        features, logits = self.held[0]
        return features[:count], logits[:count]


def others(asked: EvalRequest, data: Dataset, extract: Extract) -> Others | None:
    """The real images that a request's floor is made of; None where all are the reference, so that none are left."""
    rows = np.setdiff1d(np.arange(len(data.images)), data.part(asked.real))
    if len(rows) < 2:
        return None
    rows = np.random.Generator(np.random.PCG64(asked.seed)).permutation(rows)
    return Others(rows, min(asked.n_fake, len(rows)), extract)


def real_floor(
    store: Store, protocol: EvalProtocol, scores: list[str], real: Others, reference: Moments, measure: Measure
) -> Mapping[str, Any]:
    """The floor as a protocol's text has it: {"n": images in the fakes' place, a score: its value ..., "by_n": [[n,
    distance], ...]}; the smaller sets are parts of the larger.

    It is computed once per data set and protocol, whatever the number of runs.
    """
    n = real.n
    counts = sorted({n, *(count for count in LADDER if count <= len(real.rows))})

    def distances() -> dict[str, Any]:
        real.first(counts[-1])
        return {"by_n": [[count, distance_of_features(real.first(count)[0], reference)] for count in counts]}

    def values() -> dict[str, Any]:
        found = measure(real.rows[:n], *real.first(n))
        return {key: value for key, value in found.items() if key != "why" and value is not None}

    curve = once(store, "floor", short_hash([_whose(protocol), counts]), distances)
    at_n = once(store, "floor", short_hash([_whose(protocol), sorted(scores)]), values)
    return {"n": n, **named(at_n, protocol.extractor), **curve}


def noisy_floor(
    store: Store, asked: EvalRequest, protocol: EvalProtocol, real: Others, images: Callable[[np.ndarray], Stored]
) -> dict[str, float] | None:
    """{"n", "deviation": of the noise, of 255, "ms_ssim"} of the floor's images with noise; None for too few of them.

    Pairs are those of the floor's own MS-SSIM: where they are within a class, that of the image without noise.
    """
    n = real.n

    def value() -> dict[str, Any]:
        noisy = Noisy(images(real.rows[:n]), NOISE, asked.seed)
        return {"ms_ssim": ms_ssim.within(noisy, n, protocol.ms_ssim, lambda: real.first(n)[1].argmax(1))}

    found = once(store, "floor", short_hash([_whose(protocol), "noisy", NOISE]), value)["ms_ssim"]
    return {"n": n, "deviation": NOISE, "ms_ssim": found} if math.isfinite(found) else None


def _whose(protocol: EvalProtocol) -> str:
    """Real images are the same for a generator and its average."""
    return short_hash({key: value for key, value in defining(protocol).items() if key != "generator"})
