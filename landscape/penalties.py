"""The discriminator's penalties: terms added to its loss, computed on images in [0, 1].

A penalty receives the critic as a callable, so it knows nothing of networks. Strengths are *not* portable
between pixel ranges: gradients with respect to [-1, 1] images are half as large as these.
Adding one is a function here, a row of `PENALTIES`, a file in `conf/reg`, a row in `tests/test_penalties.py`.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from landscape.config import Reg
from landscape.registry import lookup

Critic = Callable[[Tensor], Tensor]
Penalty = Callable[[Critic, Tensor, Tensor, Reg, Generator], Tensor]


def squared_gradient_norms(critic: Critic, points: Tensor) -> Tensor:
    """Squared Euclidean norms, shape (batch,), of the gradient of each raw logit at its own point.

    Differentiable again (the graph is kept), which is why penalties stay out of `torch.compile`.
    """
    points = points.detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(critic(points).sum(), points, create_graph=True)
    return gradient.flatten(1).square().sum(1)


def gradient_penalty(critic: Critic, real: Tensor, fake: Tensor, reg: Reg, rng: Generator) -> Tensor:
    """WGAN-GP: strength * E (sqrt(epsilon + ||grad a(x^)||^2) - target)^2, two-sided.

    x^ = x + alpha (x~ - x) with one alpha ~ U[0, 1] a sample; `real` and `fake` are (batch, channels, h, w)
    in [0, 1]. Gulrajani et al., "Improved Training of Wasserstein GANs" (arXiv 1704.00028), eq. 3; the
    epsilon under the root is the study's code's.
    """
    assert reg.strength is not None and reg.epsilon is not None and reg.target is not None
    alpha = torch.rand(real.shape[0], 1, 1, 1, generator=rng, device=real.device, dtype=real.dtype)
    squared = squared_gradient_norms(critic, torch.lerp(real, fake, alpha))
    return reg.strength * ((reg.epsilon + squared).sqrt() - reg.target).square().mean()


PENALTIES: dict[str, Penalty | None] = {
    "none": None,
    "gp": gradient_penalty,
}


def get_penalty(kind: str) -> Penalty | None:
    """The penalty called `kind`, None where there is none; raises `UserError` naming the known ones."""
    return lookup("reg.penalty", kind, PENALTIES)
