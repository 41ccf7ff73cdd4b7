"""MS-SSIM: the study's formula, written out again with SciPy, its pairs, and invariances."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
import torch
from scipy.signal import convolve2d

from landscape.config.errors import UserError
from landscape.config.schema import Data
from landscape.data import load_data
from landscape.metrics.evaluator import ScoringInput
from landscape.metrics.ms_ssim import (
    WEIGHTS,
    ms_ssim,
    scales_for,
    weights_for,
    within_batches,
    within_class,
)
from landscape.metrics.ms_ssim import ms_ssim_score as score
from landscape.metrics.ms_ssim import protocol as ms_ssim_protocol
from landscape.store.protocols import EvalProtocol, EvalRequest
from sweeps.planning.finalize import STUDY_PAIRS, finalize_metrics
from sweeps.planning.plan import make_plan


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def pictures(seed: int, n: int = 4, channels: int = 3, side: int = 32) -> torch.Tensor:
    smooth = torch.from_numpy(rng(seed).random((n, channels, 4, 4)))
    return torch.nn.functional.interpolate(smooth, size=(side, side), mode="bicubic").clamp(0, 1) * 255


def ms_ssim_score(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """MS-SSIM of the images of `a` with those of `b`, one by one."""
    n = len(a)
    return ms_ssim(torch.cat([a, b]), torch.stack([torch.arange(n), n + torch.arange(n)]))


def studys(a: np.ndarray, b: np.ndarray) -> float:
    """MS-SSIM of two images (h, w, channels) written out after the study's code, convolutions and all, with SciPy."""
    parts = []
    for scale in range(5):
        if scale:
            odd = [(0, a.shape[0] % 2), (0, a.shape[1] % 2), (0, 0)]
            halves = [np.pad(x, odd, mode="symmetric") for x in (a, b)]
            a, b = ((x[::2, ::2] + x[1::2, ::2] + x[::2, 1::2] + x[1::2, 1::2]) / 4 for x in halves)
        window = min(11, *a.shape[:2])
        x = np.arange(window) - (window - 1) / 2
        kernel = np.exp(-(x[:, None] ** 2 + x[None] ** 2) / (2 * 1.5**2))
        kernel /= kernel.sum()

        def reduce(x: np.ndarray, kernel: np.ndarray = kernel) -> np.ndarray:
            return np.stack([convolve2d(x[..., c], kernel, mode="valid") for c in range(x.shape[2])], -1)

        c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
        mean_a, mean_b = reduce(a), reduce(b)
        num, den = 2 * mean_a * mean_b, mean_a**2 + mean_b**2
        contrast = (2 * reduce(a * b) - num + c2) / (reduce(a**2 + b**2) - den + c2)
        whole = (num + c1) / (den + c1) * contrast
        parts.append(np.maximum((contrast if scale < 4 else whole).mean((0, 1)), 0))
    exponents = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333])[:, None]
    return float((np.stack(parts) ** exponents).prod(0).mean())


@pytest.mark.parametrize("side", [32, 36, 50, 128])
def test_similarity_is_the_studys_formula_written_out(side: int) -> None:
    """At 36 and 50 pixels sides become odd; at 32 windows shrink to 11, 11, 8, 4 and 2."""
    a = pictures(0, n=2, side=side)
    b = (0.6 * a + 0.4 * pictures(1, n=2, side=side)).clamp(0, 255)
    expected = [studys(*(x[i].permute(1, 2, 0).numpy() for x in (a, b))) for i in range(2)]
    assert ms_ssim_score(a, b).tolist() == pytest.approx(expected, rel=1e-10)
    assert min(expected) > 0.1 and max(expected) < 0.98


def test_the_studys_three_flat_images() -> None:
    """Its own test: images of ones, 0.7 and zeros at 64 pixels; the mean over ordered pairs is 0.989989."""
    flat = torch.stack([torch.full((3, 64, 64), level) for level in (1.0, 0.7, 0.0)])
    ordered = torch.tensor([[i, j] for i in range(3) for j in range(3) if i != j]).T
    assert ms_ssim(flat, ordered).mean().item() == pytest.approx(0.989989, abs=1e-6)
    assert ms_ssim(flat, torch.triu_indices(3, 3, 1)).mean().item() == pytest.approx(0.989989, abs=1e-6)


@pytest.mark.parametrize("side", [8, 16, 32, 40, 128])
def test_equal_images_are_fully_similar_and_noise_lowers_it(side: int) -> None:
    a = pictures(0, side=side)
    torch.testing.assert_close(ms_ssim_score(a, a), torch.ones(4, dtype=torch.float64))
    noise = torch.from_numpy(rng(1).standard_normal(a.shape))
    values = [ms_ssim_score(a, (a + s * noise).clamp(0, 255)).mean().item() for s in (0, 5, 20, 60)]
    assert values == sorted(values, reverse=True) and values[-1] < 0.95


