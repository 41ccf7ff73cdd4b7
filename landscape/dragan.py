"""DRAGAN's perturbations of real images: five conventions found in papers and code, kept apart.

`s` is a standard deviation of the batch; images (batch, channels, h, w) lie in [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Generator, Tensor


class Noise(NamedTuple):
    """Where the penalty is taken, and whether of the logit or of its sigmoid."""

    perturb: Callable[[Tensor, Generator], Tensor]
    of_sigmoid: bool = False


def _uniform(shape: torch.Size | tuple[int, ...], x: Tensor, rng: Generator) -> Tensor:
    return torch.rand(shape, generator=rng, device=x.device, dtype=x.dtype)


def study(x: Tensor, rng: Generator) -> Tensor:
    """clip(x + s (U - 1/2), 0, 1), s the population deviation of the whole batch: the study's code."""
    s = x.std(correction=0)
    return (x + s * (_uniform(x.shape, x, rng) - 0.5)).clamp(0, 1)


def authors(x: Tensor, rng: Generator) -> Tensor:
    """x + alpha s U / 2 with alpha ~ U[0, 1] a sample, s over the whole batch: the authors' notebook."""
    alpha = _uniform((len(x), 1, 1, 1), x, rng)
    return x + alpha * 0.5 * x.std(correction=0) * _uniform(x.shape, x, rng)


def per_pixel(x: Tensor, rng: Generator) -> Tensor:
    """x + s U / 2, s each pixel's own deviation over the batch: chainer-gan-lib."""
    return x + 0.5 * x.std(0, correction=0, keepdim=True) * _uniform(x.shape, x, rng)


def normal(x: Tensor, rng: Generator) -> Tensor:
    """x + N(0, s^2 I), the paper's form (arXiv 1705.07215, eq. 2); it leaves the scale open, s is the batch's."""
    return x + x.std(correction=0) * torch.randn(x.shape, generator=rng, device=x.device, dtype=x.dtype)


NOISES: dict[str, Noise] = {
    "study": Noise(study),
    "authors": Noise(authors),
    "authors_sigmoid": Noise(authors, of_sigmoid=True),  # the code of "Are GANs Created Equal?"
    "per_pixel": Noise(per_pixel),
    "normal": Noise(normal),
}
