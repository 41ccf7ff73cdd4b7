"""Logs of binomial coefficients, which do not overflow."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special


def log_choose(n: ArrayLike, k: ArrayLike) -> NDArray[np.float64]:
    """log C(n, k), elementwise for integers n >= 0; minus infinity for k outside 0..n."""
    n, k = np.broadcast_arrays(np.asarray(n, float), np.asarray(k, float))
    legal = (k >= 0) & (k <= n)
    k = np.where(legal, k, 0.0)
    logs = special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1)
    return np.where(legal, logs, -np.inf)
