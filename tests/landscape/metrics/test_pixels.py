"""Features of random convolutions: the same everywhere, and a distance on them that rises with what they can see."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from landscape.config.schema import Data, Latent, typed
from landscape.data import load_data
from landscape.metrics.evaluator import Scorer
from landscape.metrics.extractor_pixels import RandomConvolutions
from landscape.metrics.frechet import distance_of_features
from landscape.networks.build import build
from landscape.store import Store
from landscape.store.protocols import EvalRequest
from sweeps.planning.plan import make_plan


@pytest.mark.parametrize(("channels", "side", "features"), [(1, 8, 32), (3, 32, 64), (3, 128, 96)])
def test_features_are_those_of_fixed_weights_and_leave_the_random_state_alone(
    channels: int, side: int, features: int
) -> None:
    before = torch.get_rng_state()
    net = RandomConvolutions(channels, side)
    assert torch.equal(torch.get_rng_state(), before) and net.digest == RandomConvolutions(channels, side).digest
    images = torch.randint(256, (5, channels, side, side), generator=torch.Generator().manual_seed(0))
    found, logits = net(images)
    assert found.shape == (5, features) and logits.shape == (5, 0)
    if side == 8:
        assert net.digest == "bfd4330061c610e102e9c4421ef587582e395e8a7038eda3f9c440c1c4e836ca"


def test_first_features_are_means_of_a_convolution() -> None:
    net = RandomConvolutions(1, 8)
    image = np.random.Generator(np.random.PCG64(0)).integers(0, 256, (8, 8)).astype(np.float64)
    padded = np.pad(image / 127.5 - 1, 1)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3))
    maps = np.einsum("yxij,wij->wyx", windows, net.weights[0][:, 0].numpy())
    found, _ = net(torch.from_numpy(image)[None, None])
    assert found[0, :16].numpy() == pytest.approx(np.maximum(maps, 0).mean((1, 2)), rel=1e-5)


def test_a_run_is_scored_without_labels_or_weights_and_the_distance_rises_on_every_ladder(store: Store) -> None:
    config = make_plan(["metrics=pixels", "metrics.kid_subset_size=100"], multirun=False).runs[0].config
    asked = EvalRequest.of(config)
    assert asked is not None
    data = load_data(Data(kind="digits", size=8))
    scorer = Scorer(asked, data, Latent(dim=128, dist="uniform"), store, torch.device("cpu"))
    assert scorer.floor is not None and scorer.text().features == 32
    floor = scorer.floor["fd_pixels"]

    def distances(*steps: np.ndarray) -> list[float]:
        sets = (torch.from_numpy(np.clip(images, 0, 255)).float() for images in steps)
        found = [distance_of_features(scorer.extractor(images)[0], scorer.reference) for images in sets]
        print([round(distance / floor, 1) for distance in found], "floors")
        return found

    rng = np.random.Generator(np.random.PCG64(0))
    test, train = data.images[rng.permutation(data.test)], data.images[rng.permutation(data.train)]
    noise = 255 * rng.standard_normal(test.shape)
    ladders = [
        distances(*(test + s * noise for s in (0, 0.1, 0.2, 0.4, 0.8))),
        distances(*(gaussian_filter(test.astype(float), (0, 0, s, s)) for s in (0, 0.5, 0.7, 1, 1.5))),
        distances(*(train[np.arange(500) % modes] for modes in (500, 50, 20, 5, 1))),
    ]
    assert all(a < b for values in ladders for a, b in pairwise(values))
    row = scorer.score(build(typed(config), 1)[0])
    assert row["fd_pixels"] > 20 * floor and row["kid"] > 0 and row["mind"] > 20 * scorer.floor["mind"]
    assert distances(np.full((500, 1, 8, 8), 80.0))[0] > 20 * floor
