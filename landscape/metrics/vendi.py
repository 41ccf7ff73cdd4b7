"""The Vendi score: the effective number of different images in a set.

Friedman & Dieng, "The Vendi score: a diversity evaluation metric for machine learning" (arXiv 2210.02410). It is the
exponential of the entropy of the eigenvalues of K / n, where K holds the cosine similarities of features: n if all are
orthogonal, 1 if all are equal. It knows nothing of real images, so their own score (the floor) is what to compare with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from landscape.metrics.row_values import Value

if TYPE_CHECKING:
    from landscape.metrics.evaluator import ScoringInput


def vendi_score(features: np.ndarray) -> float:
    """The score of features (n, d), with q = 1; features that are zero are similar to none.

    The eigenvalues of X X' / n, with rows of length 1, are those of X'X / n and zeros: the smaller matrix is taken.
    """
    length = np.linalg.norm(features, axis=1, keepdims=True)
    x = features / np.where(length > 0, length, 1)
    n, d = x.shape
    values = np.linalg.eigvalsh((x @ x.T if n < d else x.T @ x) / n)
    p = values[values > 0]
    return float(np.exp(-(p * np.log(p)).sum()))


def vendi(s: ScoringInput) -> dict[str, Value]:
    """`vendi` of a set of samples."""
    if not np.isfinite(s.features).all():
        return {"vendi": "the features are not finite"}
    return {"vendi": vendi_score(s.features)}