def test_similarity_is_symmetric() -> None:
    a, b = pictures(0), pictures(1)
    torch.testing.assert_close(ms_ssim_score(a, b), ms_ssim_score(b, a))


def test_flat_images_have_luminance_alone() -> None:
    """Contrast terms are 1 on flat images, so the value is the luminance term to the last scale's weight."""
    a, b = torch.full((1, 1, 32, 32), 50.0), torch.full((1, 1, 32, 32), 200.0)
    luminance = (2 * 50 * 200 + 2.55**2) / (50**2 + 200**2 + 2.55**2)
    assert ms_ssim_score(a, b).item() == pytest.approx(luminance ** WEIGHTS[-1], rel=1e-9)


def test_channels_are_averaged_after_their_own_products() -> None:
    a, b = pictures(0), pictures(1)
    each = torch.stack([ms_ssim_score(a[:, c : c + 1], b[:, c : c + 1]) for c in range(3)])
    torch.testing.assert_close(ms_ssim_score(a, b), each.mean(0))


def test_scales_that_say_nothing_are_left_out_and_named() -> None:
    assert [scales_for(side) for side in (8, 16, 32, 128)] == [3, 4, 5, 5]
    assert weights_for(32) == list(WEIGHTS)
    assert sum(weights_for(8)) == pytest.approx(1)


def test_pairs_stay_within_their_class() -> None:
    a = pictures(0, n=2).repeat_interleave(3, 0)  # two pictures, three copies of each
    assert within_class(a, np.array([0, 0, 0, 1, 1, 1]), 16) == pytest.approx(1)
    assert within_class(a, np.array([0, 1, 0, 1, 0, 1]), 16) < 0.95
    assert np.isnan(within_class(a[:2], np.array([0, 1]), 16))


def test_the_studys_pairs_are_all_those_within_five_batches_of_64(monkeypatch: pytest.MonkeyPatch) -> None:
    images = pictures(0, n=330, channels=1, side=8)
    ordered = [(i, j) for b in range(0, 320, 64) for i in range(b, b + 64) for j in range(b, b + 64) if i != j]
    assert len(ordered) == 5 * 4032
    expected = ms_ssim(images, torch.tensor(ordered).T).mean().item()
    assert within_batches(images, 330) == pytest.approx(expected, rel=1e-12)
    monkeypatch.setattr("landscape.metrics.ms_ssim.CHUNK", 100 * 64)  # in pieces of 100 pairs: bounded, and the same
    assert within_batches(images, 330) == pytest.approx(expected, rel=1e-12)
    assert np.isnan(within_batches(images, 319)) and STUDY_PAIRS == 320


def test_the_studys_pairs_ask_for_no_classes() -> None:
    """Data without labels, on whatever features: a generator of one image is found out."""
    images = pictures(0, n=320, channels=1, side=8)
    seen: dict[str, Any] = {"images": images, "features": np.zeros((320, 3)), "logits": np.zeros((320, 0))}
    sample = ScoringInput(
        **{**dict.fromkeys(ScoringInput._fields), **seen, "protocol": EvalProtocol(ms_ssim=protocol_of("batches"))}
    )
    assert score(sample)["ms_ssim"] < 0.9
    same = sample._replace(images=images[:1].expand(320, -1, -1, -1))
    assert score(same)["ms_ssim"] == pytest.approx(1)


def test_data_without_labels_can_be_asked_for_the_studys_pairs_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sweeps.planning.finalize.weights", lru_cache(lambda extractor, store, path: "0" * 64))
    config = make_plan(["metrics=inception", "metrics.scores=[fid,ms_ssim]"], multirun=False).runs[0].config
    faces = replace(load_data(Data(kind="digits", size=8)), labels=None)
    finalize_metrics(config, faces)
    asked = EvalRequest.of(config)
    assert asked is not None and asked.ms_ssim_pairs == "batches" and asked.pairs_per_class is None
    config["metrics"]["ms_ssim_pairs"] = "within_class"
    with pytest.raises(UserError, match="pairs=batches needs no classes"):
        finalize_metrics(config, faces)


def protocol_of(pairs: str | None) -> dict[str, Any]:
    return ms_ssim_protocol(8, pairs, 16)


def test_pairs_by_their_usual_name_are_the_request_that_was_before_there_were_others() -> None:
    asked = [
        EvalRequest.of(make_plan(overrides, multirun=False).runs[0].config)
        for overrides in ([], ["metrics.ms_ssim_pairs=within_class"], ["metrics.ms_ssim_pairs=batches"])
    ]
    assert asked[0] == asked[1] != asked[2]
    assert asked[0] is not None and asked[0].id == "a33fa50add49fb95"  # frozen runs list it as met
    assert "batches" in protocol_of("batches") and "pairs_per_class" in protocol_of(None)
