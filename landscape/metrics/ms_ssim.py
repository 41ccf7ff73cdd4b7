"""Multi-scale structural similarity (MS-SSIM) between images of one kind. High values mean low diversity.

Wang et al., "Multi-scale structural similarity" (2003), as in the study: 11x11 Gaussian windows with sigma 1.5, "valid"
padding, smaller windows for small images; ReLU of the contrast-structure term at every scale but the last, full SSIM
there; the product over scales per channel, then the mean over channels. The study compares all pairs within batches of
64, over five batches. For data with several classes, pairs within a class are more informative.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

from landscape.metrics.image_sources import Images

if TYPE_CHECKING:
    from landscape.metrics.evaluator import ScoringInput

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
WINDOW, SIGMA = 11, 1.5
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
BATCHES, BATCH = 5, 64  # as in the study
CHUNK = 2**18  # values per side compared at a time: 2 MiB in float64


def scales_for(size: int) -> int:
    """Number of scales with a side of at least 2 (five from 32 px on, three at 8)."""
    sides = [size]
    while len(sides) < len(WEIGHTS):
        sides.append((sides[-1] + 1) // 2)
    return sum(side >= 2 for side in sides)


def weights_for(size: int) -> list[float]:
    """The published weights of the scales in use, normalized to sum to one."""
    used = WEIGHTS[: scales_for(size)]
    return [w / sum(used) for w in used] if len(used) < len(WEIGHTS) else list(used)


def protocol(size: int, pairs: str | None, per_class: int | None) -> dict[str, Any]:
    """The protocol's entry on MS-SSIM for images of this size."""
    if pairs == "batches":
        how: dict[str, Any] = {"pairs": "all within a batch", "batches": BATCHES, "batch_size": BATCH}
    else:
        how = {"pairs": "within the class that the extractor predicts", "pairs_per_class": per_class}
    return {**how, "weights": weights_for(size)}


def _averager(side: int, dtype: torch.dtype) -> Tensor:
    """Matrix A (side - window + 1, side) of Gaussian averages along one axis; averages of an image x are A x A^T."""
    window = min(WINDOW, side)
    x = torch.arange(window, dtype=dtype) - (window - 1) / 2
    g = torch.exp(-x.square() / (2 * SIGMA**2))
    rows = side - window + 1
    matrix = torch.zeros(rows, side, dtype=dtype)
    for row in range(rows):
        matrix[row, row : row + window] = g / g.sum()
    return matrix


def _halve(x: Tensor) -> Tensor:
    """2x2 average pooling. Odd sides are padded by repeating the edge."""
    x = pad(x, (0, x.shape[-1] % 2, 0, x.shape[-2] % 2), mode="replicate")
    return avg_pool2d(x, 2)


def _compare(images: Tensor, pairs: Tensor) -> tuple[Tensor, Tensor]:
    """Mean SSIM and mean contrast-structure of pairs (2, k) of `images` at one scale, each (k, channels).

    Statistics of single images are computed once, not per pair.
    """
    matrix = _averager(images.shape[-1], images.dtype).to(images.device)

    def average(x: Tensor) -> Tensor:
        return matrix @ x @ matrix.T

    mean, square = average(images), average(images.square())
    ssims, contrasts = [], []
    for i, j in pairs.split(max(1, CHUNK // images[0].numel()), dim=1):
        product = mean[i] * mean[j]
        squares = mean[i].square() + mean[j].square()
        contrast = (2 * (average(images[i] * images[j]) - product) + C2) / (square[i] + square[j] - squares + C2)
        ssims.append(((2 * product + C1) / (squares + C1) * contrast).mean((2, 3)))
        contrasts.append(contrast.mean((2, 3)))
    return torch.cat(ssims), torch.cat(contrasts)


def ms_ssim(images: Tensor, pairs: Tensor) -> Tensor:
    """MS-SSIM (k,) of pairs: `images` is (n, channels, side, side) in [0, 255], `pairs` (2, k) are indices.

    1 for equal images. Needs the memory of the images and a few copies of `CHUNK` values.
    """
    images, pairs = images.double(), pairs.to(images.device)
    weights = weights_for(images.shape[-1])
    result = torch.ones(pairs.shape[1], images.shape[1], dtype=images.dtype, device=images.device)
    for scale, weight in enumerate(weights):
        ssim, contrast = _compare(images, pairs)
        last = scale == len(weights) - 1
        result = result * (ssim if last else contrast).relu() ** weight
        if not last:
            images = _halve(images)
    return result.mean(1)


def _mean_within(images: Images, groups: Iterable[np.ndarray]) -> float:
    """Mean over all pairs within the groups, each pair weighted equally; NaN if there are no pairs."""
    found = [
        ms_ssim(images[torch.from_numpy(group)], torch.triu_indices(len(group), len(group), 1))
        for group in groups
        if len(group) > 1
    ]
    return float(torch.cat(found).mean()) if found else float("nan")


def within_class(images: Images, classes: np.ndarray, per_class: int) -> float:
    """Mean MS-SSIM over all pairs of the first `per_class` images of each class; NaN if no class has two.

    `images` is (n, channels, side, side) in [0, 255], `classes` is (n,).
    """
    return _mean_within(images, (np.flatnonzero(classes == c)[:per_class] for c in np.unique(classes)))


def within_batches(images: Images, n: int) -> float:
    """Mean MS-SSIM over all pairs within each of the first five batches of 64, as in the study.

    Only pairs i < j: MS-SSIM is symmetric, so the mean equals that over the 4,032 ordered pairs. NaN if n < 320.
    """
    if n < BATCHES * BATCH:
        return float("nan")
    return _mean_within(images, np.arange(BATCHES * BATCH).reshape(BATCHES, BATCH))


def within(images: Images, n: int, how: Mapping[str, Any], classes: Callable[[], np.ndarray]) -> float:
    """Mean MS-SSIM of `n` images under a protocol (`how` is from `protocol`); NaN if there are too few.

    `classes` returns classes (n,). It is called only for pairs within a class.
    """
    if "batches" in how:
        return within_batches(images, n)
    return within_class(images, classes(), how["pairs_per_class"])


def ms_ssim_score(s: ScoringInput) -> dict[str, float]:
    """`ms_ssim` of a set of samples."""
    return {"ms_ssim": within(s.images, len(s.features), s.protocol.ms_ssim, lambda: s.logits.argmax(1))}
