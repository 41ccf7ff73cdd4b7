"""Tuning curves: the best of a budget of k models. Arrays in, numbers out.

Values are lower-is-better and at least `best`, which is 0 for distances; a diverged model is infinite. Two questions
are kept apart:

- *these n runs*: the best of k drawn from them without replacement. Exact (`mean_best`, `chance_all_fail`), no band.
- *future runs*: the best of k new runs of the same kind. Estimated (`median_best`), with a distribution-free band that
  is simultaneous over k (`median_best_band`).

Curves end at k = n. Method: Lourie, Cho and He, "Show Your Work with Confidence" (arXiv 2311.09480), and their package
opda; the band is aimed at the half of the distribution that the curve reads (`bands`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from opda.nonparametric import EmpiricalDistribution

from analysis.estimators.bands import ranks
from analysis.estimators.log_choose import log_choose

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Band:
    """The median of the best of k for future runs: arrays over `ks`, with lower <= point <= upper.

    lower is `best` and upper infinite where there is no bound on that side.
    """

    ks: NDArray[np.int64]
    point: Array
    lower: Array
    upper: Array
    confidence: float
    best: float = 0.0

    @property
    def bounded_above(self) -> NDArray[np.bool_]:
        """Where the band has an upper bound."""
        return np.isfinite(self.upper)

    @property
    def bounded(self) -> NDArray[np.bool_]:
        """Where the band has bounds on both sides."""
        return np.isfinite(self.upper) & (self.lower > self.best)


def budgets(n: int, most: int = 200) -> NDArray[np.int64]:
    """The k at which a curve of n values is drawn: 1 to n, all up to `most`, then evenly spaced on a log axis."""
    if n <= most:
        return np.arange(1, n + 1)
    return np.unique(np.geomspace(1, n, most).round().astype(np.int64))


def median_best(values: Array, ks: NDArray[np.int64], best: float = 0.0) -> Array:
    """The median of the best of k future runs, with the n `values` as their distribution; may be infinite.

    It is the i-th lowest value, i being the lowest for which the best of k is among the i lowest with a chance of one
    half: 1 - (1 - i/n)^k >= 1/2. At k = 1 and even n this is the lower of the two middle values.

    Raises `ValueError` for no values, NaN, values below `best`, or a k outside 1..n.
    """
    values = np.sort(_checked(values, ks, best))
    return np.asarray(values[[median_rank(len(values), int(k)) - 1 for k in ks]])


@lru_cache(maxsize=4096)
def median_rank(n: int, k: int) -> int:
    """The i of `median_best`, in integer arithmetic: the lowest with 2 (n - i)^k <= n^k."""
    i, whole = max(1, round(n * -math.expm1(-math.log(2) / k))), n**k
    while 2 * (n - i) ** k > whole:
        i += 1
    while i > 1 and 2 * (n - i + 1) ** k <= whole:
        i -= 1
    return i


def median_best_band(
    values: Array, ks: NDArray[np.int64], confidence: float = 0.95, least: Array | None = None, best: float = 0.0
) -> Band:
    """`median_best` with a band that covers the true curve at all k at once, with probability `confidence`.

    The values must be independent draws from one distribution, of any form. Diverged runs tie at infinity; with ties
    the coverage is higher than `confidence`. For unknown values, `values` has the upper and `least` the lower bounds:
    the band then holds for all values between them. Raises as `median_best`.
    """
    values = np.sort(_checked(values, ks, best))
    least = values if least is None else np.sort(_checked(least, ks, best))
    # The median of the best of k is the quantile that one run is below with this chance, one half or less.
    first, last = ranks(len(values), -np.expm1(-np.log(2) / np.asarray(ks, float)), confidence)
    lower, upper = np.r_[best, least], np.r_[best, values, np.inf]  # what a value can be
    return Band(ks, median_best(values, ks, best), lower[first], upper[last], confidence, best)


def mean_best(values: Array, ks: NDArray[np.int64], best: float = 0.0) -> Array:
    """The mean of the best of k of these n `values`, drawn without replacement: exact.

    E[best of k] = sum over i of x_(i) C(n-i, k-1) / C(n, k), with x_(1) <= ... <= x_(n). The values must be finite (a
    diverged run counts with the score of an untrained generator). Raises as `median_best`, and for infinite values.
    """
    values = _checked(values, ks, best)
    if not np.isfinite(values).all():
        raise ValueError("the mean of the best takes finite values only")
    if len(values) <= 1000:
        return np.asarray(EmpiricalDistribution(values).u_tuning_curve(ks, minimize=True), float)
    # opda's binomial coefficients overflow from here on: the same sum by logs.
    n, rank, k = len(values), np.arange(1, len(values) + 1), ks[:, None].astype(float)
    weights = np.exp(log_choose(n - rank, k - 1) - log_choose(n, k))
    return np.asarray(weights @ np.sort(values), float)


def chance_all_fail(failed: int, n: int, ks: NDArray[np.int64]) -> Array:
    """The chance, 0 to 1, that k of these n runs, drawn without replacement, are all among the `failed`: exact.

    C(failed, k) / C(n, k). Raises `ValueError` for a k outside 1..n or more failures than runs.
    """
    if not 0 <= failed <= n or np.min(ks) < 1 or np.max(ks) > n:
        raise ValueError(f"{failed} failures of {n} runs, k = {np.min(ks)}..{np.max(ks)}: not possible")
    return np.exp(log_choose(failed, ks) - log_choose(n, ks))


def _checked(values: Array, ks: NDArray[np.int64], best: float) -> Array:
    values = np.asarray(values, float)
    if values.ndim != 1 or len(values) == 0:
        raise ValueError(f"values must be a list of at least one number, not of shape {values.shape}")
    if np.isnan(values).any() or (values < best).any():
        raise ValueError(f"values must be at least {best:g} and not NaN")
    if np.min(ks) < 1 or np.max(ks) > len(values):
        raise ValueError(
            f"k goes from 1 to n = {len(values)}, not {np.min(ks)}..{np.max(ks)}: nothing is said beyond n"
        )
    return values
