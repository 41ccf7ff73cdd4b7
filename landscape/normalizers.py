"""The discriminator's normalizers, by name.

Adding one is a function here (or in a file of its own), a row of `NORMALIZERS`, a file in `conf/norm`, a row
in `tests/test_normalizers.py`.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Generator, nn

from landscape.config import Norm
from landscape.registry import lookup
from landscape.spectral import add_spectral_norm


def none(d: nn.Module, norm: Norm, rng: Generator) -> None:
    """Leave the discriminator as it is."""


def spectral(d: nn.Module, norm: Norm, rng: Generator) -> None:
    """Every convolution's and the last linear layer's weight is divided by its spectral norm."""
    assert norm.epsilon is not None
    add_spectral_norm(d, norm.epsilon, rng)


NORMALIZERS: dict[str, Callable[[nn.Module, Norm, Generator], None]] = {"none": none, "sn": spectral}


def normalize(d: nn.Module, norm: Norm, rng: Generator) -> None:
    """Apply `norm` to the initialised discriminator in place; raises `UserError` naming the known kinds."""
    lookup("norm.kind", norm.kind or "none", NORMALIZERS)(d, norm, rng)
