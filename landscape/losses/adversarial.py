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

    `lens(real, fake)` is the part of a lens's loss by which lensed reals are taken for fake; it gets fake logits as G
    gets real ones. `mixed(logits, share)`, of a loss of batches that mix real and fake images, replaces `d` in
    training: `share` is the real images' share of the batch. Such losses get the logits of all devices.
    """

    d: Callable[[Tensor, Tensor], Tensor]
    g: Callable[[Tensor, Tensor | None], Tensor]
    needs_real_logits: bool = False
    log_extra: Callable[[Tensor], dict[str, Tensor]] | None = None
    threshold: float | None = 0.0
    configure: Callable[[schema.Loss], Loss] | None = None
    estimate: tuple[float, float] = (0.0, -1.0)
    lens: Callable[[Tensor, Tensor | None], Tensor] | None = None
    mixed: Callable[[Tensor, Tensor], Tensor] | None = None


# With the optimal D, for data p and fakes q.
JENSEN_SHANNON = (log(2), -0.5)
TOTAL_VARIATION = (1.0, -0.5)
TRIANGULAR = (2.0, -4.0)  # the integral of (p - q)^2 / (p + q)
INFORMATION = (log(2), -1.0)  # of a mixed batch about whether one of its images is real


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


def share_d(logits: Tensor, share: Tensor | float) -> Tensor:
    """-r log sigmoid(a) - (1 - r) log(1 - sigmoid(a)) per logit, with the share r of real images in the batch."""
    return softplus(logits) - share * logits


def mbgan_mixed(logits: Tensor, share: Tensor) -> Tensor:
    """E CE(r, a), the loss first and then the mean: M-BGAN of Lucas et al. (arXiv 1806.07185)."""
    return share_d(logits, share).mean()


def bgan_mixed(logits: Tensor, share: Tensor) -> Tensor:
    """CE(r, E a), the mean first and then the loss: BGAN of Lucas et al. (arXiv 1806.07185). At most `mbgan_mixed`."""
    return share_d(logits.mean(), share)


def bgan_d(real: Tensor, fake: Tensor) -> Tensor:
    """`bgan_mixed` of a batch of real and one of fake images."""
    return share_d(real.mean(), 1.0) + share_d(fake.mean(), 0.0)


def bgan_g(fake: Tensor, real: Tensor | None = None) -> Tensor:
    """-log sigmoid(E a_f): a batch of fakes alone is to be taken for real."""
    return softplus(-fake.mean())


def ns_lens(real: Tensor, fake: Tensor | None = None) -> Tensor:
    """-E log(1 - sigmoid(a_r)) of lensed reals (a public implementation of arXiv 1802.04374)."""
    return softplus(real).mean()


def bgan_lens(real: Tensor, fake: Tensor | None = None) -> Tensor:
    """-log(1 - sigmoid(E a_r)) of a batch of lensed reals."""
    return softplus(real.mean())


def wgan_lens(real: Tensor, fake: Tensor | None = None) -> Tensor:
    """E a_r of lensed reals: the opposite of their part of the critic's loss."""
    return real.mean()


def ls_lens(real: Tensor, fake: Tensor | None = None) -> Tensor:
    """E a_r^2 of lensed reals: the fakes' label."""
    return real.square().mean()


def ls_sigmoid_lens(real: Tensor, fake: Tensor | None = None) -> Tensor:
    """1/2 E sigmoid(a_r)^2 of lensed reals."""
    return 0.5 * real.sigmoid().square().mean()


def rpgan_lens(real: Tensor, fake: Tensor | None = None) -> Tensor:
    """E -log sigmoid(a_f - a_r) with lensed reals: the pair swapped."""
    assert fake is not None
    return softplus(real - fake).mean()


LOSSES: dict[str, Loss] = {
    "ns": Loss(ns_d, ns_g, estimate=JENSEN_SHANNON, lens=ns_lens),
    "minimax": Loss(ns_d, minimax_g, estimate=JENSEN_SHANNON, lens=ns_lens),
    "ml": Loss(ns_d, ml_g, log_extra=ml_extra, estimate=JENSEN_SHANNON, lens=ns_lens),
    "wgan": Loss(wgan_d, wgan_g, threshold=None, lens=wgan_lens),
    "ls": Loss(ls_d, ls_g, threshold=0.5, estimate=TRIANGULAR, lens=ls_lens),
    "ls_sigmoid": Loss(ls_sigmoid_d, ls_sigmoid_g, estimate=(2.0, -8.0), lens=ls_sigmoid_lens),  # of half the loss
    "hinge": Loss(hinge_d, wgan_g, estimate=TOTAL_VARIATION, lens=wgan_lens),
    "rpgan": Loss(rpgan_d, rpgan_g, True, threshold=None, estimate=(log(2), -1.0), lens=rpgan_lens),
    "bgan": Loss(bgan_d, bgan_g, estimate=INFORMATION, lens=bgan_lens, mixed=bgan_mixed),
    "mbgan": Loss(ns_d, ns_g, estimate=INFORMATION, lens=ns_lens, mixed=mbgan_mixed),
}


def get_loss(own: schema.Loss) -> Loss:
    """The loss named `own.kind`, with the parameters that it reads. Raises `UserError` with the legal names."""
    loss = lookup("loss.kind", own.kind, LOSSES)
    return loss.configure(own) if loss.configure else loss
