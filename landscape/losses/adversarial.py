"""The adversarial losses: logits in, a scalar out, discriminator and generator side by side.

Every function takes raw discriminator outputs (logits) of shape (batch,) and returns a scalar that its
network *minimises*. Sigmoid and logarithm are never composed by hand: -log sigmoid(a) is softplus(-a).
Adding a loss is one pair of functions, one row of `LOSSES`, one file in `conf/loss`, one row in
`tests/landscape/losses/test_losses.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor
from torch.nn.functional import relu, softplus

from landscape.config.registry import lookup

CAP = 20.0  # of the exponent in `ml`: single precision overflows above 88.7, and Adam's squares far earlier


class Loss(NamedTuple):
    """One adversarial game.

    `d(real, fake)` is the discriminator's loss on logits of real and fake images, `g(fake, real)` the
    generator's; logits are (batch,), the results scalars. Only where `pairs` is true does g look at `real`
    (None otherwise): it costs another pass. `watch(fake)` names what is worth logging of a G step.
    `threshold` is the logit at which D is undecided, None where only differences of logits mean something.
    """

    d: Callable[[Tensor, Tensor], Tensor]
    g: Callable[[Tensor, Tensor | None], Tensor]
    pairs: bool = False
    watch: Callable[[Tensor], dict[str, Tensor]] | None = None
    threshold: float | None = 0.0


def ns_d(real: Tensor, fake: Tensor) -> Tensor:
    """-E log sigmoid(a_r) - E log(1 - sigmoid(a_f)), without the tutorial's factor 1/2.

    Goodfellow et al., "Generative Adversarial Nets" (arXiv 1406.2661), eq. 1. 2 log 2 at equal odds.
    """
    return softplus(-real).mean() + softplus(fake).mean()


def ns_g(fake: Tensor, real: Tensor | None = None) -> Tensor:
    """-E log sigmoid(a_f), the non-saturating cost (arXiv 1406.2661, section 3); its gradient is -sigmoid(-a)."""
    return softplus(-fake).mean()


def minimax_g(fake: Tensor, real: Tensor | None = None) -> Tensor:
    """E log(1 - sigmoid(a_f)), the zero-sum cost (arXiv 1406.2661, eq. 1); its gradient vanishes where D is sure."""
    return -softplus(fake).mean()


def ml_g(fake: Tensor, real: Tensor | None = None) -> Tensor:
    """-1/2 E exp(a_f), maximum likelihood at the optimal D (arXiv 1701.00160, eq. 17); the exponent is capped at 20."""
    return -0.5 * fake.clamp(max=CAP).exp().mean()


def ml_watch(fake: Tensor) -> dict[str, Tensor]:
    """The share of logits whose exponent was capped (they teach G nothing)."""
    return {"capped": (fake > CAP).float().mean()}


def wgan_d(real: Tensor, fake: Tensor) -> Tensor:
    """E a_f - E a_r: minus the critic's estimate of the Wasserstein distance.

    Arjovsky et al., "Wasserstein GAN" (arXiv 1701.07875), eq. 2 with the sign turned to minimise.
    """
    return fake.mean() - real.mean()


def wgan_g(fake: Tensor, real: Tensor | None = None) -> Tensor:
    """-E a_f (arXiv 1701.07875, algorithm 1)."""
    return -fake.mean()


def ls_d(real: Tensor, fake: Tensor) -> Tensor:
    """E (a_r - 1)^2 + E a_f^2 on *raw* outputs, without a factor 1/2.

    Mao et al., "Least Squares GAN" (arXiv 1611.04076), eq. 9, as "The GAN Landscape" prints it (with its
    signs set right). The study's own code is `ls_sigmoid`.
    """
    return (real - 1).square().mean() + fake.square().mean()


def ls_g(fake: Tensor, real: Tensor | None = None) -> Tensor:
    """E (a_f - 1)^2 on raw outputs (arXiv 1611.04076, eq. 9)."""
    return (fake - 1).square().mean()


def ls_sigmoid_d(real: Tensor, fake: Tensor) -> Tensor:
    """1/2 E (sigmoid(a_r) - 1)^2 + 1/2 E sigmoid(a_f)^2: what the study's code computes under the name of LS."""
    return 0.5 * ls_d(real.sigmoid(), fake.sigmoid())


def ls_sigmoid_g(fake: Tensor, real: Tensor | None = None) -> Tensor:
    """1/2 E (sigmoid(a_f) - 1)^2, as the study's code."""
    return 0.5 * ls_g(fake.sigmoid())


def hinge_d(real: Tensor, fake: Tensor) -> Tensor:
    """E max(0, 1 - a_r) + E max(0, 1 + a_f) (Lim & Ye, arXiv 1705.02894, eq. 5); its G is `wgan_g`."""
    return relu(1 - real).mean() + relu(1 + fake).mean()


def rpgan_d(real: Tensor, fake: Tensor) -> Tensor:
    """E -log sigmoid(a_r - a_f), real and fake paired by their place in the batch.

    Jolicoeur-Martineau (arXiv 1807.00734); the pairing of R3GAN (arXiv 2501.05441, eq. 2).
    """
    return softplus(fake - real).mean()


def rpgan_g(fake: Tensor, real: Tensor | None = None) -> Tensor:
    """E -log sigmoid(a_f - a_r) on the same pairs (arXiv 2501.05441)."""
    assert real is not None
    return softplus(real - fake).mean()


LOSSES: dict[str, Loss] = {
    "ns": Loss(ns_d, ns_g),
    "minimax": Loss(ns_d, minimax_g),
    "ml": Loss(ns_d, ml_g, watch=ml_watch),
    "wgan": Loss(wgan_d, wgan_g, threshold=None),
    "ls": Loss(ls_d, ls_g, threshold=0.5),
    "ls_sigmoid": Loss(ls_sigmoid_d, ls_sigmoid_g),
    "hinge": Loss(hinge_d, wgan_g),
    "rpgan": Loss(rpgan_d, rpgan_g, pairs=True, threshold=None),
}


def get_loss(kind: str) -> Loss:
    """The loss called `kind`; raises `landscape.config.errors.UserError` naming the known ones."""
    return lookup("loss.kind", kind, LOSSES)
