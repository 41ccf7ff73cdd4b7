"""Regularizers of the discriminator: terms of its loss, or weight clipping. Images are in [0, 1].

Strengths depend on the pixel range: gradients with respect to images in [-1, 1] are half as large. A term is a mean
over samples and draws its noise by `landscape.distributed`, so that devices can split a batch. A new one needs a
function here, a row of `REGULARIZERS`, a file in `conf/reg`, and a row in `tests/landscape/losses/test_penalties.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Generator, Tensor, nn

from landscape import distributed
from landscape.config.registry import lookup
from landscape.config.schema import Reg
from landscape.losses.dragan_noise import NOISES

Critic = Callable[[Tensor], Tensor]
Term = Callable[[Critic, Tensor, Tensor, Reg, Generator], Tensor]


class Regularizer(NamedTuple):
    """A choice of `reg`: a term of L_D, or a clamp of D's weights that returns the clipped fraction.

    `per_sample`: the term uses each sample's own gradient, which is undefined if D couples samples (BN).
    """

    term: Term | None = None
    clamp: Callable[[nn.Module, Reg], Tensor] | None = None
    per_sample: bool = True


def squared_gradient_norms(critic: Critic, points: Tensor, sigmoid: bool = False) -> Tensor:
    """Squared L2 norms, shape (batch,), of the gradient of each logit (or its sigmoid) with respect to its own input.

    The graph is kept for double backward, so penalties are not compiled with `torch.compile`.
    """
    points = points.detach().requires_grad_(True)
    out = critic(points)
    if sigmoid:
        out = out.sigmoid()
    (gradient,) = torch.autograd.grad(out.sum(), points, create_graph=True)
    return gradient.flatten(1).square().sum(1)


def squared_differences(critic: Critic, points: Tensor, step: float, rng: Generator) -> Tensor:
    """((a(x + s z) - a(x - s z)) / 2s)^2, shape (batch,), with one z ~ N(0, I) per point and s = `step`.

    Its mean over z is ||grad a(x)||^2 if a is quadratic; else it differs by O(s^2), in third derivatives. Lin et al.
    (arXiv 2501.08316) take the forward difference, whose mean is larger by s^2 / 4 (2 ||H||^2 + (tr H)^2) already if a
    is quadratic with Hessian H. No double backward. Its standard deviation over z is sqrt(2) times the mean.
    """
    z = distributed.normal(points.shape, points, rng)
    ahead, behind = critic(torch.cat([points + step * z, points - step * z]).detach()).chunk(2)
    return ((ahead - behind) / (2 * step)).square()


def two_sided(squared: Tensor, reg: Reg) -> Tensor:
    """strength * E (sqrt(epsilon + ||grad||^2) - target)^2."""
    assert reg.strength is not None and reg.epsilon is not None and reg.target is not None
    return reg.strength * ((reg.epsilon + squared).sqrt() - reg.target).square().mean()


def interpolates(real: Tensor, fake: Tensor, rng: Generator) -> Tensor:
    """x + alpha (x~ - x) with alpha ~ U[0, 1] per sample. real and fake are (batch, channels, h, w)."""
    alpha = distributed.uniform((len(real), 1, 1, 1), real, rng)
    return torch.lerp(real, fake, alpha)


def gradient_penalty(critic: Critic, real: Tensor, fake: Tensor, reg: Reg, rng: Generator) -> Tensor:
    """WGAN-GP, two-sided: strength * E (sqrt(epsilon + ||grad a(x^)||^2) - target)^2 on interpolates.

    Gulrajani et al., "Improved Training of Wasserstein GANs" (arXiv 1704.00028), eq. 3. The epsilon under the root is
    from the study's code.
    """
    return two_sided(squared_gradient_norms(critic, interpolates(real, fake, rng)), reg)


def zero_centered(critic: Critic, real: Tensor, fake: Tensor, reg: Reg, rng: Generator) -> Tensor:
    """strength * E ||grad a(x^)||^2 on interpolates (Thanh-Tung et al., arXiv 1902.03984, eq. 10)."""
    assert reg.strength is not None
    return reg.strength * squared_gradient_norms(critic, interpolates(real, fake, rng)).mean()


def dragan(critic: Critic, real: Tensor, fake: Tensor, reg: Reg, rng: Generator) -> Tensor:
    """The two-sided penalty around the data only (Kodali et al., arXiv 1705.07215, eq. 2).

    Sources disagree on the noise: `reg.noise` selects a convention of `landscape.losses.dragan_noise`.
    """
    assert reg.noise is not None
    noise = lookup("reg.noise", reg.noise, NOISES)
    return two_sided(squared_gradient_norms(critic, noise.perturb(real, rng), noise.on_probability), reg)


def r1(critic: Critic, real: Tensor, fake: Tensor, reg: Reg, rng: Generator) -> Tensor:
    """strength/2 E ||grad a(x)||^2 on real images (Mescheder et al., arXiv 1801.04406, eq. 9, including the 1/2).

    With `reg.difference`, of `squared_differences` in place of the squared gradient.
    """
    assert reg.strength is not None
    if reg.difference is None:
        return reg.strength / 2 * squared_gradient_norms(critic, real).mean()
    return reg.strength / 2 * squared_differences(critic, real, reg.difference, rng).mean()


def r2(critic: Critic, real: Tensor, fake: Tensor, reg: Reg, rng: Generator) -> Tensor:
    """strength/2 E ||grad a(x~)||^2 on fakes (arXiv 1801.04406, eq. 10)."""
    return r1(critic, fake, real, reg, rng)


def r1r2(critic: Critic, real: Tensor, fake: Tensor, reg: Reg, rng: Generator) -> Tensor:
    """R1 + R2 in one forward pass, each a mean over its own half (R3GAN, arXiv 2501.05441)."""
    assert reg.strength is not None
    return reg.strength * squared_gradient_norms(critic, torch.cat([real, fake])).mean()


def weight_tensors(d: nn.Module) -> list[Tensor]:
    """Raw weights of D's convolutions and linear layers: no biases, no norm parameters, before spectral
    normalization."""
    found = []
    for layer in d.modules():
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            parametrized = getattr(layer, "parametrizations", None)
            found.append(layer.weight if parametrized is None else parametrized.weight.original)
    return found


def l2(critic: Critic, real: Tensor, fake: Tensor, reg: Reg, rng: Generator) -> Tensor:
    """strength * mean over weight tensors of 1/2 ||W||^2, as in the study's code."""
    assert reg.strength is not None and isinstance(critic, nn.Module)
    return reg.strength * torch.stack([w.square().sum() / 2 for w in weight_tensors(critic)]).mean()


