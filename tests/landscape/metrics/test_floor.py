"""The floor: real images against real images, once per data set and protocol, whatever the number of runs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from landscape.config.schema import Data, Latent
from landscape.data import load_data
from landscape.metrics import extractors, ms_ssim
from landscape.metrics.evaluator import Scorer
from landscape.metrics.frechet import frechet_distance, moments
from landscape.metrics.image_sources import Images, NoisyImages, StoredImages
from landscape.metrics.real_baseline import NOISE, HeldOutReal, noisy_floor
from landscape.store import Store
from landscape.store.protocols import ABOUT, EvalRequest
from landscape.training import checkpoint
from sweeps.planning.plan import make_plan


def scorer(store: Store, *overrides: str) -> Scorer:
    asked = EvalRequest.of(make_plan(list(overrides), multirun=False).runs[0].config)
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
    assert made.floor["fd_classifier"] == pytest.approx(made.floor["by_n"][0][1], rel=1e-12)
    assert {"is", "ms_ssim"} <= made.floor.keys() and made.text().floor == made.floor and "floor" in ABOUT


@pytest.mark.parametrize(("data", "size"), [("digits", (71, 71)), ("ring", (256, 256))])
def test_a_picture_of_the_real_images_is_saved_once_for_each_protocol(
    store: Store, data: str, size: tuple[int, int]
) -> None:
    made = scorer(store, f"data={data}")
    with Image.open(store.real_images(made.id)) as picture:
        assert picture.size == size
        assert len(np.unique(np.asarray(picture))) > 2, "no even canvas"
    before = store.real_images(made.id).stat().st_mtime_ns
    scorer(store, f"data={data}")
    assert store.real_images(made.id).stat().st_mtime_ns == before


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


def test_diversity_has_a_level_of_real_images_with_noise(store: Store) -> None:
    """The mean over the floor's own pairs, each image's noise its own; part of the text, and no part of the id."""
    made = scorer(store)
    assert made.floor is not None and made.noisy is not None
    data = load_data(Data(kind="digits", size=8))
    rows = np.random.Generator(np.random.PCG64(42)).permutation(np.sort(data.train))[:500]
    noise = [np.random.Generator(np.random.PCG64([42, row])).standard_normal((1, 8, 8), np.float32) for row in rows]
    noisy = torch.from_numpy(np.clip(np.round(data.images[rows] + np.float32(NOISE) * np.stack(noise)), 0, 255))
    classes = made.extractor(torch.from_numpy(data.images[rows]))[1].argmax(1)
    pairs = made.protocol.ms_ssim["pairs_per_class"]
    assert made.noisy == {"n": 500, "deviation": NOISE, "ms_ssim": ms_ssim.within_class(noisy.float(), classes, pairs)}
    assert made.noisy["ms_ssim"] != made.floor["ms_ssim"]
    assert made.text().floor_noisy == made.noisy and "floor_noisy" in ABOUT
    assert made.id == scorer(store, "metrics.scores=[fid]").id, "scores of before there was noise stay valid"


def test_it_is_there_only_with_ms_ssim_and_asks_for_no_features_where_pairs_are_the_studys(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "floor_noisy" not in scorer(store, "metrics.scores=[fid]").text().to_json()
    first = scorer(store, "metrics.ms_ssim_pairs=batches")
    assert first.noisy is not None
    # A store whose floor is of before there was noise: only what is missing is made.
    for file in (store.cache / "floor").glob("*.pt"):
        if "ms_ssim" in (held := checkpoint.load(file)) and "by_n" not in held and "fd_classifier" not in held:
            file.unlink()
    monkeypatch.setattr(extractors.Extractor, "__call__", lambda *_: pytest.fail("features were extracted"))
    assert scorer(store, "metrics.ms_ssim_pairs=batches").noisy == first.noisy
    few = HeldOutReal(np.arange(319), 319, lambda rows: pytest.fail("features were extracted"))
    other = replace(first.asked, seed=7), replace(first.protocol, seed=7)
    assert noisy_floor(store, *other, few, lambda rows: first.data.images(rows)) is None, "the study's pairs need 320"


def test_the_more_noise_the_more_diverse_and_the_same_noise_whatever_the_order() -> None:
    data = load_data(Data(kind="digits", size=8))
    images = StoredImages(data, np.arange(320), torch.device("cpu"))
    some = torch.tensor([5, 3, 300])
    assert torch.equal(NoisyImages(images, 10, 1)[some], torch.cat(list(NoisyImages(images, 10, 1).split(100)))[some])
    assert not torch.equal(NoisyImages(images, 10, 1)[some], NoisyImages(images, 10, 2)[some])
    levels = [1 - ms_ssim.within_batches(NoisyImages(images, deviation, 1), 320) for deviation in (0, 40, 80, 160)]
    assert levels == sorted(levels) and levels[0] == 1 - ms_ssim.within_batches(images, 320)
