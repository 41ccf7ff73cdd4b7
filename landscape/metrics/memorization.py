"""Nearest training images of samples. A generator that memorizes has samples too close to training images.

Distances are in feature space. References: the distances of test images to training images (Meehan et al., arXiv
2004.05675), and the distances of samples to equally many test and training images. Poor samples are far from both, so
look at the picture too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy.stats import mannwhitneyu
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from landscape.metrics.reference_stats import subsample
from landscape.metrics.row_values import Value

if TYPE_CHECKING:
    from landscape.metrics.evaluator import ScoringInput
    from landscape.metrics.networks_under_test import NetworksUnderTest

COLUMNS = ("nn_distance", "nn_ratio", "nn_nearer")
ROWS, BESIDE = 8, 7  # samples in the picture, and nearest training images of each


def nearest(queries: np.ndarray, points: np.ndarray, count: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Distances and indices (q, count) of the nearest of `points` (n, d), nearest first, by brute force."""
    with threadpool_limits(torch.get_num_threads()):
        index = NearestNeighbors(n_neighbors=min(count, len(points)), algorithm="brute").fit(points)
        distances, rows = index.kneighbors(queries.astype(points.dtype))
    return distances, rows


def probability_smaller(a: np.ndarray, b: np.ndarray) -> float:
    """P(a < b), counting ties as half: 1/2 if the distributions are equal."""
    return 1 - float(mannwhitneyu(a, b).statistic) / (len(a) * len(b))


def memorization(
    samples: np.ndarray, train: np.ndarray, test: np.ndarray, test_distances: np.ndarray, seed: int
) -> dict[str, float]:
    """The scores of features: samples (s, d), training images (n, d) and test images (m, d); see `neighbours`.

    `test_distances` are the distances of test images to their nearest training image.
    """
    own = nearest(samples, train)[0][:, 0]
    n = min(len(train), len(test))
    to_train, to_test = (np.median(nearest(samples, x[subsample(len(x), n, seed)])[0]) for x in (train, test))
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "nn_distance": float(np.median(own)),
            "nn_ratio": float(to_train / to_test),
            "nn_nearer": probability_smaller(own, test_distances),
        }


def neighbours(s: ScoringInput) -> Mapping[str, Value]:
    """How close samples are to training images.

    nn_distance  median distance to the nearest training image
    nn_ratio     distance to training images over distance to equally many test images; below 1 if memorized
    nn_nearer    probability that a sample is closer to training images than a test image is: 1/2 at best, 1 if
                 memorized, 0 if samples are poor
    """
    assert s.networks is not None  # because it needs "networks"
    if not len(s.data.rows("test")):
        return dict.fromkeys(COLUMNS, "the data have no test images")
    if not np.isfinite(s.features).all():
        return dict.fromkeys(COLUMNS, "the features are not finite")
    count, seed = s.request.options["neighbours"], s.request.seed
    train, test = s.data.features("train"), s.data.features("test")
    asked = subsample(len(test), count, seed)

    def make() -> dict[str, Any]:
        return {"distances": torch.from_numpy(nearest(test[asked], train)[0][:, 0])}

    yardstick = s.data.cached("neighbours", {"seed": seed, "n": len(asked)}, make)["distances"].numpy()
    samples = s.features[:count]
    save_picture(s, s.networks, train)
    return dict(memorization(samples, train, test, yardstick, seed))


def save_picture(s: ScoringInput, networks: NetworksUnderTest, train: np.ndarray) -> None:
    """Save the picture "neighbours": a row per sample, followed by its nearest training images."""
    first = torch.arange(min(ROWS, len(s.features)))
    _, rows = nearest(s.features[: len(first)], train, BESIDE)
    beside = s.data.images(s.data.rows("train")[rows.flatten()])
    found = beside[torch.arange(rows.size)].unflatten(0, rows.shape)
    together = torch.cat([s.images[first][:, None].to(found), found], dim=1)
    networks.show("neighbours", together.flatten(0, 1) / 255)
