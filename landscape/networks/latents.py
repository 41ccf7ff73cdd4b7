"""Latent distributions by name."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from landscape.config.registry import lookup
from landscape.config.schema import Latent


def uniform(n: int, dim: int, rng: Generator) -> Tensor:
    """U(-1, 1), as in the study's code."""
    return torch.rand(n, dim, generator=rng, device=rng.device) * 2 - 1


def normal(n: int, dim: int, rng: Generator) -> Tensor:
    """N(0, 1)."""
    return torch.randn(n, dim, generator=rng, device=rng.device)


LATENTS: dict[str, Callable[[int, int, Generator], Tensor]] = {"uniform": uniform, "normal": normal}


def sample_latents(latent: Latent, n: int, rng: Generator) -> Tensor:
    """Latents (n, dim) on the device of `rng`. Raises `UserError` for an unknown distribution."""
    return lookup("latent.dist", latent.dist, LATENTS)(n, latent.dim, rng)
