"""Regularizers of the generator: terms of its loss. Images are in [0, 1].

A term is a mean over samples and draws its noise by `landscape.distributed`, so that devices can split a batch. A new
one needs a function here, a row of `REGULARIZERS_G`, a file in `conf/reg_g`, and a row in
`tests/landscape/losses/test_generator_penalties.py`.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Generator, Tensor

from landscape import distributed
from landscape.config.registry import lookup
from landscape.config.schema import RegG

Sampler = Callable[[Tensor], Tensor]
# (G, z, G(z), keys, stream) -> the term, and values to log
TermG = Callable[[Sampler, Tensor, Tensor, RegG, Generator], tuple[Tensor, dict[str, Tensor]]]

TINY = 1e-12  # under the root: the norm of no change has no gradient


def quotients(g: Sampler, z: Tensor, fake: Tensor, reg: RegG, rng: Generator) -> Tensor:
    """||G(z) - G(z')|| / ||z - z'|| with z' at distance `epsilon` from z in a direction uniform on the sphere.

    `fake` is G(z). With `reg.per=sample` one of each sample, (batch,); with `batch` one, (1,), in which both norms are
    over the batch of all devices.
    """
    assert reg.epsilon is not None and reg.per is not None
    direction = distributed.normal(z.shape, z, rng)
    step = reg.epsilon * direction / direction.norm(dim=1, keepdim=True)
    moved = (g(z + step) - fake).flatten(1).square().sum(1)
    if lookup("reg_g.per", reg.per, {"sample": False, "batch": True}):
        moved = distributed.gathered(moved).mean(0, keepdim=True)  # of steps of one length
    return (moved + TINY).sqrt() / reg.epsilon


def clamp(g: Sampler, z: Tensor, fake: Tensor, reg: RegG, rng: Generator) -> tuple[Tensor, dict[str, Tensor]]:
    """strength * E [(max(Q, high) - high)^2 + (min(Q, low) - low)^2] for the quotients Q: Jacobian clamping.

    Odena et al. (arXiv 1802.08768), algorithm 1. Logs the mean of Q and the share of Q out of the bounds.
    """
    assert reg.strength is not None and reg.low is not None and reg.high is not None
    q = quotients(g, z, fake, reg, rng)
    out = q.detach() - q.detach().clamp(reg.low, reg.high)
    logged = {"q_mean": q.detach().mean(), "q_outside": (out != 0).float().mean()}
    term = (q - reg.high).relu().square() + (reg.low - q).relu().square()
    return reg.strength * term.mean(), logged


REGULARIZERS_G: dict[str, TermG | None] = {"none": None, "clamp": clamp}


def get_generator_regularizer(kind: str) -> TermG | None:
    """The regularizer of G named `kind`, None for none. Raises `UserError` with the legal names."""
    return lookup("reg_g.penalty", kind, REGULARIZERS_G)
