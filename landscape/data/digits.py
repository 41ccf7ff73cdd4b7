"""scikit-learn's handwritten digits: 1,797 grey images of 8x8 pixels in 17 levels, ten classes, no download."""

from __future__ import annotations

import numpy as np
from PIL import Image

from landscape.config import Data
from landscape.data.dataset import Dataset

NATIVE = 8
LEVELS = 16  # pixels run from 0 to 16
TEST_PER_CLASS = 50


def load_digits(data: Data) -> Dataset:
    """All digits at `data.size` (bilinear from 8x8), split into 1,297 for training and 500 for testing.

    The test images are 50 of each class, drawn with a fixed seed: the file is in the order of its writers,
    so that its tail would be other people's hands, not a sample of the same.
    """
    from sklearn.datasets import load_digits as sklearn_digits

    bunch = sklearn_digits()
    images = np.rint(bunch.images * (255 / LEVELS)).astype(np.uint8)
    if data.size != NATIVE:
        side = (data.size, data.size)
        images = np.stack([np.asarray(Image.fromarray(i).resize(side, Image.Resampling.BILINEAR)) for i in images])
    labels = bunch.target.astype(np.int64)
    rng = np.random.Generator(np.random.PCG64(0))
    test = np.sort(np.concatenate([rng.permutation(np.flatnonzero(labels == c))[:TEST_PER_CLASS] for c in range(10)]))
    train = np.setdiff1d(np.arange(len(images)), test)
    return Dataset("digits", images[:, None], labels, train, test)
