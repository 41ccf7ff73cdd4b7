"""Inception: torch-fidelity's numbers from the same file of weights, on the same images and counts.

The weights are drawn at random: agreement needs no others, and there is nothing to download.
"""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch_fidelity import calculate_metrics
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from landscape.config.errors import UserError
from landscape.config.schema import Data, Latent
from landscape.data import Dataset, find_data
from landscape.metrics.evaluator import Scorer
from landscape.metrics.extractor_inception import Inception, inception_from
from landscape.metrics.extractors import get_extractor
from landscape.metrics.frechet import distance_of_features, reference_moments
from landscape.metrics.image_sources import StoredImages
from landscape.metrics.inception_score import inception_score
from landscape.metrics.kid import SEED
from landscape.store import Store
from landscape.store.protocols import EvalRequest
from landscape.store.weights import keep
from sweeps.cli.prefetch import prefetch
from sweeps.planning.plan import make_plan

CPU = torch.device("cpu")
N = 8  # images a side; a pass takes about 0.3 s each


def random_weights() -> dict[str, torch.Tensor]:
    """A state of the network in which signals keep their size from layer to layer."""
    with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng():
        torch.manual_seed(0)
        patch.setattr("torch_fidelity.feature_extractor_inceptionv3.load_state_dict_from_url", lambda *a, **k: {})
        patch.setattr(FeatureExtractorInceptionV3, "load_state_dict", lambda *a: None)
        weights = FeatureExtractorInceptionV3("any", ["2048"]).state_dict()
    weights["fc.weight"] *= 30  # so that classes differ
    return {k: v * 6**0.5 if k.endswith("conv.weight") else v for k, v in weights.items()}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("weights") / "random.pth"
    torch.save(random_weights(), file)
    return file


@pytest.fixture(scope="module")
def net(weights: Path) -> Inception:
    return inception_from(weights.read_bytes())


def pictures(seed: int, n: int = N, channels: int = 3, side: int = 32) -> torch.Tensor:
    """Smooth random images (n, channels, side, side), whole levels as uint8; other seeds are other kinds."""
    rng = torch.Generator().manual_seed(seed)
    smooth = torch.randn(n, channels, 3 + seed, 3 + seed, generator=rng)
    large = torch.nn.functional.interpolate(smooth, size=(side, side), mode="bicubic")
    return (128 + 60 * large).clamp(0, 255).byte()


class AsDataset(torch.utils.data.Dataset):
    """Images as torch-fidelity takes them."""

    def __init__(self, images: torch.Tensor) -> None:
        self.images = images

    def __getitem__(self, i: int) -> torch.Tensor:
        return self.images[i]

    def __len__(self) -> int:
        return len(self.images)


def theirs(fake: torch.Tensor, real: torch.Tensor, weights: Path, **options: Any) -> dict[str, float]:
    return calculate_metrics(
        input1=AsDataset(fake),
        input2=AsDataset(real),
        feature_extractor_weights_path=str(weights),
        cuda=False,
        batch_size=8,
        cache=False,
        verbose=False,
        save_cpu_ram=True,  # no worker processes
        **options,
    )


class Plays(torch.nn.Module):
    """A generator that gives these images, in order."""

    def __init__(self, images: torch.Tensor) -> None:
        super().__init__()
        self.images = images

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        assert len(z) == len(self.images)
        return self.images


def scorer(store: Store, weights: Path, real: torch.Tensor, **changes: Any) -> Scorer:
    asked = EvalRequest.from_json({
        "scores": ["fid", "is", "kid"], "extractor": "inception", "extractor_seed": None, "real": "all",
        "n_fake": len(real), "quantise": "uint8", "seed": 42, "is_splits": 3, "pairs_per_class": None,
        "weights_sha256": keep(weights, store), "kid_subsets": 4, "kid_subset_size": 6, "data": "0" * 64,
        "generator": "raw", **changes,
    }, "a request")  # fmt: skip
    data = Dataset("pictures", real.numpy(), None, np.arange(len(real)), np.arange(0))
    return Scorer(asked, data, Latent(dim=2, dist="normal"), store, CPU)


