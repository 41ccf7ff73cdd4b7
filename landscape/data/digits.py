"""scikit-learn's handwritten digits: 1,797 gray images of 8x8 pixels with 17 levels, ten classes. No download."""

from __future__ import annotations

import gzip
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image

from landscape.config.schema import Data
from landscape.data.dataset import Dataset

NATIVE = 8
LEVELS = 16  # pixels run from 0 to 16
TEST_PER_CLASS = 50


@cache
def read_table() -> tuple[np.ndarray, np.ndarray]:
    """Pixels (1797, 8, 8) in 0..16 and labels (1797,), as `sklearn.datasets.load_digits` returns them.

    Reads scikit-learn's file without importing scikit-learn, which takes a second.
    """
    spec = find_spec("sklearn")
    assert spec is not None and spec.submodule_search_locations is not None
    path = Path(spec.submodule_search_locations[0]) / "datasets" / "data" / "digits.csv.gz"
    with gzip.open(path) as f:
        table = np.loadtxt(f, delimiter=",")
    return table[:, :-1].reshape(-1, NATIVE, NATIVE), table[:, -1].astype(np.int64)


def load_digits(data: Data) -> Dataset:
    """All digits at `data.size` (bilinear from 8x8): 1,297 training and 500 test images.

    The test set has 50 random images per class (fixed seed). The file is ordered by writer, so its tail would have
    other writers than the training set.
    """
    pixels, labels = read_table()
    images = np.rint(pixels * (255 / LEVELS)).astype(np.uint8)
    if data.size != NATIVE:
        side = (data.size, data.size)
        images = np.stack([np.asarray(Image.fromarray(i).resize(side, Image.Resampling.BILINEAR)) for i in images])
    rng = np.random.Generator(np.random.PCG64(0))
    test = np.sort(np.concatenate([rng.permutation(np.flatnonzero(labels == c))[:TEST_PER_CLASS] for c in range(10)]))
    train = np.setdiff1d(np.arange(len(images)), test)
    return Dataset("digits", images[:, None], labels, train, test)
