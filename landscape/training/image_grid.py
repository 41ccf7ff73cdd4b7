"""Pictures of samples."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from landscape.config.schema import Config
from landscape.networks.conditional import ROW, rows_of_classes
from landscape.networks.latents import sample_latents
from landscape.rng import stream
from landscape.store.atomic_io import write_whole

GRID = 8  # images in a row, and rows of a picture without classes
POINTS, SIDE = 2048, 256  # samples in, and pixels per side of, a picture of points


MIN_SIDE = 64  # smallest side, in pixels, of a saved image


def enlarge(images: Tensor) -> Tensor:
    """Enlarge small images (..., side, side) by repeating pixels. Points are unchanged."""
    side = images.shape[-1]
    factor = 1 if side == 1 else -(-MIN_SIDE // side)
    return images.repeat_interleave(factor, -1).repeat_interleave(factor, -2)


def samples_per_picture(size: int) -> int:
    """Number of samples in a picture: 64 images, or 2048 points."""
    return POINTS if size == 1 else GRID * GRID


def samples_of_picture(cfg: Config, seed: int) -> tuple[Tensor, ...]:
    """What the generator makes a picture of: latents and, if it is conditional, labels.

    Then there is a row per class, and the same latents in each row.
    """
    n = samples_per_picture(cfg.data.size)
    latents = sample_latents(cfg.latent, n, stream(seed, "samples"))
    if not cfg.arch.conditional:
        return (latents,)
    labels = rows_of_classes(cfg.data.classes or 0)
    return latents[:ROW].repeat(len(labels) // ROW, 1), labels


def save_samples(samples: Tensor, path: Path, most: int = GRID * GRID) -> None:
    """Save samples (n, channels, side, side) in [0, 1] as PNG: a grid of `most` images, or a scatter plot of points."""
    _save(points(samples) if samples.shape[-1] == 1 else grid(samples, most), path)


def save_image(image: Tensor, path: Path) -> None:
    """Save one image (channels, side, side) in [0, 1] as PNG."""
    _save(_to_picture(_pixels(image)), path)


def _save(picture: np.ndarray, path: Path) -> None:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", optimize=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, buffer.getvalue(), durable=False)


def _pixels(images: Tensor) -> np.ndarray:
    return (images.nan_to_num(0, 0, 0).clamp(0, 1) * 255).round().byte().cpu().numpy()


def _to_picture(pixels: np.ndarray) -> np.ndarray:
    """(channels, h, w) to grayscale (h, w) or RGB (h, w, 3)."""
    return pixels[0] if len(pixels) == 1 else pixels[:3].transpose(1, 2, 0)


def points(samples: Tensor) -> np.ndarray:
    """Points (n, 2, 1, 1) in the unit square as pixels (256, 256), brighter where denser. Others are not shown."""
    x, y = samples.nan_to_num(-1, -1, -1).double().cpu().numpy()[:, :2, 0, 0].T
    counts, _, _ = np.histogram2d(1 - y, x, bins=SIDE, range=((0, 1), (0, 1)))
    return np.asarray(np.minimum(24 + 77 * counts, 255), np.uint8)


def grid(images: Tensor, most: int = GRID * GRID) -> np.ndarray:
    """The first `most` images (n, channels, side, side) in [0, 1] in rows of 8, with a dark pixel between images.

    Returns grayscale or RGB pixels, uint8. NaN and infinities are black.
    """
    pixels = _pixels(images[:most])
    n, channels, side, _ = pixels.shape
    rows = -(-n // GRID)
    canvas = np.full((channels, rows * (side + 1) - 1, GRID * (side + 1) - 1), 24, dtype=np.uint8)
    for i, image in enumerate(pixels):
        y, x = divmod(i, GRID)
        canvas[:, y * (side + 1) : y * (side + 1) + side, x * (side + 1) : x * (side + 1) + side] = image
    return _to_picture(canvas)
