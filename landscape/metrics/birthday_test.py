"""Birthday paradox test: estimates the support size of a generator from near-duplicates among its samples.

Arora & Zhang, "Do GANs actually learn the distribution?" (arXiv 1706.08224): s samples of a uniform distribution over N
images contain two equal ones with probability 1 - exp(-s (s - 1) / 2N), that is 1/2 at s = 1.18 sqrt(N). A pair counts
as duplicate if its distance is below a threshold: a share of the median distance between a real image and its nearest
other real image. The closest pairs are also saved as a picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.spatial.distance import pdist, squareform
from scipy.stats import chi2

from landscape.metrics.image_sources import Images
from landscape.metrics.reference_stats import flat_pixels, subsample
from landscape.metrics.row_values import Value

if TYPE_CHECKING:
    from landscape.metrics.evaluator import ScoringInput

SHOWN = 20  # closest pairs in the picture and the row
CONFIDENCE = 0.95


def closest_pairs(distances: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices (k, 2) of the `count` closest pairs of n points, nearest first, and their distances; `distances` as from
    `pdist`."""
    few = min(count, len(distances))
    chosen = np.argpartition(distances, few - 1)[:few] if few else np.arange(0)
    chosen = chosen[np.argsort(distances[chosen], kind="stable")]
    n = int((1 + np.sqrt(1 + 8 * len(distances))) / 2 + 0.5)
    starts = np.concatenate([[0], np.cumsum(np.arange(n - 1, 0, -1))])  # offsets of the pairs (i, .) in pdist's order
    i = np.searchsorted(starts, chosen, side="right") - 1
    return np.stack([i, chosen - starts[i] + i + 1], axis=1), distances[chosen]


def nearest_other(points: np.ndarray) -> float:
    """Median distance of points (n, d) to their nearest other point; n is at least 2."""
    square = squareform(pdist(points))
    np.fill_diagonal(square, np.inf)
    return float(np.median(square.min(1)))


def support(samples: int, duplicates: int) -> tuple[float, float]:
    """Estimated size of a uniform support from the number of duplicate pairs, and its 95 % lower bound.

    The expected number of pairs is s (s - 1) / 2N. Without duplicates the estimate is infinite. For other distributions
    N is 1 / sum p^2. The bound assumes a Poisson count.
    """
    pairs = samples * (samples - 1) / 2
    most = float(chi2.ppf(CONFIDENCE, 2 * duplicates + 2)) / 2
    return pairs / duplicates if duplicates else float("inf"), pairs / most


def birthday(s: ScoringInput) -> Mapping[str, Value]:
    """`duplicates` among `birthday_samples`, the `support` they imply, its lower bound, and `closest_pairs`.

    Distances are in units of the median distance between a real image and its nearest other. The picture "birthday"
    shows the closest pairs side by side, four per row.
    """
    if not np.isfinite(s.features).all():
        return dict.fromkeys(("duplicates", "support", "support_low"), "the features are not finite")
    own, seed = s.request.options, s.request.seed
    n = min(own["birthday_samples"], len(s.features))
    rows = s.data.rows(s.data.part)
    of_real = subsample(len(rows), n, seed)

    def place(images: Images, features: np.ndarray, which: np.ndarray) -> np.ndarray:
        return flat_pixels(images, which) if own["birthday_space"] == "pixels" else features[which].astype(np.float64)

    def make() -> dict[str, float]:
        return {"scale": nearest_other(place(s.data.images(rows), s.data.features(s.data.part), of_real))}

    key = {"part": s.data.part, "space": own["birthday_space"], "seed": seed, "n": len(of_real)}
    scale = s.data.cached("birthday", key, make)["scale"]
    if scale == 0:
        return dict.fromkeys(
            ("duplicates", "support", "support_low"), "at least half of the real images have an exact duplicate"
        )
    distances = pdist(place(s.images, s.features, np.arange(n))) / scale
    duplicates = int((distances <= own["birthday_share"]).sum())
    size, least = support(n, duplicates)
    pairs, apart = closest_pairs(distances, SHOWN)
    if s.networks is not None:
        s.networks.show("birthday", s.images[torch.from_numpy(pairs.flatten())] / 255)
    return {
        "duplicates": float(duplicates),
        "support": size if duplicates else f"no duplicate among {n} samples",
        "support_low": least,
        "closest_pairs": [round(float(d), 6) for d in apart],
    }
