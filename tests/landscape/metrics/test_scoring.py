"""Scoring a generator: in pieces, the same at any size of them, with a reason for each score that there is not."""

from __future__ import annotations

import dataclasses
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support import TINY, frozen_runs
from torch import Tensor

from landscape.config.schema import Data, Latent, typed
from landscape.data import Dataset, load_data
from landscape.metrics import evaluator as scoring
from landscape.metrics.evaluator import Scorer, generate, quantize
from landscape.metrics.image_sources import GeneratedImages, NotFinite
from landscape.metrics.reference_stats import Reference
from landscape.networks.build import build
from landscape.runtime.worker import work
from landscape.store import Store
from landscape.store.protocols import EvalRequest
from sweeps.planning.plan import make_plan

LATENT = Latent(dim=128, dist="uniform")
FEW_SUBSETS = ("metrics.kid_subsets=10", "metrics.kid_subset_size=200")
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def data() -> Dataset:
    return load_data(Data(kind="digits", size=8))


def scorer(store: Store, data: Dataset, *overrides: str) -> Scorer:
    asked = EvalRequest.of(make_plan(list(overrides), multirun=False).runs[0].config)
    assert asked is not None
    return Scorer(asked, data, LATENT, store, CPU)


@pytest.fixture(scope="module")
def g() -> torch.nn.Module:
    return build(typed(make_plan([], multirun=False).runs[0].config), 1)[0]


# Images in pieces


@pytest.mark.parametrize("how", ["uint8", "float"])
def test_generated_images_are_those_made_at_once(g: torch.nn.Module, how: str) -> None:
    z = torch.rand(23, 128, generator=torch.Generator().manual_seed(0)) * 2 - 1
    whole = torch.cat([quantize(generate(g, part), how) for part in z.split(5)])
    images = GeneratedImages(lambda part: quantize(generate(g, part), how), z, 5)
    for size in (1, 4, 5, 23, 100):
        assert torch.equal(torch.cat(list(images.split(size))), whole)
    some = torch.tensor([22, 0, 7, 7, 13, 1])
    assert torch.equal(images[some], whole[some])


@pytest.mark.parametrize(("scale", "times"), [(1.0, 1), (0.3, 2)])
def test_whole_levels_are_kept_and_others_made_again(scale: float, times: int) -> None:
    """And neither asks for more than a piece at a time."""
    sizes = []

    def make(z: Tensor) -> Tensor:
        sizes.append(len(z))
        return (z * scale)[:, :, None, None]

    images = GeneratedImages(make, torch.arange(12.0).reshape(6, 2), 2)
    for _ in range(2):
        torch.testing.assert_close(
            torch.cat(list(images.split(4)))[:, :, 0, 0],
            images.latents[0].new_tensor(np.arange(12).reshape(6, 2)) * scale,
        )
    assert max(sizes) == 2 and len(sizes) == 3 * times


def test_what_is_not_finite_is_no_image() -> None:
    images = GeneratedImages(lambda z: z[:, :, None, None] / 0, torch.ones(3, 1), 2)
    with pytest.raises(NotFinite):
        images[torch.tensor([0])]


# Scores


def values(row: dict[str, Any]) -> dict[str, Any]:
    """A row's scores without the seconds that they took."""
    return {key: value for key, value in row.items() if key != "cost"}


