"""Precision and recall for distributions (PRD): quality of the fakes, and coverage of the data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from sklearn.cluster import MiniBatchKMeans
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from landscape.metrics.reference_stats import subsample
from landscape.metrics.row_values import Value

if TYPE_CHECKING:
    from landscape.metrics.evaluator import ScoringInput

BETA = 8  # F_8 weighs recall, F_1/8 precision


def curve(real: np.ndarray, fake: np.ndarray, angles: int) -> tuple[np.ndarray, np.ndarray]:
    """Precision alpha and recall beta (angles,) of histograms (bins,) that sum to one, by ascending slope.

    alpha(l) = sum min(l p, q) and beta(l) = alpha(l) / l for slopes l = tan of `angles` equidistant angles in (0,
    pi/2); p is the data, q the model (eq. 4 and section 3.1).
    """
    slopes = np.tan(np.linspace(1e-10, np.pi / 2 - 1e-10, angles))
    alpha = np.minimum(slopes[:, None] * real, fake).sum(1)
    return alpha.clip(0, 1), (alpha / slopes).clip(0, 1)


def f_scores(real: np.ndarray, fake: np.ndarray, angles: int) -> tuple[float, float]:
    """The largest F_8 (recall) and F_1/8 (precision) on the curve: 1 if p = q, 0 if disjoint."""
    return best_f(*curve(real, fake, angles))


def best_f(alpha: np.ndarray, beta: np.ndarray) -> tuple[float, float]:
    """`f_scores` of a given curve (angles,)."""

    def largest(b: float) -> float:
        return float(((1 + b * b) * alpha * beta / np.maximum(b * b * alpha + beta, 1e-300)).max())

    return largest(BETA), largest(1 / BETA)


def histograms(real: np.ndarray, fake: np.ndarray, clusters: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Histograms (clusters,) of two equally large sets of points over clusters of their union.

    Unequal sizes would let the larger set shape the clusters.
    """
    assert len(real) == len(fake)
    both = np.concatenate([real, fake])
    clusters = min(clusters, len(np.unique(both, axis=0)))
    with threadpool_limits(torch.get_num_threads()):  # use the run's number of threads
        of = MiniBatchKMeans(clusters, n_init=10, random_state=seed).fit_predict(both)
    counts = [np.bincount(part, minlength=clusters) / len(part) for part in (of[: len(real)], of[len(real) :])]
    return counts[0], counts[1]


def precision_recall(
    real: np.ndarray, fake: np.ndarray, clusters: int, angles: int, runs: int, seed: int, average: str = "scores"
) -> tuple[float, float]:
    """F_8 (recall) and F_1/8 (precision) of points (n, d) and (m, d) over `runs` clusterings.

    `average`: "scores" averages the two scores; "curve" takes the scores of the mean curve, as in the authors' code,
    which are never higher.
    """
    n = min(len(real), len(fake))
    real, fake = real[subsample(len(real), n, seed)], fake[subsample(len(fake), n, seed)]
    curves = [curve(*histograms(real, fake, clusters, seed + i), angles) for i in range(runs)]
    if average == "curve":
        return best_f(*np.mean(curves, axis=0))
    found = [best_f(*one) for one in curves]
    recall, precision = np.mean(found, axis=0)
    return float(recall), float(precision)


def prd(s: ScoringInput) -> Mapping[str, Value]:
    """`prd_f8` (recall) and `prd_f1_8` (precision), both in [0, 1], on the protocol's features."""
    if not np.isfinite(s.features).all():
        return dict.fromkeys(("prd_f8", "prd_f1_8"), "the features are not finite")
    own = s.request.options
    recall, precision = precision_recall(
        s.data.features(s.data.part).astype(np.float64),
        s.features,
        own["prd_clusters"],
        own["prd_angles"],
        own["prd_runs"],
        s.request.seed,
        own.get("prd_average") or "scores",
    )
    return {"prd_f8": recall, "prd_f1_8": precision}
