"""MIND, the Monge Inception Distance: 3 d times the squared sliced 2-Wasserstein distance of features.

Berthet et al. (arXiv 2605.06797). No covariance is estimated, so it needs fewer images than a Frechet distance. Subsets
and directions are those of torch-fidelity (after 0.4.0), with its seed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from landscape.metrics.kid import SEED
from landscape.metrics.row_values import Value

if TYPE_CHECKING:
    from landscape.metrics.evaluator import ScoringInput

AT_ONCE = 100  # directions, which bounds the memory


def mind(fake: np.ndarray, real: np.ndarray, projections: int) -> float:
    """MIND of features (n, d) and (m, d); of the larger set a random subset, as both must be equally large.

    The squared 2-Wasserstein distance on a line is the mean squared difference of the sorted values. It is averaged
    over random directions, and 3 d makes it comparable across numbers of features.
    """
    generator = torch.Generator().manual_seed(SEED)
    n = min(len(fake), len(real))
    x, y = (_drawn(part, n, generator) for part in (fake, real))
    directions = torch.randn(projections, x.shape[1], generator=generator)
    directions /= directions.norm(dim=1, keepdim=True).clamp_min(1e-12)
    total = 0.0
    for some in directions.split(AT_ONCE):
        gap = (some @ x.T).sort().values - (some @ y.T).sort().values
        total += float(gap.double().square().mean(1).sum())
    return 3 * x.shape[1] * total / projections


def _drawn(features: np.ndarray, n: int, generator: torch.Generator) -> torch.Tensor:
    rows = torch.randperm(len(features), generator=generator)[:n] if len(features) > n else slice(None)
    return torch.from_numpy(features)[rows].float()


def mind_score(s: ScoringInput) -> dict[str, Value]:
    """`mind` of a set of samples."""
    if not np.isfinite(s.features).all():
        return {"mind": "the features are not finite"}
    return {"mind": mind(s.features, s.data.reference.features, s.request.options["mind_projections"])}
