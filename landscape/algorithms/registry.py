"""Algorithms by name. CONTRIBUTING.md has the recipe for a new one."""

from __future__ import annotations

from landscape.algorithms.algorithm import Algorithm
from landscape.algorithms.gan import GAN
from landscape.config.registry import lookup
from landscape.config.schema import Config

ALGORITHMS: dict[str, Algorithm] = {
    "gan": GAN,
}


def algorithm_of(cfg: Config) -> Algorithm:
    """The algorithm of a run. Raises `UserError` with the legal names."""
    return lookup("algorithm.kind", cfg.algorithm.kind, ALGORITHMS)
