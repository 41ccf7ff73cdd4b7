"""The classifier's distance means something: it rises with every step away from the real digits."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch

from landscape.config import Data, Latent
from landscape.data import Dataset, load_data
from landscape.metrics.frechet import frechet_distance, moments
from landscape.metrics.scorer import Scorer
from landscape.networks import build
from landscape.protocol import request
from landscape.store import Store
from sweeps.plan import make_plan


@pytest.fixture(scope="module")
def data() -> Dataset:
    return load_data(Data(kind="digits", size=8))


@pytest.fixture
def scorer(data: Dataset, store: Store) -> Scorer:
    asked = request(make_plan([], multirun=False).runs[0].config)
    assert asked is not None
    return Scorer(asked, data, Latent(dim=128, dist="uniform"), store, torch.device("cpu"))


@pytest.fixture
def distance(scorer: Scorer) -> Callable[[np.ndarray], float]:
    """From images in [0, 255] to their distance from the test images."""

    def measure(images: np.ndarray) -> float:
        features, _ = scorer.extractor(torch.from_numpy(np.clip(images, 0, 255)).float())
        return frechet_distance(moments(features), scorer.reference)

    return measure


def rising(values: list[float]) -> bool:
    return all(a < b for a, b in pairwise(values))


def test_noise(data: Dataset, distance: Callable[[np.ndarray], float]) -> None:
    test = data.images[data.test].astype(np.float64)
    noise = np.random.Generator(np.random.PCG64(0)).standard_normal(test.shape)
    assert rising([distance(test + 255 * s * noise) for s in (0, 0.1, 0.2, 0.4, 0.8)])


def test_blur(data: Dataset, distance: Callable[[np.ndarray], float]) -> None:
    from scipy.ndimage import gaussian_filter

    test = data.images[data.test].astype(np.float64)
    assert rising([distance(gaussian_filter(test, (0, 0, s, s))) for s in (0, 0.5, 0.7, 1, 1.5)])


def test_dropped_classes(data: Dataset, distance: Callable[[np.ndarray], float]) -> None:
    assert data.labels is not None
    train = [data.images[data.train][data.labels[data.train] < k] for k in (10, 9, 7, 5, 3, 1)]
    assert rising([distance(part) for part in train])


def test_fewer_modes(data: Dataset, distance: Callable[[np.ndarray], float]) -> None:
    """The same number of images drawn from ever fewer different ones."""
    train = data.images[data.train]
    assert rising([distance(train[np.arange(500) % modes]) for modes in (500, 50, 20, 5, 1)])


def test_real_images_are_far_below_an_untrained_generator_and_a_grey_image(
    data: Dataset, distance: Callable[[np.ndarray], float], scorer: Scorer
) -> None:
    from landscape.config import typed

    g, _ = build(typed(make_plan([], multirun=False).runs[0].config), 1)
    assert scorer.floor is not None
    untrained = scorer.score(g)["fid"]
    grey = distance(np.full((500, 1, 8, 8), 80.0))
    assert untrained > 20 * scorer.floor["fid"]
    assert grey > 20 * scorer.floor["fid"]


def test_extractor_knows_the_digits(scorer: Scorer) -> None:
    assert scorer.text()["accuracy"] > 0.97
