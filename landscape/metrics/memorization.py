"""Nearest training images of samples: a generator that has memorised gives samples too near to what it trained on.

In the space of the protocol's features. Samples are compared with two yardsticks: test images of the data, as near
to training images as an honest sample can be (Meehan et al., arXiv 2004.05675), and the distance to as many test as
training images. Poor samples are far from both; the picture says what numbers do not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy.stats import mannwhitneyu
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from landscape.metrics.reference_stats import some
from landscape.metrics.row_values import Value

if TYPE_CHECKING:
    from landscape.metrics.evaluator import Sample
    from landscape.metrics.networks_under_test import Subject

COLUMNS = ("nn_distance", "nn_ratio", "nn_nearer")
ROWS, BESIDE = 8, 7  # samples in the picture, and the training images beside each


def nearest(queries: np.ndarray, points: np.ndarray, count: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Distances and rows (q, count) of the nearest of `points` (n, d), nearest first; in pieces, by brute force."""
    with threadpool_limits(torch.get_num_threads()):
        index = NearestNeighbors(n_neighbors=min(count, len(points)), algorithm="brute").fit(points)
        distances, rows = index.kneighbors(queries.astype(points.dtype))
    return distances, rows


def nearer(a: np.ndarray, b: np.ndarray) -> float:
    """The chance that a value of `a` is below one of `b`, ties half: 1/2 where nothing sets them apart."""
    return 1 - float(mannwhitneyu(a, b).statistic) / (len(a) * len(b))


def memorisation(
    samples: np.ndarray, train: np.ndarray, test: np.ndarray, test_distances: np.ndarray, seed: int
) -> dict[str, float]:
    """Scores of samples' features (s, d) against training (n, d) and test images (m, d); see `neighbours`.

    `test_distances` are those from test images to their nearest training image.
    """
    own = nearest(samples, train)[0][:, 0]
    n = min(len(train), len(test))
    to_train, to_test = (np.median(nearest(samples, x[some(len(x), n, seed)])[0]) for x in (train, test))
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "nn_distance": float(np.median(own)),
            "nn_ratio": float(to_train / to_test),
            "nn_nearer": nearer(own, test_distances),
        }


def neighbours(s: Sample) -> Mapping[str, Value]:
    """How near samples lie to training images, of a run's own samples only.

    nn_distance  median distance to the nearest training image
    nn_ratio     that to as many training as test images over that to the test images: below 1 where memorised
    nn_nearer    the chance that a sample is nearer to its training image than a test image is: 1/2 at best, 1 where
                 memorised, 0 where samples are poor
    """
    assert s.subject is not None  # its descriptor says so
    if not len(s.data.rows("test")):
        return dict.fromkeys(COLUMNS, "the data have no test images")
    if not np.isfinite(s.features).all():
        return dict.fromkeys(COLUMNS, "the features are not finite")
    count, seed = s.request.options["neighbours"], s.request.seed
    train, test = s.data.features("train"), s.data.features("test")
    asked = some(len(test), count, seed)

    def make() -> dict[str, Any]:
        return {"distances": torch.from_numpy(nearest(test[asked], train)[0][:, 0])}

    yardstick = s.data.once("neighbours", {"seed": seed, "n": len(asked)}, make)["distances"].numpy()
    samples = s.features[:count]
    draw(s, s.subject, train)
    return dict(memorisation(samples, train, test, yardstick, seed))


def draw(s: Sample, subject: Subject, train: np.ndarray) -> None:
    """The picture "neighbours": a row for each of the first samples, its nearest training images after it."""
    first = torch.arange(min(ROWS, len(s.features)))
    _, rows = nearest(s.features[: len(first)], train, BESIDE)
    beside = s.data.images(s.data.rows("train")[rows.flatten()])
    found = beside[torch.arange(rows.size)].unflatten(0, rows.shape)
    together = torch.cat([s.images[first][:, None].to(found), found], dim=1)
    subject.show("neighbours", together.flatten(0, 1) / 255)