@torch.no_grad()
def clip(d: nn.Module, reg: Reg) -> Tensor:
    """Clamp D's parameters to [-bound, bound] in place. Returns the fraction of parameters at the bound.

    Arjovsky et al., "Wasserstein GAN" (arXiv 1701.07875), algorithm 1. `reg.norms`: also clamp scales and biases of
    normalizers, as the authors' code does (a scale of 1 becomes 0.01).
    """
    assert reg.bound is not None
    norms = () if reg.norms else (nn.BatchNorm1d, nn.BatchNorm2d, nn.GroupNorm)
    layers = [m for m in d.modules() if not isinstance(m, norms)]
    parameters: list[Tensor] = [p for m in layers for p in m.parameters(recurse=False)]
    torch._foreach_clamp_min_(parameters, -reg.bound)
    torch._foreach_clamp_max_(parameters, reg.bound)
    saturated = torch.stack([(p.abs() >= reg.bound).sum() for p in parameters]).sum()
    return saturated.float() / sum(p.numel() for p in parameters)


REGULARIZERS: dict[str, Regularizer] = {
    "none": Regularizer(per_sample=False),
    "gp": Regularizer(gradient_penalty),
    "gp0": Regularizer(zero_centered),
    "dragan": Regularizer(dragan),
    "r1": Regularizer(r1),
    "r2": Regularizer(r2),
    "r1r2": Regularizer(r1r2),
    "l2": Regularizer(l2, per_sample=False),
    "clip": Regularizer(clamp=clip, per_sample=False),
}


def get_regularizer(kind: str) -> Regularizer:
    """The regularizer named `kind`. Raises `UserError` with the legal names."""
    return lookup("reg.penalty", kind, REGULARIZERS)