def test_scores_do_not_depend_on_the_size_of_batches(
    store: Store, data: Dataset, g: torch.nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ("metrics.scores=[fid,is,kid,ms_ssim]", *FEW_SUBSETS, "metrics.quantise=float")
    one = scorer(store, data, *options)
    expected = values(one.score(g))
    monkeypatch.setattr(scoring, "BATCH", 33)
    one.extractor = dataclasses.replace(one.extractor, batch=17)
    found = values(one.score(g))
    assert found == pytest.approx(expected, rel=1e-5) and {"fd_classifier", "is", "kid", "ms_ssim"} <= found.keys()


class Plays(torch.nn.Module):
    """A generator that gives these images over and over, however many are asked for at a time."""

    def __init__(self, images: np.ndarray) -> None:
        super().__init__()
        self.images, self.at = torch.from_numpy(images).float() / 255, 0

    def forward(self, z: Tensor) -> Tensor:
        rows = torch.arange(self.at, self.at + len(z)) % len(self.images)
        self.at += len(z)
        return self.images[rows]


def test_one_perfect_image_a_class_has_a_high_inception_score_and_its_distances_show_the_collapse(
    store: Store, data: Dataset
) -> None:
    assert data.labels is not None
    one = scorer(store, data, "metrics.scores=[fid,is,kid,ms_ssim]", *FEW_SUBSETS)
    train = data.train[: len(data.train) // 10 * 10]
    honest = one.score(Plays(data.images[train]))
    collapsed = one.score(Plays(data.images[[train[data.labels[train] == c][0] for c in range(10)]]))
    assert collapsed["is"] > honest["is"]
    assert collapsed["fd_classifier"] > 10 * honest["fd_classifier"] and collapsed["kid"] > 10 * abs(honest["kid"])
    assert collapsed["ms_ssim"] > 0.99 > 0.9 > honest["ms_ssim"]


def test_a_generator_that_makes_no_images_has_no_scores_and_a_reason(store: Store, data: Dataset) -> None:
    broken = data.images[:10].astype(np.float32)
    broken[7, 0, 3, 3] = np.nan
    found = scorer(store, data).score(Plays(broken))
    assert found["fd_classifier"] is None and found["why"]["fd_classifier"] == "the generator's output is not finite"


def test_a_set_too_small_for_kernel_distances_says_so_and_has_its_other_scores(
    store: Store, data: Dataset, g: torch.nn.Module
) -> None:
    found = scorer(store, data, "metrics.scores=[fid,kid]").score(g)
    assert found["fd_classifier"] > 0 and found["kid"] is None
    assert "subsets of 1000 images, but there are 500 fakes and 500 real images" in found["why"]["kid"]


def test_scores_asked_for_later_share_the_protocol(store: Store, data: Dataset) -> None:
    """One that is not asked for does not set a protocol apart, so that adding it scores nothing else again."""
    both = [scorer(store, data, f"metrics.scores=[{scores}]") for scores in ("fid", "fid,kid")]
    assert both[0].id == both[1].id
    assert scorer(store, data, "metrics.kid_subset_size=100").id != both[0].id


# Reference statistics


def test_reference_statistics_are_made_once_and_again_where_damaged(
    store: Store, data: Dataset, g: torch.nn.Module, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = []
    real = scoring.Reference
    monkeypatch.setattr(
        scoring,
        "Reference",
        lambda extract, *more, **options: real(lambda: (made.append(1), extract())[1], *more, **options),
    )
    first = values(scorer(store, data).score(g))
    assert not made  # the warm cache of the tests holds them
    for file in (store.cache / "reference").glob("*.pt"):
        content = bytearray(file.read_bytes())
        content[-100] ^= 1
        file.write_bytes(content)
    assert values(scorer(store, data).score(g)) == first
    assert len(made) == 1 and "computing it again" in capsys.readouterr().err


def test_reference_statistics_are_made_once_by_all_that_start_together(tmp_path: Path) -> None:
    made: list[int] = []

    def extract() -> np.ndarray:
        made.append(1)
        time.sleep(0.2)
        return np.random.Generator(np.random.PCG64(0)).standard_normal((50, 4)).astype(np.float32)

    def moments(_: int) -> np.ndarray:
        return Reference(extract, "key", Store(tmp_path), keep=True).moments.cov

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(moments, range(4)))
    assert len(made) == 1 and all(np.array_equal(found[0], other) for other in found)


def test_too_few_images_for_the_features_are_warned_of_once(store: Store) -> None:
    said: list[str] = []
    (run,) = frozen_runs(store, *TINY, "metrics.n_fake=20", "reg=gp", "norm=bn")
    assert work(store, run.id, said.append) == "done"
    assert sum("20 images are too few for a covariance of 64 features" in line for line in said) == 1
    warnings = run.status().warnings
    assert len(warnings) == 2 and "too few" in warnings[0] and "batch normalization" in warnings[1]


def test_enough_images_are_not_warned_of(store: Store, data: Dataset, tmp_path: Path) -> None:
    assert scorer(store, data).warnings == []
