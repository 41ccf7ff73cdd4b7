"""Multi-scale structural similarity between images of one class: high means that a generator repeats itself.

Wang et al., "Multi-scale structural similarity" (2003), as the study computes it: 11x11 Gaussian windows of
sigma 1.5, "valid" only, shrunk to the image at coarse scales while sigma stays; relu'd contrast-structure at
every scale but the last, full SSIM there; the product over scales per channel, then the channels' mean.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d, pad

from landscape.metrics.images import Images

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
WINDOW, SIGMA = 11, 1.5
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def scales_for(size: int) -> int:
    """How many scales have something to say: those whose side is at least 2 (five from 32 px on, three at 8)."""
    sides = [size]
    while len(sides) < len(WEIGHTS):
        sides.append((sides[-1] + 1) // 2)
    return sum(side >= 2 for side in sides)


def weights_for(size: int) -> list[float]:
    """The published weights of the scales in use, made to sum to one again where some are left out."""
    used = WEIGHTS[: scales_for(size)]
    return [w / sum(used) for w in used] if len(used) < len(WEIGHTS) else list(used)


def _window(side: int, dtype: torch.dtype) -> Tensor:
    x = torch.arange(side, dtype=dtype) - (side - 1) / 2
    g = torch.exp(-x.square() / (2 * SIGMA**2))
    return (g / g.sum()).outer(g / g.sum())


def _compare(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Mean SSIM and mean contrast-structure of image pairs (n, 1, h, w) in [0, 255], each of shape (n,)."""
    side = min(WINDOW, a.shape[-1])
    kernel = _window(side, a.dtype).to(a.device)[None, None]
    mean_a, mean_b = conv2d(a, kernel), conv2d(b, kernel)
    var_a = conv2d(a * a, kernel) - mean_a.square()
    var_b = conv2d(b * b, kernel) - mean_b.square()
    cov = conv2d(a * b, kernel) - mean_a * mean_b
    contrast = (2 * cov + C2) / (var_a + var_b + C2)
    luminance = (2 * mean_a * mean_b + C1) / (mean_a.square() + mean_b.square() + C1)
    return (luminance * contrast).mean((1, 2, 3)), contrast.mean((1, 2, 3))


def _halve(x: Tensor) -> Tensor:
    """2x2 means; an odd side is padded by repeating its edge ("symmetric")."""
    x = pad(x, (0, x.shape[-1] % 2, 0, x.shape[-2] % 2), mode="replicate")
    return avg_pool2d(x, 2)


def ms_ssim(a: Tensor, b: Tensor) -> Tensor:
    """MS-SSIM of pairs: `a` and `b` are (n, channels, side, side) in [0, 255]; returns (n,), 1 for equal images."""
    n, channels = a.shape[:2]
    a, b = a.double().flatten(0, 1)[:, None], b.double().flatten(0, 1)[:, None]
    weights = weights_for(a.shape[-1])
    result = torch.ones(n * channels, dtype=a.dtype, device=a.device)
    for scale, weight in enumerate(weights):
        ssim, contrast = _compare(a, b)
        last = scale == len(weights) - 1
        result = result * (ssim if last else contrast).relu() ** weight
        if not last:
            a, b = _halve(a), _halve(b)
    return result.unflatten(0, (n, channels)).mean(1)


def within_class(images: Images, classes: np.ndarray, per_class: int) -> float:
    """Mean MS-SSIM over all pairs of the first `per_class` images of each class; NaN where no class has two.

    `images` is (n, channels, side, side) in [0, 255], `classes` (n,). Every pair weighs the same.
    """
    left, right = [], []
    for c in np.unique(classes):
        members = np.flatnonzero(classes == c)[:per_class]
        i, j = np.triu_indices(len(members), 1)
        left.append(members[i])
        right.append(members[j])
    first, second = torch.from_numpy(np.concatenate(left)), torch.from_numpy(np.concatenate(right))
    if len(first) == 0:
        return float("nan")
    return float(ms_ssim(images[first], images[second]).mean())
