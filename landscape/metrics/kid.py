"""The Kernel Inception Distance of two sets of features (on whatever extractor the protocol names)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from landscape.metrics.row_values import Value

if TYPE_CHECKING:
    from landscape.metrics.evaluator import Sample

SEED = 2020  # torch-fidelity's, so that the subsets, and with them the numbers, are its


class TooFew(ValueError):
    """A set is smaller than a subset."""


def kid(fake: np.ndarray, real: np.ndarray, subsets: int, size: int) -> tuple[float, float]:
    """Unbiased MMD^2 under the kernel (x.y / d + 1)^3: mean and population standard deviation over random subsets.

    `fake` (n, d) and `real` (m, d); each of the `subsets` draws `size` of either without replacement. Not biased by
    the number of images, and may be negative. Binkowski et al. (arXiv 1801.01401), section 4. Raises `TooFew`.
    """
    if min(len(fake), len(real)) < size:
        raise TooFew(
            f"KID compares subsets of {size} images, and there are {len(fake)} fakes and {len(real)} real images; "
            "metrics.kid_subset_size=N takes smaller ones"
        )
    rng = np.random.RandomState(SEED)
    values = []
    for _ in range(subsets):
        x = fake[rng.choice(len(fake), size, replace=False)]
        y = real[rng.choice(len(real), size, replace=False)]
        values.append(_mmd2(x, y))
    return float(np.mean(values)), float(np.std(values))


def kernel_distance(s: Sample) -> dict[str, Value]:
    """`kid` and `kid_std` of a set of samples."""
    try:
        own = s.request.options
        mean, std = kid(s.features, s.data.reference.features, own["kid_subsets"], own["kid_subset_size"])
    except TooFew as e:
        return {"kid": str(e)}
    return {"kid": mean, "kid_std": std}


def _mmd2(x: np.ndarray, y: np.ndarray) -> float:
    """The unbiased estimate of squared maximum mean discrepancy from x and y, both (n, d)."""
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
