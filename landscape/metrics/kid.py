"""Kernel Inception Distance between two sets of features (of the extractor that the protocol names)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from landscape.metrics.row_values import Value

if TYPE_CHECKING:
    from landscape.metrics.evaluator import ScoringInput

SEED = 2020  # as in torch-fidelity, for the same subsets and values


class TooFew(ValueError):
    """A set has fewer images than a subset."""


def kid(fake: np.ndarray, real: np.ndarray, subsets: int, size: int) -> tuple[float, float]:
    """Unbiased MMD^2 with the kernel (x.y / d + 1)^3: mean and population standard deviation over random subsets.

    `fake` is (n, d), `real` (m, d). Each of the `subsets` subsets draws `size` images of both without replacement. The
    value may be negative. Binkowski et al. (arXiv 1801.01401), section 4. Raises `TooFew`.
    """
    if min(len(fake), len(real)) < size:
        raise TooFew(
            f"KID compares subsets of {size} images, but there are {len(fake)} fakes and {len(real)} real images; "
            "set a smaller metrics.kid_subset_size"
        )
    rng = np.random.RandomState(SEED)
    values = []
    for _ in range(subsets):
        x = fake[rng.choice(len(fake), size, replace=False)]
        y = real[rng.choice(len(real), size, replace=False)]
        values.append(_mmd2(x, y))
    return float(np.mean(values)), float(np.std(values))


def kid_score(s: ScoringInput) -> dict[str, Value]:
    """`kid` and `kid_std` of a set of samples."""
    try:
        own = s.request.options
        mean, std = kid(s.features, s.data.reference.features, own["kid_subsets"], own["kid_subset_size"])
    except TooFew as e:
        return {"kid": str(e)}
    return {"kid": mean, "kid_std": std}


def _mmd2(x: np.ndarray, y: np.ndarray) -> float:
    """Unbiased estimate of the squared maximum mean discrepancy of x and y, both (n, d)."""
    n = len(x)
    xx, yy, xy = _kernel(x, x), _kernel(y, y), _kernel(x, y)
    within = xx.sum() - np.trace(xx) + yy.sum() - np.trace(yy)
    return float(within / (n * (n - 1)) - 2 * xy.mean())


def _kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    k: np.ndarray = x @ y.T
    k /= x.shape[1]
    k += 1
    cube: np.ndarray = k * k
    cube *= k
    return cube
