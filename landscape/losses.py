"""The adversarial losses: logits in, a scalar out, discriminator and generator side by side.

Every function takes raw discriminator outputs (logits) of shape (batch,) and returns a scalar that its
network *minimises*. Sigmoid and logarithm are never composed by hand: -log sigmoid(a) is softplus(-a).
Adding a loss is one pair of functions, one row of `LOSSES`, one file in `conf/loss`, one row in
`tests/test_losses.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor
from torch.nn.functional import softplus

from landscape.registry import lookup


class Loss(NamedTuple):
    """One adversarial game.

    `d(real, fake)` is the discriminator's loss on logits of real and fake images, `g(fake)` the
    generator's on logits of fakes; logits are (batch,), the results scalars.
    """

    d: Callable[[Tensor, Tensor], Tensor]
    g: Callable[[Tensor], Tensor]


def ns_d(real: Tensor, fake: Tensor) -> Tensor:
    """-E log sigmoid(a_r) - E log(1 - sigmoid(a_f)), without the tutorial's factor 1/2.

    Goodfellow et al., "Generative Adversarial Nets" (arXiv 1406.2661), eq. 1. 2 log 2 at equal odds.
    """
    return softplus(-real).mean() + softplus(fake).mean()


def ns_g(fake: Tensor) -> Tensor:
    """-E log sigmoid(a_f), the non-saturating cost (arXiv 1406.2661, section 3); its gradient is -sigmoid(-a)."""
    return softplus(-fake).mean()


def wgan_d(real: Tensor, fake: Tensor) -> Tensor:
    """E a_f - E a_r: minus the critic's estimate of the Wasserstein distance.

    Arjovsky et al., "Wasserstein GAN" (arXiv 1701.07875), eq. 2 with the sign turned to minimise.
    """
    return fake.mean() - real.mean()


def wgan_g(fake: Tensor) -> Tensor:
    """-E a_f (arXiv 1701.07875, algorithm 1)."""
    return -fake.mean()


def ls_d(real: Tensor, fake: Tensor) -> Tensor:
    """E (a_r - 1)^2 + E a_f^2 on *raw* outputs, without a factor 1/2.

    Mao et al., "Least Squares GAN" (arXiv 1611.04076), eq. 9, as "The GAN Landscape" prints it (with its
    signs set right). The study's own code squares sigmoid outputs instead; that is another loss.
    """
    return (real - 1).square().mean() + fake.square().mean()


def ls_g(fake: Tensor) -> Tensor:
    """E (a_f - 1)^2 on raw outputs (arXiv 1611.04076, eq. 9)."""
    return (fake - 1).square().mean()


LOSSES: dict[str, Loss] = {
    "ns": Loss(ns_d, ns_g),
    "wgan": Loss(wgan_d, wgan_g),
    "ls": Loss(ls_d, ls_g),
}


def get_loss(kind: str) -> Loss:
    """The loss called `kind`; raises `landscape.errors.UserError` naming the known ones."""
    return lookup("loss.kind", kind, LOSSES)
