"""Squared maximum mean discrepancy with a Gaussian kernel, whose bandwidth is the median distance of real images.

Unlike KID's polynomial kernel, whose MMD compares the first three moments, it tells any two distributions apart
(Gretton et al., JMLR 13, 2012). The bandwidth comes from the real images alone, so that all fakes are measured alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.spatial.distance import pdist

from landscape.metrics.reference_stats import subsample
from landscape.metrics.row_values import Value

if TYPE_CHECKING:
    from landscape.metrics.evaluator import ScoringInput

FOR_MEDIAN = 1000  # real images that the median distance is of
AT_ONCE = 1000  # rows of a kernel matrix, which bounds the memory


def mmd2(fake: np.ndarray, real: np.ndarray, sigma: float, within_real: float | None = None) -> float:
    """Unbiased estimate from features (n, d) and (m, d), with the kernel exp(-|x - y|^2 / 2 sigma^2).

    `within_real` is `within(real, sigma)` if it is known. The value may be negative; its expectation does not depend on
    n and m.
    """
    cross = _kernel_sum(fake, real, sigma) / (len(fake) * len(real))
    return within(fake, sigma) + (within(real, sigma) if within_real is None else within_real) - 2 * cross


def within(x: np.ndarray, sigma: float) -> float:
    """Mean kernel value of two different points of x (n, d)."""
    n = len(x)
    return (_kernel_sum(x, x, sigma) - n) / (n * (n - 1))


def median_distance(x: np.ndarray, seed: int) -> float:
    """Median distance between two points of x (n, d), of `FOR_MEDIAN` random ones."""
    return float(np.median(pdist(x[subsample(len(x), FOR_MEDIAN, seed)])))


def _kernel_sum(x: np.ndarray, y: np.ndarray, sigma: float) -> float:
    squares = np.square(y).sum(1)
    total = 0.0
    for start in range(0, len(x), AT_ONCE):
        part = x[start : start + AT_ONCE]
        squared = np.square(part).sum(1)[:, None] + squares - 2 * part @ y.T
        total += float(np.exp(squared.clip(0) / (-2 * sigma**2)).sum())
    return total


def mmd_score(s: ScoringInput) -> dict[str, Value]:
    """`mmd2` of a set of samples."""
    if not np.isfinite(s.features).all():
        return {"mmd2": "the features are not finite"}
    real, factor = s.data.reference.features, s.request.options["mmd_bandwidth"]

    def make() -> dict[str, Any]:
        sigma = factor * median_distance(real, s.request.seed)
        return {"sigma": sigma, "within": within(real, sigma) if sigma else 0.0}

    known = s.data.cached("mmd", {"part": s.data.part, "seed": s.request.seed, "factor": factor}, make)
    if known["sigma"] == 0:
        return {"mmd2": "at least half of the pairs of real images have equal features"}
    return {"mmd2": mmd2(s.features, real, known["sigma"], known["within"])}
