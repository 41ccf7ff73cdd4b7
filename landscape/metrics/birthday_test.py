"""The birthday-paradox test: duplicates among few samples betray a generator that has little to show.

Arora & Zhang, "Do GANs actually learn the distribution?" (arXiv 1706.08224): of a uniform distribution over N images,
s samples hold two equal ones with probability 1 - exp(-s (s - 1) / 2N), a half at s = 1.18 sqrt(N). Near-duplicates
are a matter of judgement: the closest pairs are kept as a picture, and counted are those under a threshold that the
real images set, a share of the median distance between a real image and its nearest other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.spatial.distance import pdist, squareform
from scipy.stats import chi2

from landscape.metrics.image_sources import Images
from landscape.metrics.reference_stats import pixels, some
from landscape.metrics.row_values import Value

if TYPE_CHECKING:
    from landscape.metrics.evaluator import Sample

SHOWN = 20  # pairs in the picture and in the row
CONFIDENCE = 0.95


def closest_pairs(distances: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows (k, 2) of the `count` closest of n points, nearest first, and their distances; `distances` as of `pdist`."""
    few = min(count, len(distances))
    chosen = np.argpartition(distances, few - 1)[:few] if few else np.arange(0)
    chosen = chosen[np.argsort(distances[chosen], kind="stable")]
    n = int((1 + np.sqrt(1 + 8 * len(distances))) / 2 + 0.5)
    starts = np.concatenate([[0], np.cumsum(np.arange(n - 1, 0, -1))])  # of the pairs (i, .) in pdist's order
    i = np.searchsorted(starts, chosen, side="right") - 1
    return np.stack([i, chosen - starts[i] + i + 1], axis=1), distances[chosen]


def nearest_other(points: np.ndarray) -> float:
    """Median distance of a point to its nearest other, of points (n, d), n at least 2."""
    square = squareform(pdist(points))
    np.fill_diagonal(square, np.inf)
    return float(np.median(square.min(1)))


def support(samples: int, duplicates: int) -> tuple[float, float]:
    """Size of a uniform support at which that many duplicate pairs are expected, and its 95 % lower bound.

    The expected number of pairs is s (s - 1) / 2N; with none the first is infinite. In general N is 1 / sum p^2.
    The bound takes the count for Poisson.
    """
    pairs = samples * (samples - 1) / 2
    most = float(chi2.ppf(CONFIDENCE, 2 * duplicates + 2)) / 2
    return pairs / duplicates if duplicates else float("inf"), pairs / most


def birthday(s: Sample) -> Mapping[str, Value]:
    """`duplicates` among `birthday_samples`, the `support` they imply, and its lower bound.

    `closest_pairs` are the distances of the closest pairs, 1 being what lies between a real image and its nearest
    other (median). The picture "birthday" has the pairs side by side, four a row.
    """
    if not np.isfinite(s.features).all():
        return dict.fromkeys(("duplicates", "support", "support_low"), "the features are not finite")
    own, seed = s.request.options, s.request.seed
    n = min(own["birthday_samples"], len(s.features))
    rows = s.data.rows(s.data.part)
    of_real = some(len(rows), n, seed)

    def place(images: Images, features: np.ndarray, which: np.ndarray) -> np.ndarray:
        return pixels(images, which) if own["birthday_space"] == "pixels" else features[which].astype(np.float64)

    def make() -> dict[str, float]:
        return {"scale": nearest_other(place(s.data.images(rows), s.data.features(s.data.part), of_real))}

    key = {"part": s.data.part, "space": own["birthday_space"], "seed": seed, "n": len(of_real)}
    scale = s.data.once("birthday", key, make)["scale"]
    if scale == 0:
        return dict.fromkeys(("duplicates", "support", "support_low"), "half of the real images have an equal")
    distances = pdist(place(s.images, s.features, np.arange(n))) / scale
    duplicates = int((distances <= own["birthday_share"]).sum())
    size, least = support(n, duplicates)
    pairs, apart = closest_pairs(distances, SHOWN)
    if s.subject is not None:
        s.subject.show("birthday", s.images[torch.from_numpy(pairs.flatten())] / 255)
    return {
        "duplicates": float(duplicates),
        "support": size if duplicates else f"no duplicate among {n} samples",
        "support_low": least,
        "closest_pairs": [round(float(d), 6) for d in apart],
    }
