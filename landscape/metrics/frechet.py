"""The Frechet distance between two sets of features (FID, on whatever extractor the protocol names)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Moments(NamedTuple):
    """Mean (d,) and unbiased covariance (d, d) of features, float64."""

    mean: np.ndarray
    cov: np.ndarray


def moments(features: np.ndarray) -> Moments:
    """Moments of features (n, d), n at least 2."""
    features = np.asarray(features, dtype=np.float64)
    return Moments(features.mean(0), np.atleast_2d(np.cov(features, rowvar=False)))


def symmetric_root(cov: np.ndarray) -> np.ndarray:
    """The symmetric root of a covariance; eigenvalues that rounding made negative count as zero."""
    values, vectors = np.linalg.eigh(cov)
    return (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T


def frechet_distance(p: Moments, q: Moments) -> float:
    """|mu_p - mu_q|^2 + Tr(S_p + S_q - 2 (S_p S_q)^(1/2)); NaN where a moment is not finite.

    Heusel et al. (arXiv 1706.08500), eq. 6. The trace of the root is taken from the eigenvalues of
    S_p^(1/2) S_q S_p^(1/2), which are those of S_p S_q but real by construction.
    """
    if not all(np.isfinite(part).all() for part in (*p, *q)):
        return float("nan")
    root = symmetric_root(p.cov)
    trace = np.sqrt(np.clip(np.linalg.eigvalsh(root @ q.cov @ root), 0, None)).sum()
    return float(np.square(p.mean - q.mean).sum() + np.trace(p.cov) + np.trace(q.cov) - 2 * trace)
