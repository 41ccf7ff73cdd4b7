"""Frechet distance between two sets of features (FID, for the extractor that the protocol names).

The expensive term is Tr (S_p S_q)^(1/2) of d x d covariances. With R'R = S_q (R is computed once for the real images),
R S_p R' is symmetric and has the same eigenvalues, so a symmetric eigensolver suffices. With fewer samples than
features, S_p = X'X / (n - 1) for centered X (n, d), and the nonzero eigenvalues are those of the n x n Gram matrix of X
R'. R is triangular, which halves the cost of multiplications.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.linalg import blas, lapack

from landscape.scores import distance_key

if TYPE_CHECKING:
    from landscape.metrics.evaluator import ScoringInput


class Moments(NamedTuple):
    """Mean (d,), unbiased covariance (d, d), and optionally the covariance's `upper_root`; float64."""

    mean: np.ndarray
    cov: np.ndarray
    root: np.ndarray | None = None


def moments(features: np.ndarray) -> Moments:
    """Moments of features (n, d), n at least 2."""
    features = np.asarray(features, dtype=np.float64)
    return Moments(features.mean(0), np.atleast_2d(np.cov(features, rowvar=False)))


def reference_moments(features: np.ndarray) -> Moments:
    """`moments` with the root, for repeated comparisons. Without the root if the features are not finite."""
    mean, cov, _ = moments(features)
    return Moments(mean, cov, upper_root(cov) if np.isfinite(cov).all() else None)


def upper_root(cov: np.ndarray) -> np.ndarray:
    """An upper triangular R with R'R = cov. Negative eigenvalues (rounding) count as zero.

    Cholesky's decomposition would fail for the covariance of too few samples.
    """
    values, vectors = np.linalg.eigh(cov)
    return np.asarray(np.linalg.qr((vectors * np.sqrt(np.clip(values, 0, None))).T, mode="r"))


def frechet_distance(p: Moments, q: Moments) -> float:
    """|mu_p - mu_q|^2 + Tr(S_p + S_q - 2 (S_p S_q)^(1/2)); NaN if a moment is not finite.

    Heusel et al. (arXiv 1706.08500), eq. 6. Cheapest if one of the roots is known.
    """
    if not _finite(p, q):
        return float("nan")
    if q.root is None and p.root is not None:
        p, q = q, p
    root = upper_root(q.cov) if q.root is None else q.root
    product, _ = lapack.dsygst(p.cov, root, itype=2)  # R S R', its upper triangle
    return _distance(p.mean, float(np.trace(p.cov)), q, product)


def distance_of_features(features: np.ndarray, q: Moments) -> float:
    """`frechet_distance` of features (n, d) to moments. Cheaper if n <= d: no covariance is computed."""
    features = np.asarray(features, dtype=np.float64)
    n, d = features.shape
    if not (np.isfinite(features).all() and _finite(q)):
        return float("nan")
    if n > d or q.root is None:
        return frechet_distance(moments(features), q)
    mean = features.mean(0)
    centred = (features - mean) / np.sqrt(n - 1)
    rooted = blas.dtrmm(1.0, q.root, centred.T)  # R X'
    return _distance(mean, float(np.square(centred).sum()), q, rooted.T @ rooted)


def fid(s: ScoringInput) -> dict[str, float]:
    """The distance of a set of samples, under its extractor's key."""
    return {distance_key(s.request.extractor): distance_of_features(s.features, s.reference)}


def _distance(mean: np.ndarray, variance: float, q: Moments, product: np.ndarray) -> float:
    """The distance from one side's mean and total variance, and a matrix with the eigenvalues of S_p S_q."""
    root_trace = np.sqrt(np.clip(np.linalg.eigvalsh(product, UPLO="U"), 0, None)).sum()
    return float(np.square(mean - q.mean).sum() + variance + np.trace(q.cov) - 2 * root_trace)


def _finite(*sets: Moments) -> bool:
    return all(bool(np.isfinite(m.mean).all() and np.isfinite(m.cov).all()) for m in sets)
