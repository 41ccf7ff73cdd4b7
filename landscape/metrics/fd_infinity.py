"""The Frechet distance extrapolated to infinitely many fakes: FD of n fakes is about FD infinity + c / n.

Chong & Forsyth, "Effectively unbiased FID and Inception Score" (arXiv 1911.07023). They take 15 subsets of 5,000 to
50,000 images. Here the smallest is half of the images: below twice the number of features the distance is not linear in
1/n, and the line's intercept is far too low (down to below zero). The real images stay as many as there are, so their
part of the bias stays too: compare with the floor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from landscape.metrics.frechet import Moments, distance_of_features
from landscape.metrics.reference_stats import subsample
from landscape.metrics.row_values import Value

if TYPE_CHECKING:
    from landscape.metrics.evaluator import ScoringInput


class TooFew(ValueError):
    """The smallest subset has no covariance of full rank."""


def extrapolated(features: np.ndarray, q: Moments, points: int, least: float, seed: int) -> tuple[float, float]:
    """FD infinity of features (n, d) to moments, and its standard error.

    A line in 1/N through the distances of `points` random subsets, N evenly spaced from `least` * n to n. The standard
    error is that of the line's intercept. All subsets are of the same images, so other latents vary more than it says.
    Raises `TooFew`.
    """
    n, d = features.shape
    counts = np.linspace(max(int(least * n), 2), n, points).astype(int)
    if counts[0] <= d:
        raise TooFew(
            f"FD infinity extrapolates from subsets of more images than the {d} features, but the smallest has "
            f"{counts[0]}; set a larger metrics.n_fake or metrics.fd_infinity_from"
        )
    subsets = (features[subsample(n, count, seed + i)] for i, count in enumerate(counts))
    distances = np.array([distance_of_features(subset, q) for subset in subsets])
    return intercept(1 / counts, distances)


def intercept(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """The least-squares line's value at x = 0, and its standard error; x and y are (k,), k at least 3."""
    mean, spread = x.mean(), np.square(x - x.mean()).sum()
    slope = ((x - mean) * y).sum() / spread
    at_zero = y.mean() - slope * mean
    variance = np.square(y - at_zero - slope * x).sum() / (len(x) - 2)
    return float(at_zero), float(np.sqrt(variance * (1 / len(x) + mean**2 / spread)))


def fd_infinity(s: ScoringInput) -> dict[str, Value]:
    """`fd_infinity` and `fd_infinity_se` of a set of samples."""
    own = s.request.options
    try:
        value, error = extrapolated(
            s.features, s.reference, own["fd_infinity_points"], own["fd_infinity_from"], s.request.seed
        )
    except TooFew as e:
        return {"fd_infinity": str(e)}
    return {"fd_infinity": value, "fd_infinity_se": error}
