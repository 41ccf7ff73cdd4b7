"""2-D Gaussian mixtures for counting dropped modes: a ring of 8 and a grid of 25.

A point is an "image" with two channels and one pixel. Coordinates are scaled to 0..255 but kept as float32, because 256
levels are as coarse as a mode is wide.
"""

from __future__ import annotations

import numpy as np

from landscape.config.schema import Data
from landscape.data.dataset import Dataset

TRAIN, TEST = 16_384, 4_096


def _mixture(name: str, centers: np.ndarray, std: float, bound: float) -> Dataset:
    """Equally weighted Gaussians around `centers` (modes, 2) in the square [-bound, bound]^2. Labels are modes."""
    rng = np.random.Generator(np.random.PCG64(0))
    labels = rng.integers(len(centers), size=TRAIN + TEST)
    points = centers[labels] + std * rng.standard_normal((TRAIN + TEST, 2))
    images = ((points / bound + 1) / 2 * 255).astype(np.float32)[:, :, None, None]
    return Dataset(name, images, labels.astype(np.int64), np.arange(TRAIN), np.arange(TRAIN, TRAIN + TEST))


def load_ring(data: Data) -> Dataset:
    """8 modes of standard deviation 0.02 on a circle of radius 2 (Metz et al., arXiv 1611.02163), in [-3, 3]^2."""
    angle = 2 * np.pi * np.arange(8) / 8
    return _mixture("ring", 2 * np.stack([np.cos(angle), np.sin(angle)], 1), 0.02, 3.0)


def load_grid(data: Data) -> Dataset:
    """25 modes of standard deviation 0.05 at {-4, -2, 0, 2, 4}^2 (Srivastava et al., arXiv 1705.07761), in [-6,
    6]^2."""
    line = np.array([-4.0, -2.0, 0.0, 2.0, 4.0])
    return _mixture("grid", np.stack(np.meshgrid(line, line), -1).reshape(-1, 2), 0.05, 6.0)
