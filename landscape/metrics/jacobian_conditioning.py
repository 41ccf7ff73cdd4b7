"""Generator conditioning: condition number of M_z = J^T J, with the generator's Jacobian J.

Odena et al., "Is Generator Conditioning Causally Related to GAN Performance?" (arXiv 1802.08768). log kappa(M_z) = 2
log kappa(J), and singular values are computed of J, because squaring loses half the digits. Inactive ReLUs, and images
with fewer pixels than latent dimensions, make M_z singular. kappa is therefore over the nonzero directions, and their
number is reported too. (The study's code relies on rounding instead.)
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
from landscape.networks.conditional import at_labels

if TYPE_CHECKING:
    from landscape.metrics.evaluator import ScoringInput

CHUNK = 32  # directions per pass; needs the memory of generating that many images


def jacobian(g: nn.Module, z: Tensor) -> Tensor:
    """dG/dz (dim, pixels) at one latent z (dim,); g in inference mode.

    Forward-mode differentiation needs one pass per latent dimension, not per pixel. The cost is about that of
    generating as many images.
    """

    def push(direction: Tensor) -> Tensor:
        moved: Tensor = torch.func.jvp(g, (z[None],), (direction[None],))[1]
        return moved.flatten()

    return torch.func.vmap(push, chunk_size=CHUNK)(torch.eye(len(z), dtype=z.dtype, device=z.device))


def conditions(
    g: nn.Module, latents: Tensor, labels: Tensor | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """log kappa(M_z) (n,) and the rank of M_z (n,) at latents (n, dim), and eigenvalues (dim,) of the mean M,
    descending. A conditional g is taken at the latents' labels (n,).

    The logarithm is natural. Singular values below dim * epsilon, relative to the largest, count as zero (in fp32 log
    kappa is at most 22); kappa is over the others and NaN if there are none. g is unchanged.
    """
    dim = latents.shape[1]
    g = copy.deepcopy(g).eval().requires_grad_(False)
    zero = dim * torch.finfo(latents.dtype).eps
    logs, ranks, mean = [], [], torch.zeros(dim, dim, dtype=torch.float64, device=latents.device)
    # TF32 would leave only three digits.
    exact = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=False, allow_tf32=False)
    with torch.no_grad(), parametrize.cached(), exact:
        for i, z in enumerate(latents):
            j = jacobian(at_labels(g, None if labels is None else labels[i : i + 1]), z).double()
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


def conditioning(s: ScoringInput) -> Mapping[str, Value]:
    """`log_condition` and `latent_rank` (means over latents), `log_condition_std`, and `spectrum`.

    The spectrum is log10 of the mean M's nonzero eigenvalues, descending.
    """
    assert s.networks is not None  # because it needs "networks"
    few = s.request.options["jacobians"]
    labels = None if s.networks.labels is None else s.networks.labels[:few]
    logs, ranks, eigenvalues = conditions(s.networks.g, s.networks.latents[:few], labels)
    still = "G's output does not depend on the latent"
    return {
        "log_condition": float(logs.mean()) if ranks.all() else still,
        "log_condition_std": float(logs.std()) if ranks.all() else still,
        "latent_rank": float(ranks.mean()),
        "spectrum": log_spectrum(eigenvalues),
    }
