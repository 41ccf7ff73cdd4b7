"""The floor: real images against real images, once per data set and protocol, whatever the number of runs."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from landscape.config import Data, Latent
from landscape.data import load_data
from landscape.metrics import extractors
from landscape.metrics.frechet import frechet_distance, moments
from landscape.metrics.images import Images
from landscape.metrics.scorer import Scorer
from landscape.protocol import ABOUT, request
from landscape.store import Store
from sweeps.plan import make_plan


def scorer(store: Store, *overrides: str) -> Scorer:
    asked = request(make_plan(list(overrides), multirun=False).runs[0].config)
    assert asked is not None
    data = load_data(Data(kind="ring" if "data=ring" in overrides else "digits", size=8))
    return Scorer(asked, data, Latent(dim=16, dist="normal"), store, torch.device("cpu"))


def test_it_is_the_distance_of_other_real_images_at_each_number(store: Store) -> None:
    """On the digits 1,297 images are left to draw from: the fakes' number and the ladder's first step."""
    made = scorer(store)
    assert made.floor is not None
    assert [n for n, _ in made.floor["by_n"]] == [500, 1000] and made.floor["n"] == 500
    data = load_data(Data(kind="digits", size=8))
    rows = np.random.Generator(np.random.PCG64(42)).permutation(np.sort(data.train))
    for n, distance in made.floor["by_n"]:
        features, _ = made.extractor(torch.from_numpy(data.images[rows[:n]]))
        assert distance == pytest.approx(frechet_distance(moments(features), made.reference), rel=1e-9)
    assert made.floor["fid"] == pytest.approx(made.floor["by_n"][0][1], rel=1e-12)
    assert {"is", "ms_ssim"} <= made.floor.keys() and made.text()["floor"] == made.floor and "floor" in ABOUT


def test_it_falls_as_the_number_grows(store: Store) -> None:
    made = scorer(store, "data=ring", "metrics.n_fake=100")
    assert made.floor is not None
    counts, distances = zip(*made.floor["by_n"], strict=True)
    assert counts == (100, 1000, 2000, 5000, 10000)[: len(counts)] and len(counts) >= 3
    assert distances[0] > 3 * distances[-1] > 0


def test_a_second_run_of_a_protocol_extracts_nothing_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    first = scorer(store)
    extracted: list[int] = []
    real = extractors.Extractor.__call__

    def counted(self: extractors.Extractor, images: Images) -> tuple[np.ndarray, np.ndarray]:
        found = real(self, images)
        extracted.append(len(found[0]))
        return found

    monkeypatch.setattr(extractors.Extractor, "__call__", counted)
    assert scorer(store).floor == first.floor and extracted == []
    # The average's protocol is another, and its real images are the same.
    assert scorer(store, "train.ema=null").floor == first.floor and extracted == []
    # Another score looks at as many as there are fakes, and the distances stand.
    fewer = scorer(store, "metrics.scores=[fid]").floor
    assert fewer is not None and fewer["by_n"] == first.floor["by_n"] and extracted == [500]  # type: ignore[index]
    assert scorer(store, "metrics.real=train").floor != first.floor and extracted == [500, 1297, 500]


def test_there_is_none_where_all_images_are_the_reference(store: Store) -> None:
    assert scorer(store, "metrics.real=all").floor is None
