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

from landscape.metrics.row_values import Value

if TYPE_CHECKING:
    from landscape.metrics.evaluator import Sample

CHUNK = 32  # directions in one pass: memory is that of generating so many images


def jacobian(g: nn.Module, z: Tensor) -> Tensor:
    """dG/dz (dim, pixels), a row for each latent direction, at one latent z (dim,); g in inference mode.

    By forward differentiation: as many directions as latent dimensions, where backward would take as many passes
    as pixels. Costs about as much as generating so many images.
    """

    def push(direction: Tensor) -> Tensor:
        moved: Tensor = torch.func.jvp(g, (z[None],), (direction[None],))[1]
        return moved.flatten()

    return torch.func.vmap(push, chunk_size=CHUNK)(torch.eye(len(z), dtype=z.dtype, device=z.device))


def conditions(g: nn.Module, latents: Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """log kappa(M_z) (n,), natural, and the rank (n,) of M_z, at each latent (n, dim); the mean M's eigenvalues (dim,).

    Eigenvalues descend. J has the precision of g; a singular value below dim times its rounding, relative to the
    largest, counts as zero (in single precision log kappa ends at 22), and kappa is over the others: NaN where there
    are none. g itself is left alone.
    """
    dim = latents.shape[1]
    g = copy.deepcopy(g).eval().requires_grad_(False)
    zero = dim * torch.finfo(latents.dtype).eps
    logs, ranks, mean = [], [], torch.zeros(dim, dim, dtype=torch.float64, device=latents.device)
    # TF32, where a GPU has it, would leave three digits.
    exact = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=False, allow_tf32=False)
    with torch.no_grad(), parametrize.cached(), exact:
        for z in latents:
            j = jacobian(g, z).double()
            values = torch.linalg.svdvals(j).cpu().numpy()
            seen = values[values > values[0] * zero]
            ranks.append(len(seen))
            logs.append(2 * float(np.log(seen[0] / seen[-1])) if len(seen) else np.nan)
            mean += j @ j.t() / len(latents)
    eigenvalues = torch.linalg.eigvalsh(mean).flip(0).cpu().numpy()
    least = eigenvalues[0] * max(zero**2, dim * np.finfo(np.float64).eps)
    return np.array(logs), np.array(ranks), np.where(eigenvalues > least, eigenvalues, 0)


def log_spectrum(eigenvalues: np.ndarray) -> list[float]:
    """log10 of the eigenvalues that are not zero."""
    return [round(float(v), 6) for v in np.log10(eigenvalues[eigenvalues > 0])]


def conditioning(s: Sample) -> Mapping[str, Value]:
    """`log_condition` and `latent_rank`, means over latents, the former's deviation, and `spectrum`.

    The spectrum is log10 of the mean M's eigenvalues, largest first, without the zeros.
    """
    assert s.subject is not None  # its descriptor says so
    logs, ranks, eigenvalues = conditions(s.subject.g, s.subject.latents[: s.request.options["jacobians"]])
    still = "the latent moves nothing"
    return {
        "log_condition": float(logs.mean()) if ranks.all() else still,
        "log_condition_std": float(logs.std()) if ranks.all() else still,
        "latent_rank": float(ranks.mean()),
        "spectrum": log_spectrum(eigenvalues),
    }