@pytest.mark.slow
def test_scores_are_torch_fidelitys(tmp_path: Path, weights: Path) -> None:
    fake, real = pictures(0), pictures(1)
    ours = scorer(Store(tmp_path), weights, real)
    found = ours.score(Plays(fake.float() / 255))
    expected = theirs(fake, real, weights, isc=True, kid=True, isc_splits=3, kid_subsets=4, kid_subset_size=6)
    assert found["is"] == pytest.approx(expected["inception_score_mean"], rel=1e-6)
    assert found["is_std"] == pytest.approx(expected["inception_score_std"], rel=1e-3)
    assert found["kid"] == pytest.approx(expected["kernel_inception_distance_mean"], abs=1e-6)  # in single precision
    assert found["kid_std"] == pytest.approx(expected["kernel_inception_distance_std"], abs=1e-6)
    assert found["is"] > 1.01 and abs(found["kid"]) > 1e-4  # not the agreement of two nothings
    text = ours.text()
    assert (
        text.weights == hashlib.sha256(weights.read_bytes()).hexdigest()
        and text.resize is not None
        and "299" in text.resize
    )
    assert "too few" in ours.warnings[0] and "2048" in ours.warnings[0]


@pytest.mark.slow
def test_distance_is_torch_fidelitys_where_both_have_full_rank(net: Inception, weights: Path) -> None:
    """On the 64 features of an early layer: 2,048 would take as many images."""
    fake, real = pictures(0, 70), pictures(1, 70)
    stem = Inception.__new__(Inception)
    torch.nn.Module.__init__(stem)
    stem.body = torch.nn.Sequential(*list(net.body)[:4], torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    stem.classes = torch.zeros(1, 64)
    with torch.inference_mode():
        p, q = (torch.cat([stem(part)[0] for part in x.split(35)]).double().numpy() for x in (fake, real))
    expected = theirs(fake, real, weights, fid=True, feature_layer_fid="64")["frechet_inception_distance"]
    assert distance_of_features(p, reference_moments(q)) == pytest.approx(expected, rel=1e-6)


def test_features_are_torch_fidelitys_and_unrounded_images_are_taken_as_they_are(net: Inception, weights: Path) -> None:
    images = pictures(0, 3)
    reference = FeatureExtractorInceptionV3("any", ["2048", "logits_unbiased"], str(weights))
    with torch.inference_mode():
        for ours, expected in zip(net(images), reference(images), strict=True):
            torch.testing.assert_close(ours, expected, rtol=0, atol=0)
        a, b = (net(images.float() + shift)[0] for shift in (0, 0.4))
    assert 1e-4 < (a - b).abs().mean() / a.abs().mean() < 0.1


def test_grey_images_are_taken_in_all_three_channels(net: Inception) -> None:
    grey = pictures(0, 2, channels=1)
    with torch.inference_mode():
        torch.testing.assert_close(net(grey)[0], net(grey.expand(-1, 3, -1, -1))[0], rtol=0, atol=0)


def test_making_the_network_moves_no_random_stream(weights: Path) -> None:
    before = torch.random.get_rng_state()
    inception_from(weights.read_bytes())
    assert torch.equal(before, torch.random.get_rng_state())


class Evil:
    """Unpickling it runs code."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def test_a_file_of_weights_runs_no_code_and_must_fit(tmp_path: Path) -> None:
    for content in ({"a": Evil(tmp_path / "made")}, {"a": torch.zeros(1)}, {"a": 1}, [torch.zeros(1)], torch.zeros(1)):
        file = io.BytesIO()
        torch.save(content, file)
        with pytest.raises(UserError, match="is not a file of torch-fidelity's Inception weights"):
            inception_from(file.getvalue())
    with pytest.raises(UserError, match="is not a file of torch-fidelity's Inception weights"):
        inception_from(b"PK garbage")
    assert not (tmp_path / "made").exists()


@pytest.mark.network
def test_published_inception_score_of_cifar10(tmp_path: Path) -> None:
    """IS of the 50,000 training images in 10 splits, as torch-fidelity publishes it: minutes on a GPU."""
    store = Store(os.environ.get("LANDSCAPE_STORE", tmp_path))  # one that may hold the downloads already
    try:
        prefetch(["data=cifar10", "metrics=inception", f"store={store.root}"])
    except UserError as e:
        pytest.skip(str(e))
    data = find_data(Data(kind="cifar10", size=32), store)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    asked = EvalRequest.of(
        make_plan(["data=cifar10", "metrics=inception", f"store={store.root}"], False).runs[0].config
    )
    assert asked is not None
    _, logits = get_extractor(asked, data, store, device)(StoredImages(data, data.train, device))
    assert inception_score(logits, 10, SEED)[0] == pytest.approx(11.2368, abs=1e-3)
