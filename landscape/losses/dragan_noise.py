"""DRAGAN's perturbations of real images: five conventions from papers and code.

`s` is a standard deviation of the batch. Images are (batch, channels, h, w) in [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Generator, Tensor

from landscape.distributed import normal as gaussian
from landscape.distributed import std, uniform


class Noise(NamedTuple):
    """Where the penalty is evaluated, and whether on D's logit or on its sigmoid."""

    perturb: Callable[[Tensor, Generator], Tensor]
    on_probability: bool = False


def study(x: Tensor, rng: Generator) -> Tensor:
    """clip(x + s (U - 1/2), 0, 1), with s over the whole batch: the study's code."""
    return (x + std(x) * (uniform(x.shape, x, rng) - 0.5)).clamp(0, 1)


def authors(x: Tensor, rng: Generator) -> Tensor:
    """x + alpha s U / 2, with alpha ~ U[0, 1] per sample and s over the whole batch: the authors' notebook."""
    alpha = uniform((len(x), 1, 1, 1), x, rng)
    return x + alpha * 0.5 * std(x) * uniform(x.shape, x, rng)


def per_pixel(x: Tensor, rng: Generator) -> Tensor:
    """x + s U / 2, with s per pixel over the batch: chainer-gan-lib."""
    return x + 0.5 * std(x, per_pixel=True) * uniform(x.shape, x, rng)


def normal(x: Tensor, rng: Generator) -> Tensor:
    """x + N(0, s^2 I) (arXiv 1705.07215, eq. 2). The paper leaves the scale open; here s is over the whole batch."""
    return x + std(x) * gaussian(x.shape, x, rng)


NOISES: dict[str, Noise] = {
    "study": Noise(study),
    "authors": Noise(authors),
    "authors_sigmoid": Noise(authors, on_probability=True),  # the code of "Are GANs Created Equal?"
    "per_pixel": Noise(per_pixel),
    "normal": Noise(normal),
}
