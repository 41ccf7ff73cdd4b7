"""Adversarial losses of D and G.

Every function takes raw logits of shape (batch,) and returns a scalar that its network minimizes. -log sigmoid(a) is
computed as softplus(-a) for numerical stability. A new loss needs a pair of functions, a row of `LOSSES`, a file in
`conf/loss`, and a row in `tests/landscape/losses/test_losses.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from math import log
from typing import NamedTuple

from torch import Tensor
from torch.nn.functional import relu, softplus

from landscape.config import schema
from landscape.config.registry import lookup

MAX_EXPONENT = 20.0  # cap of the exponent in `ml`: fp32 overflows above 88.7, Adam's second moment much earlier


class Loss(NamedTuple):
    """The losses of one adversarial game.

    `d(real, fake)` is the discriminator's loss and `g(fake, real)` the generator's; logits are (batch,), results
    scalars. G gets real logits only if `needs_real_logits` (else None), because they cost another forward pass.
    `log_extra(fake)` returns further scalars to log in a G step. `threshold` is D's decision threshold, None if only
    differences of logits have a meaning. `configure(own)` returns the loss with the run's `loss.*` keys, for a loss
    that has parameters. `estimate` is the offset and the slope that turn D's loss into its estimate of how far fakes
    are from real images: 0 where D cannot tell them apart, and with the optimal D a divergence.
    """

    d: Callable[[Tensor, Tensor], Tensor]
    g: Callable[[Tensor, Tensor | None], Tensor]
    needs_real_logits: bool = False
    log_extra: Callable[[Tensor], dict[str, Tensor]] | None = None
    threshold: float | None = 0.0
    configure: Callable[[schema.Loss], Loss] | None = None
    estimate: tuple[float, float] = (0.0, -1.0)


# With the optimal D, for data p and fakes q.
JENSEN_SHANNON = (log(2), -0.5)
TOTAL_VARIATION = (1.0, -0.5)
TRIANGULAR = (2.0, -4.0)  # the integral of (p - q)^2 / (p + q)


def ns_d(real: Tensor, fake: Tensor) -> Tensor:
    """-E log sigmoid(a_r) - E log(1 - sigmoid(a_f)).

    Goodfellow et al., "Generative Adversarial Nets" (arXiv 1406.2661), eq. 1. Without the factor 1/2 of the tutorial; 2
    log 2 at zero logits.
    """
    return softplus(-real).mean() + softplus(fake).mean()


def ns_g(fake: Tensor, real: Tensor | None = None) -> Tensor:
    """-E log sigmoid(a_f), the non-saturating loss (arXiv 1406.2661, section 3). Its gradient is -sigmoid(-a)."""
    return softplus(-fake).mean()


def minimax_g(fake: Tensor, real: Tensor | None = None) -> Tensor:
    """E log(1 - sigmoid(a_f)), the zero-sum loss (arXiv 1406.2661, eq. 1). Its gradient vanishes if D is confident."""
    return -softplus(fake).mean()


def ml_g(fake: Tensor, real: Tensor | None = None) -> Tensor:
    """-1/2 E exp(a_f), maximum likelihood for the optimal D (arXiv 1701.00160, eq. 17). The exponent is capped at
    20."""
    return -0.5 * fake.clamp(max=MAX_EXPONENT).exp().mean()


def ml_extra(fake: Tensor) -> dict[str, Tensor]:
    """Fraction of logits whose exponent was capped (zero gradient for G)."""
    return {"capped": (fake > MAX_EXPONENT).float().mean()}


def wgan_d(real: Tensor, fake: Tensor) -> Tensor:
    """E a_f - E a_r, the negative of the critic's estimate of the Wasserstein distance.

    Arjovsky et al., "Wasserstein GAN" (arXiv 1701.07875), eq. 2 with the sign flipped for minimization.
    """
    return fake.mean() - real.mean()


def wgan_g(fake: Tensor, real: Tensor | None = None) -> Tensor:
    """-E a_f (arXiv 1701.07875, algorithm 1)."""
    return -fake.mean()


def ls_d(real: Tensor, fake: Tensor) -> Tensor:
    """E (a_r - 1)^2 + E a_f^2 on raw outputs, without a factor 1/2.

    Mao et al., "Least Squares GAN" (arXiv 1611.04076), eq. 9, as printed in "The GAN Landscape" (with corrected signs).
    The study's own code computes `ls_sigmoid`.
    """
    return (real - 1).square().mean() + fake.square().mean()


def ls_g(fake: Tensor, real: Tensor | None = None) -> Tensor:
    """E (a_f - 1)^2 on raw outputs (arXiv 1611.04076, eq. 9)."""
    return (fake - 1).square().mean()


def ls_sigmoid_d(real: Tensor, fake: Tensor) -> Tensor:
    """1/2 E (sigmoid(a_r) - 1)^2 + 1/2 E sigmoid(a_f)^2, which the study's code calls LS."""
    return 0.5 * ls_d(real.sigmoid(), fake.sigmoid())


def ls_sigmoid_g(fake: Tensor, real: Tensor | None = None) -> Tensor:
    """1/2 E (sigmoid(a_f) - 1)^2, as the study's code."""
    return 0.5 * ls_g(fake.sigmoid())


def hinge_d(real: Tensor, fake: Tensor) -> Tensor:
    """E max(0, 1 - a_r) + E max(0, 1 + a_f) (Lim & Ye, arXiv 1705.02894, eq. 5). Its G loss is `wgan_g`."""
    return relu(1 - real).mean() + relu(1 + fake).mean()


def rpgan_d(real: Tensor, fake: Tensor) -> Tensor:
    """E -log sigmoid(a_r - a_f), with real and fake paired by position in the batch.

    Jolicoeur-Martineau (arXiv 1807.00734); pairing as in R3GAN (arXiv 2501.05441, eq. 2).
    """
    return softplus(fake - real).mean()


def rpgan_g(fake: Tensor, real: Tensor | None = None) -> Tensor:
    """E -log sigmoid(a_f - a_r) on the same pairs (arXiv 2501.05441)."""
    assert real is not None
    return softplus(real - fake).mean()


LOSSES: dict[str, Loss] = {
    "ns": Loss(ns_d, ns_g, estimate=JENSEN_SHANNON),
    "minimax": Loss(ns_d, minimax_g, estimate=JENSEN_SHANNON),
    "ml": Loss(ns_d, ml_g, log_extra=ml_extra, estimate=JENSEN_SHANNON),
    "wgan": Loss(wgan_d, wgan_g, threshold=None),
    "ls": Loss(ls_d, ls_g, threshold=0.5, estimate=TRIANGULAR),
    "ls_sigmoid": Loss(ls_sigmoid_d, ls_sigmoid_g, estimate=(2.0, -8.0)),  # TRIANGULAR of half the loss
    "hinge": Loss(hinge_d, wgan_g, estimate=TOTAL_VARIATION),
    "rpgan": Loss(rpgan_d, rpgan_g, needs_real_logits=True, threshold=None, estimate=(log(2), -1.0)),
}


def get_loss(own: schema.Loss) -> Loss:
    """The loss named `own.kind`, with the parameters that it reads. Raises `UserError` with the legal names."""
    loss = lookup("loss.kind", own.kind, LOSSES)
    return loss.configure(own) if loss.configure else loss
