"""Grids of samples as pictures."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from landscape.files import write_whole

GRID = 8  # images a side


def save_grid(images: Tensor, path: Path) -> None:
    """The first 64 images (n, channels, side, side) in [0, 1] as a PNG of 8x8, one dark pixel between them.

    One channel makes a grey picture, three an RGB one; values that are no numbers come out black.
    """
    pixels = (images[: GRID * GRID].nan_to_num(0, 0, 0).clamp(0, 1) * 255).round().byte().cpu().numpy()
    n, channels, side, _ = pixels.shape
    rows = -(-n // GRID)
    canvas = np.full((channels, rows * (side + 1) - 1, GRID * (side + 1) - 1), 24, dtype=np.uint8)
    for i, image in enumerate(pixels):
        y, x = divmod(i, GRID)
        canvas[:, y * (side + 1) : y * (side + 1) + side, x * (side + 1) : x * (side + 1) + side] = image
    picture = canvas[0] if channels == 1 else canvas[:3].transpose(1, 2, 0)
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", optimize=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, buffer.getvalue(), durable=False)
