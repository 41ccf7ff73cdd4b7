"""Generator conditioning: how unevenly a step in the latent space moves the image, from G's Jacobian J.

Odena et al., "Is Generator Conditioning Causally Related to GAN Performance?" (arXiv 1802.08768). The metric
M_z = J^T J has the squares of J's singular values as eigenvalues, so log kappa(M_z) = 2 log kappa(J); singular
values are taken of J itself, because squaring first would lose half the digits. Rectifiers that are off, and images
with fewer pixels than the latent has dimensions, make M_z singular: kappa is over the directions that move the image
at all, and their number is reported beside it (the study's code lets rounding stand in for the zeros).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from landscape.metrics.values import Value

if TYPE_CHECKING:
    from landscape.metrics.scorer import Sample

EPSILON = float(np.finfo(np.float64).eps)
CHUNK = 32  # directions in one pass: memory is that of so many images, twice, in double precision


def jacobian(g: nn.Module, z: Tensor) -> Tensor:
    """dG/dz (dim, pixels), a row for each latent direction, at one latent z (dim,); g in inference mode.

    By forward differentiation: as many directions as latent dimensions, where backward would take as many passes
    as pixels.
    """
    rows = []
    for directions in torch.eye(len(z), dtype=z.dtype, device=z.device).split(CHUNK):
        moved = torch.func.jvp(g, (z.repeat(len(directions), 1),), (directions,))[1]
        rows.append(moved.flatten(1))
    return torch.cat(rows)


def conditions(g: nn.Module, latents: Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """log kappa(M_z) (n,), natural, and the rank (n,) of M_z, at each latent (n, dim); the mean M's eigenvalues (dim,).

    Eigenvalues descend. kappa is over singular values that are not zero up to rounding; NaN where all are. g itself
    is left alone: a copy in double precision is asked.
    """
    g = copy.deepcopy(g).double().eval().requires_grad_(False)
    logs, ranks, mean = (
        [],
        [],
        torch.zeros(latents.shape[1], latents.shape[1], dtype=torch.float64, device=latents.device),
    )
    with torch.no_grad(), parametrize.cached():
        for z in latents.double():
            j = jacobian(g, z)
            values = torch.linalg.svdvals(j).cpu().numpy()
            seen = values[values > values[0] * max(j.shape) * EPSILON]
            ranks.append(len(seen))
            logs.append(2 * float(np.log(seen[0] / seen[-1])) if len(seen) else np.nan)
            mean += j @ j.t() / len(latents)
    return np.array(logs), np.array(ranks), torch.linalg.eigvalsh(mean).flip(0).cpu().numpy()


def log_spectrum(eigenvalues: np.ndarray) -> list[float]:
    """log10 of eigenvalues (descending) that are not zero up to rounding."""
    seen = eigenvalues[eigenvalues > eigenvalues.max(initial=0) * len(eigenvalues) * EPSILON]
    return [round(float(v), 6) for v in np.log10(seen)]


def conditioning(s: Sample) -> Mapping[str, Value]:
    """`log_condition` and `latent_rank`, means over latents, the former's deviation, and `spectrum`.

    The spectrum is log10 of the mean M's eigenvalues, largest first, without the zeros.
    """
    if s.subject is None:
        return {}
    logs, ranks, eigenvalues = conditions(s.subject.g, s.subject.latents[: s.protocol["jacobians"]])
    still = "the latent moves nothing"
    return {
        "log_condition": float(logs.mean()) if ranks.all() else still,
        "log_condition_std": float(logs.std()) if ranks.all() else still,
        "latent_rank": float(ranks.mean()),
        "spectrum": log_spectrum(eigenvalues),
    }
