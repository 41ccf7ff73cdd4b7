"""Which of two cells has the better best of k runs: the complete U-statistic and its studentized permutation test.

theta is the chance that the best of k runs of A beats the best of k independent runs of B, ties counted half: the mean
over all subsets. Divided by its jackknife standard error, its null distribution follows from exchanging labels (at
k = 1 the test of Neubert and Brunner, CSDA 2007): exact for cells of one distribution with any number of runs, and
nearly so for cells with theta = 1/2 and unequal spreads. If runs of both cells share setting and seed, labels are
exchanged within these pairs, and the variance accounts for their covariance.

Distances are lower-is-better and may be infinite (diverged): these are ties, worse than all others.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from itertools import combinations, product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from analysis.estimators.log_choose import log_choose
from landscape.config.seeds import needed

Array = NDArray[np.float64]
Labels = NDArray[np.bool_]

ALL = 20_000  # arrangements up to which all are enumerated
DRAWS, FEW = 9_999, 999  # else random ones; after FEW, values far from a claim are not refined
FAR = 0.2
FREE = 9  # runs per cell from which a claim at k = 1 does not need similar spreads
SEED = 0
ROWS = 2_000  # arrangements per batch


class Pair(NamedTuple):
    """Two cells at one k: theta, the variance of its estimate, their studentized T, and the two-sided p of T.

    lower, upper  a confidence interval of theta of about 95 % for this pair alone; it decides nothing
    """

    theta: float
    variance: float
    statistic: float
    p: float
    lower: float
    upper: float


def compare(a: Array, b: Array, k: int = 1, shared: int = 0, level: float = 0.05) -> Pair:
    """The test of theta = 1/2; the first `shared` values `a[i]` and `b[i]` are of one setting and seed.

    There are enough random permutations to reach `level`, from a fixed seed: equal values give equal results. Raises
    `ValueError` for NaN, and for a k without a variance estimate (k >= n).
    """
    a, b = (_checked(values, k) for values in (a, b))
    n, m = len(a), len(b)
    if not 0 <= shared <= min(n, m):
        raise ValueError(f"{shared} pairs of {n} and {m} values: not possible")
    values = np.concatenate([a, b])
    order = np.argsort(values, kind="stable")
    ends = np.flatnonzero(np.r_[values[order][1:] != values[order][:-1], True])
    place = np.empty(n + m, np.int64)
    place[order] = np.arange(n + m)
    # Positions of each pair in the order of all; which of the two comes first does not affect the null.
    pairs = np.sort(np.stack([place[:shared], place[n : n + shared]], axis=1), axis=1)
    pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    labels = np.zeros((1, n + m), bool)
    labels[0, place[:n]] = True
    theta, parts = _statistics(labels, ends, n, k, pairs)
    t = float(_studentized(theta, parts)[0])
    estimate, (of_a, of_b, both) = float(theta[0]), (float(part[0]) for part in parts)
    key = (n, m, k, ends.astype(np.int64).tobytes(), pairs.astype(np.int64).tobytes())
    if arrangements(n, m, shared) <= ALL:
        p = _p_value(t, _null(*key, 0))
    else:
        p = _p_value(t, _null(*key, FEW), seen=1)
        if p <= FAR:
            p = _p_value(t, _null(*key, max(DRAWS, math.ceil(4 / level))), seen=1)
    low, high = _interval(estimate, of_a, of_b, both, n, m, k)
    return Pair(estimate, of_a + of_b + both, t, p, low, high)


def arrangements(n: int, m: int, shared: int = 0) -> int:
    """The number of ways to exchange labels."""
    return int(2**shared * math.comb(n + m - 2 * shared, n - shared))


def ordered_by(n: int, m: int, k: int, level: float) -> str:
    """Why no order of two cells can be claimed at this k and level, however far apart they are; "" if one can.

    With fewer runs, a cell that is split evenly around a tight rival would be called different though neither is
    better.
    """
    least = min(n, m)
    if least < 4 or (least == 4 and n != m):
        return f"{least} runs against {max(n, m)}" if n != m else f"{n} runs per cell"
    if k > 1 and least < needed(k, level):
        return f"k = {k} needs {needed(k, level)} runs per cell"
    return ""


def alike_in_spread(a: Array, b: Array, scaled: Callable[[Array], Array] = np.log) -> bool:
    """Whether a difference at k = 1 may be called "better".

    Always with nine runs per cell; with fewer if no spread (of the finite values as `scaled`, by default their logs)
    exceeds three times the other.
    """
    if min(len(a), len(b)) >= FREE:
        return True
    with np.errstate(divide="ignore"):
        parts = [scaled(x[np.isfinite(x)]) for x in (np.asarray(a, float), np.asarray(b, float))]
    parts = [np.where(np.isneginf(part), np.log(np.finfo(float).tiny), part) for part in parts]  # a distance of zero
    if min(map(len, parts)) < 2:
        return True
    low, high = sorted(float(part.std(ddof=1)) for part in parts)
    return high <= 3 * low


def _statistics(
    labels: Labels, ends: NDArray[np.int64], n: int, k: int, pairs: NDArray[np.int64]
) -> tuple[Array, tuple[Array, Array, Array]]:
    """theta, and the parts of its variance from A, from B, and from the covariance of pairs, for each row of labels.

    `labels` marks A's values, in the order of all values; `ends` is where each group of ties ends.
    """
    rows, size = labels.shape
    m = size - n
    count_a = np.cumsum(labels, axis=1, dtype=np.int32)
    count_b = np.arange(1, size + 1, dtype=np.int32) - count_a
    group = np.repeat(np.arange(len(ends)), np.diff(ends, prepend=-1))
    zero = np.zeros((rows, 1), np.int32)

    def beaten(count: NDArray[np.int32], of: int) -> Array:
        """For each value, the chance that the best of k of the other cell is above it, ties counted half."""
        table = np.exp(log_choose(np.arange(of + 1), k) - log_choose(of, k))
        at_end = table[of - count[:, ends]]
        before = table[of - np.concatenate([zero, count[:, ends[:-1]]], axis=1)]
        return np.asarray(((at_end + before) / 2)[:, group])

    g, h = beaten(count_b, m), 1 - beaten(count_a, n)
    # Weights of the i-th lowest of a cell: as the best of k, as the best if one run is given, and as that run.
    best_a, given_a, own_a = _weights(n, k)
    _, given_b, own_b = _weights(m, k)
    rank_a, rank_b = np.maximum(count_a - 1, 0), np.maximum(count_b - 1, 0)
    mine_g, mine_h = np.where(labels, g, 0.0), np.where(labels, 0.0, h)
    theta = np.round((mine_g * best_a[rank_a]).sum(1), 12)
    a, b = own_a[rank_a] * g, own_b[rank_b] * h
    if k > 1:
        for part, mine, given, rank in ((a, mine_g, given_a, rank_a), (b, mine_h, given_b, rank_b)):
            sums = np.cumsum(mine * given[rank], axis=1)
            part[:, 1:] += sums[:, :-1]
    deviations = np.where(labels, a, b) - theta[:, None]
    squares = deviations**2
    scale_a, scale_b = ((size - 1) * k**2 / (size * (size - k) ** 2) for size in (n, m))
    of_a = scale_a * np.where(labels, squares, 0.0).sum(1)
    of_b = scale_b * np.where(labels, 0.0, squares).sum(1)
    both = 2 * math.sqrt(scale_a * scale_b) * (deviations[:, pairs[:, 0]] * deviations[:, pairs[:, 1]]).sum(1)
    return theta, (of_a, of_b, both)


@lru_cache(maxsize=256)
def _weights(n: int, k: int) -> tuple[Array, Array, Array]:
    i = np.arange(1, n + 1)
    best = np.exp(log_choose(n - i, k - 1) - log_choose(n, k))
    given = np.exp(log_choose(np.maximum(n - i - 1, 0), k - 2) - log_choose(n - 1, k - 1))
    given[-1] = 0.0
    return best, given, np.exp(log_choose(n - i, k - 1) - log_choose(n - 1, k - 1))


def _studentized(theta: Array, parts: tuple[Array, Array, Array]) -> Array:
    return np.asarray((theta - 0.5) / np.sqrt(np.maximum(parts[0] + parts[1] + parts[2], 1e-12)))


@lru_cache(maxsize=2048)
def _null(n: int, m: int, k: int, ends: bytes, pairs: bytes, draws: int) -> Array:
    """The sorted values of T under `draws` random arrangements of labels, or under all of them if `draws` is 0.

    It depends only on the pattern of ties and pairs: cells without ties share it.
    """
    at, of_pairs = np.frombuffer(ends, np.int64), np.frombuffer(pairs, np.int64).reshape(-1, 2)
    labels = _arranged(n, m, of_pairs, draws)
    found = [_studentized(*_statistics(labels[i : i + ROWS], at, n, k, of_pairs)) for i in range(0, len(labels), ROWS)]
    return np.sort(np.concatenate(found))


def _arranged(n: int, m: int, pairs: NDArray[np.int64], draws: int) -> Labels:
    """Rows of labels: `draws` random arrangements, or all of them if `draws` is 0."""
    size, shared = n + m, len(pairs)
    rest = np.setdiff1d(np.arange(size), pairs)
    free = n - shared
    if not draws:
        picked = [np.array(one, np.int64) for one in combinations(range(len(rest)), free)]
        swaps = np.array(list(product((False, True), repeat=shared)), bool).reshape(2**shared, shared)
        labels = np.zeros((len(swaps), len(picked), size), bool)
        labels[:, :, pairs[:, 0]], labels[:, :, pairs[:, 1]] = swaps[:, None, :], ~swaps[:, None, :]
        if free:
            labels[:, np.arange(len(picked))[:, None], rest[np.stack(picked)]] = True
        return labels.reshape(-1, size)
    generator = np.random.default_rng(SEED)
    labels = np.zeros((draws, size), bool)
    swaps = generator.random((draws, shared)) < 0.5
    labels[:, pairs[:, 0]], labels[:, pairs[:, 1]] = swaps, ~swaps
    if free:
        taken = np.argpartition(generator.random((draws, len(rest))), free - 1, axis=1)[:, :free]
        np.put_along_axis(labels, rest[taken], True, axis=1)
    return labels


def _p_value(t: float, null: Array, seen: int = 0) -> float:
    """Twice the smaller tail; with random arrangements, the observed one counts as one of them."""
    slack = 1e-9 * abs(t)
    above = len(null) - int(np.searchsorted(null, t - slack, "left"))
    below = int(np.searchsorted(null, t + slack, "right"))
    return min(1.0, 2 * (min(above, below) + seen) / (len(null) + seen))


def _interval(theta: float, of_a: float, of_b: float, both: float, n: int, m: int, k: int) -> tuple[float, float]:
    """Interval of theta on the logit scale, by Student's t with Satterthwaite's degrees of freedom."""
    edge = min(0.25, k**2 / (2 * n * m))
    t = min(max(theta, edge), 1 - edge)
    least = k**2 / (2 * n * m * (n + m))
    if of_a + of_b <= 0:
        of_a = of_b = least / 2
    freedom = (of_a + of_b) ** 2 / (of_a**2 * k / n + of_b**2 * k / m)
    reach = stats.t.ppf(0.975, freedom) * math.sqrt(max(of_a + of_b + both, least)) / (t * (1 - t))
    logit = math.log(t / (1 - t))
    return float(special.expit(logit - reach)), float(special.expit(logit + reach))


def _checked(values: Array, k: int) -> Array:
    values = np.asarray(values, float)
    if np.isnan(values).any() or not 1 <= k < max(2, len(values)) or len(values) < 2:
        raise ValueError(
            f"k = {k} of {len(values)} values, {int(np.isnan(values).sum())} of them missing: not possible"
        )
    return values
