"""Inception Score from class predictions (of the classifier that the protocol names)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import log_softmax

if TYPE_CHECKING:
    from landscape.metrics.evaluator import ScoringInput

LEAST = np.finfo(np.float64).tiny  # smallest class probability, because 0 log 0 is 0


def inception_score(logits: np.ndarray, splits: int = 1, shuffle: int | None = None) -> tuple[float, float]:
    """exp E KL(p(y|x) || p(y)): mean and population standard deviation over `splits` consecutive splits.

    `logits` is (n, classes), shuffled first in torch-fidelity's order if `shuffle` is its seed. The score is in [1,
    classes] and grows with the number of images per split. Salimans et al. (arXiv 1606.03498), section 4.
    """
    log_p = log_softmax(np.asarray(logits, dtype=np.float64), axis=1)
    n = len(log_p)
    if shuffle is not None:
        log_p = log_p[np.random.RandomState(shuffle).permutation(n)]
    scores = []
    for i in range(splits):
        part = log_p[i * n // splits : (i + 1) * n // splits]
        p = np.exp(part)
        marginal = np.log(np.maximum(p.mean(0, keepdims=True), LEAST))
        scores.append(np.exp((p * (part - marginal)).sum(1).mean()))
    return float(np.mean(scores)), float(np.std(scores))


def is_score(s: ScoringInput) -> dict[str, float]:
    """`is` and `is_std` of a set of samples."""
    mean, std = inception_score(s.logits, s.protocol.is_splits or 1, s.protocol.is_shuffle)
    return {"is": mean, "is_std": std}
