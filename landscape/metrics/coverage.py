"""Coverage and density: variety and fidelity of samples by the neighborhoods of real images.

Naeem et al., "Reliable fidelity and diversity metrics for generative models" (arXiv 2002.09797). A real image's
neighborhood is the ball up to its k-th nearest other real image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sklearn.metrics import pairwise_distances
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from landscape.metrics.memorization import nearest
from landscape.metrics.row_values import Value

if TYPE_CHECKING:
    from landscape.metrics.evaluator import ScoringInput

AT_ONCE = 1000  # fakes, which bounds the memory


def radii(real: np.ndarray, k: int) -> np.ndarray:
    """Distances (n,) of real images (n, d) to their k-th nearest other; n is above k."""
    return nearest(real, real, k + 1)[0][:, k]


def coverage_density(fake: np.ndarray, real: np.ndarray, reach: np.ndarray, k: int) -> tuple[float, float]:
    """Coverage and density of features (m, d), for real ones (n, d) with `reach` = `radii(real, k)`.

    coverage  share of real neighborhoods that hold a fake; at most 1
    density   number of real neighborhoods that a fake is in, relative to k; 1 is expected of real images
    """
    covered, inside = np.zeros(len(real), dtype=bool), 0
    with threadpool_limits(torch.get_num_threads()):
        for start in range(0, len(fake), AT_ONCE):
            within = pairwise_distances(fake[start : start + AT_ONCE], real) < reach
            covered |= within.any(0)
            inside += int(within.sum())
    return float(covered.mean()), inside / (k * len(fake))


def coverage_score(s: ScoringInput) -> dict[str, Value]:
    """`coverage` and `density` of a set of samples."""
    real, k = s.data.reference.features, s.request.options["coverage_k"]
    columns = ("coverage", "density")
    if not np.isfinite(s.features).all():
        return dict.fromkeys(columns, "the features are not finite")
    if len(real) <= k:
        return dict.fromkeys(columns, f"{len(real)} real images have no neighbor {k}; set a smaller metrics.coverage_k")

    def make() -> dict[str, Any]:
        return {"radii": torch.from_numpy(radii(real, k))}

    reach = s.data.cached("radii", {"part": s.data.part, "k": k}, make)["radii"].numpy()
    return dict(zip(columns, coverage_density(s.features, real, reach, k), strict=True))
