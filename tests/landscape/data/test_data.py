"""Data sets: what they hold, how they are split, and that their digest covers all of it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from support import kinds

from landscape.config.schema import Data
from landscape.data import DATASETS, SOURCES, Dataset, load_data
from landscape.data.digits import read_table


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_data(Data(kind="digits", size=8))


def test_every_data_set_has_a_file() -> None:
    assert not set(DATASETS) & set(SOURCES)
    assert set(DATASETS) | set(SOURCES) == set(kinds("data", "kind"))


def test_digits_are_scikit_learns() -> None:
    from sklearn.datasets import load_digits

    theirs = load_digits()
    pixels, labels = read_table()
    assert np.array_equal(pixels, theirs.images) and np.array_equal(labels, theirs.target)


def test_digits_keep_their_17_levels_and_order(digits: Dataset) -> None:
    pixels, labels = read_table()
    assert digits.images.shape == (1797, 1, 8, 8) and digits.images.dtype == np.uint8
    assert np.array_equal(np.rint(digits.images[:, 0] / 255 * 16), pixels)
    assert digits.labels is not None and np.array_equal(digits.labels, labels)


def test_split_is_whole_disjoint_and_balanced(digits: Dataset) -> None:
    assert digits.labels is not None
    assert sorted([*digits.train, *digits.test]) == list(range(1797))
    assert np.bincount(digits.labels[digits.test]).tolist() == [50] * 10


@pytest.mark.parametrize("size", [16, 32])
def test_other_sizes_are_the_same_pictures(size: int, digits: Dataset) -> None:
    larger = load_data(Data(kind="digits", size=size))
    assert larger.images.shape == (1797, 1, size, size) and larger.content != digits.content
    k = size // 8
    means = larger.images.reshape(1797, 8, k, 8, k).mean((2, 4))
    assert np.corrcoef(means.ravel(), digits.images.ravel())[0, 1] > 0.95


def test_digest_covers_pixels_labels_and_split(digits: Dataset) -> None:
    def changed(**fields: np.ndarray) -> str:
        return dataclasses.replace(digits, **fields).content  # type: ignore[arg-type]

    assert digits.labels is not None
    images, labels = digits.images.copy(), digits.labels.copy()
    images[5, 0, 3, 3] ^= 1
    labels[7] = (labels[7] + 1) % 10
    others = {
        changed(images=images),
        changed(labels=labels),
        changed(train=digits.train[:-1]),
        changed(test=digits.test[1:]),
        changed(images=digits.images.reshape(1797, 1, 4, 16)),
    }
    assert len(others | {digits.content}) == 6


# Points


@pytest.mark.parametrize(("kind", "modes", "bound", "std"), [("ring", 8, 3.0, 0.02), ("grid", 25, 6.0, 0.05)])
def test_mixtures_have_their_modes_where_they_say(kind: str, modes: int, bound: float, std: float) -> None:
    data = load_data(Data(kind=kind, size=1))
    assert data.images.shape == (20_480, 2, 1, 1) and data.classes == modes and data.labels is not None
    points = (data.images[:, :, 0, 0].astype(np.float64) / 255 * 2 - 1) * bound
    centres = np.stack([points[data.labels == c].mean(0) for c in range(modes)])
    assert np.allclose((points - centres[data.labels]).std(0), std, rtol=0.03)
    if kind == "ring":
        assert np.allclose(np.linalg.norm(centres, axis=1), 2, atol=0.01)
    else:
        assert np.allclose(np.sort(np.unique(np.rint(centres))), [-4, -2, 0, 2, 4])
        assert np.allclose(centres, np.rint(centres), atol=0.01)
    counts = np.bincount(data.labels)
    assert counts.min() > 0.8 * counts.mean()
