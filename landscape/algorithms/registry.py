"""The families of models, by name; a recipe for another is in CONTRIBUTING.md."""

from __future__ import annotations

from landscape.algorithms.algorithm import Algorithm
from landscape.algorithms.gan import GAN
from landscape.config.registry import lookup
from landscape.config.schema import Config

ALGORITHMS: dict[str, Algorithm] = {
    "gan": GAN,
}


def algorithm_of(cfg: Config) -> Algorithm:
    """The algorithm of a run; raises `UserError` naming the known ones."""
    return lookup("algorithm.kind", cfg.algorithm.kind, ALGORITHMS)
