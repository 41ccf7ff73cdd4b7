"""The classifier's distance means something: it rises with every step away from the real images.

The same claims are held on the digits and, where LANDSCAPE_CIFAR10 names a folder with CIFAR-10's images in train.zip
and test.zip (or in folders of these names), on CIFAR-10. There the classifier is trained first, which takes minutes;
LANDSCAPE_CIFAR10_STORE may name a store that has it or shall keep it. `pytest -rP` shows the distances.
"""

from __future__ import annotations

import os
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from landscape.config.schema import Data, Latent, typed
from landscape.data import Dataset, load_data
from landscape.metrics.evaluator import MEASURES, Scorer, ScoringInput
from landscape.metrics.extractor_classifier import SMALL, Classifier, spec, train_classifier
from landscape.metrics.extractors import weights_digest
from landscape.metrics.frechet import distance_of_features
from landscape.networks.build import build
from landscape.scores import SCORES
from landscape.store import Store
from landscape.store.protocols import EvalRequest
from sweeps.cli.prefetch import prefetch
from sweeps.planning.plan import make_plan


class Case(NamedTuple):
    config: dict[str, Any]
    data: Dataset
    scorer: Scorer
    test: np.ndarray  # (n, channels, side, side) in [0, 255]
    train: np.ndarray  # as many or more, in random order
    labels: np.ndarray  # of train
    blurs: tuple[float, ...]  # pixels

    def distance(self, images: np.ndarray) -> float:
        """Of images in [0, 255] from all test images."""
        features, _ = self.scorer.extractor(torch.from_numpy(np.clip(images, 0, 255)).float())
        return distance_of_features(features, self.scorer.reference)

    def score(self, name: str, images: np.ndarray) -> float:
        """The first column of a score of images in [0, 255]."""
        pixels = torch.from_numpy(np.clip(images, 0, 255)).float()
        asked, protocol, data = self.scorer.asked, self.scorer.protocol, self.scorer.data
        found = MEASURES[name](ScoringInput(pixels, *self.scorer.extractor(pixels), asked, protocol, data))
        value = found[SCORES[name].columns[0].key]
        assert isinstance(value, float), value
        return value


def made(store: Store, count: int, blurs: tuple[float, ...], *overrides: str) -> Case:
    config = make_plan([*overrides, f"store={store.root}"], multirun=False).runs[0].config
    asked = EvalRequest.of(config)
    assert asked is not None
    data = load_data(Data(**config["data"]), store)
    assert data.labels is not None
    rng = np.random.Generator(np.random.PCG64(0))
    test, train = (rng.permutation(part)[:count] for part in (data.test, data.train))
    scorer = Scorer(asked, data, Latent(dim=128, dist="uniform"), store, torch.device("cpu"))
    return Case(config, data, scorer, data.images[test], data.images[train], data.labels[train], blurs)


@pytest.fixture(scope="module", params=["digits", "cifar10"])
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, warm_cache: Path) -> Case:
    root = tmp_path_factory.mktemp("ladders")
    if request.param == "digits":
        shutil.copytree(warm_cache, root / "cache")
        return made(Store(root), 1500, (0.5, 0.7, 1, 1.5))
    if "LANDSCAPE_CIFAR10" not in os.environ:
        pytest.skip("LANDSCAPE_CIFAR10 names no folder with CIFAR-10 in train.zip and test.zip")
    where = Path(os.environ["LANDSCAPE_CIFAR10"])
    train, test = (next(p for p in (where / f"{part}.zip", where / part) if p.exists()) for part in ("train", "test"))
    images = (f"data.path={train}", f"data.test_path={test}", "data.size=32", "data.name=cifar10")
    store = Store(os.environ.get("LANDSCAPE_CIFAR10_STORE", root))
    return made(store, 2500, (0.5, 1, 2, 4), "data=folder", *images, "arch.width=0.25")


def show(what: str, values: list[float]) -> None:
    print(f"{what}: {'  '.join(f'{value:.3g}' for value in values)}")


def rises(what: str, values: list[float]) -> bool:
    show(what, values)
    return all(a < b for a, b in pairwise(values))


def test_noise(case: Case) -> None:
    noise = np.random.Generator(np.random.PCG64(0)).standard_normal(case.test.shape)
    assert rises("noise", [case.distance(case.test + 255 * s * noise) for s in (0, 0.1, 0.2, 0.4, 0.8)])


def test_blur(case: Case) -> None:
    test = case.test.astype(np.float64)
    assert rises("blur", [case.distance(gaussian_filter(test, (0, 0, s, s))) for s in (0, *case.blurs)])


def test_dropped_classes(case: Case) -> None:
    kept = [case.train[case.labels < k] for k in (10, 9, 7, 5, 3, 1)]
    assert rises("classes", [case.distance(part) for part in kept])


def test_fewer_modes(case: Case) -> None:
    """The same number of images drawn from ever fewer different ones."""
    assert rises("modes", [case.distance(case.train[np.arange(500) % modes]) for modes in (500, 50, 20, 5, 1)])


def test_real_images_are_far_below_an_untrained_generator_and_a_grey_image(case: Case) -> None:
    g, _ = build(typed(case.config), case.data.channels)
    assert case.scorer.floor is not None
    floor, untrained = case.scorer.floor["fd_classifier"], case.scorer.score(g)["fd_classifier"]
    grey = case.distance(np.full((500, *case.data.images.shape[1:]), 80.0))
    show("floor, untrained generator, grey image", [floor, untrained, grey])
    assert untrained > 20 * floor
    assert grey > 20 * floor


# Scores of few images; those of which more is better are to fall.


def ladder(case: Case, name: str, what: str, steps: list[np.ndarray]) -> bool:
    sign = {"lower": 1, "higher": -1}[SCORES[name].columns[0].better or ""]
    values = [case.score(name, images) for images in steps]
    show(f"{name}, {what}", values)
    return all(sign * a < sign * b for a, b in pairwise(values))


@pytest.mark.parametrize("name", ["fd_infinity", "mind", "mmd", "coverage"])
@pytest.mark.slow
def test_other_scores_rise_with_noise_and_blur(case: Case, name: str) -> None:
    noise = np.random.Generator(np.random.PCG64(0)).standard_normal(case.test.shape)
    few = case.test[:500].astype(np.float64)
    assert ladder(case, name, "noise", [few + 255 * s * noise[:500] for s in (0, 0.1, 0.2, 0.4, 0.8)])
    assert ladder(case, name, "blur", [gaussian_filter(few, (0, 0, s, s)) for s in (0, *case.blurs)])


@pytest.mark.parametrize("name", ["mind", "mmd", "coverage", "vendi"])
def test_other_scores_rise_with_dropped_classes_and_fewer_modes(case: Case, name: str) -> None:
    least = int(np.bincount(case.labels).min())
    assert ladder(case, name, "classes", [case.train[case.labels < k][:least] for k in (10, 7, 5, 3, 1)])
    assert ladder(case, name, "modes", [case.train[np.arange(500) % modes] for modes in (500, 50, 20, 5, 1)])


def test_extractor_knows_the_classes(case: Case) -> None:
    accuracy = case.scorer.text().accuracy or 0.0
    show("accuracy", [accuracy])
    assert accuracy > {8: 0.97, 32: 0.7}[case.data.size]


# How a classifier is made


def bars(size: int) -> Dataset:
    """Sixty-four noisy images to train on and sixteen to test with: dark in the left half, or in the upper one."""
    rng = np.random.Generator(np.random.PCG64(0))
    labels = np.arange(80) % 2
    images = rng.integers(100, 256, (80, 1, size, size), dtype=np.uint8)
    images[labels == 0, :, :, : size // 2] //= 3
    images[labels == 1, :, : size // 2] //= 3
    return Dataset("bars", images, labels, np.arange(64), np.arange(64, 80))


def test_equal_seeds_give_equal_weights_and_other_seeds_others() -> None:
    data = bars(SMALL + 1)
    (a, accuracy), (b, _), (c, _) = (train_classifier(data, seed) for seed in (0, 0, 1))
    digests = [weights_digest(net.state_dict()) for net in (a, b, c)]
    assert digests[0] == digests[1] != digests[2]
    assert accuracy > 0.9


@pytest.mark.parametrize("size", [SMALL + 1, 32, 33, 128])
def test_features_of_larger_images_have_variance_one_over_the_images_of_training(size: int) -> None:
    how = spec(size)
    net = Classifier(how, 3, 10)
    images = torch.rand((32, 3, size, size), generator=torch.Generator().manual_seed(0))
    features, logits = net.train()(images)
    assert features.shape == (32, how["features"]) and logits.shape == (32, 10)
    assert features.mean(0).abs().max() < 1e-5
    assert (features.var(0, correction=0) - 1).abs().max() < 0.05


def test_prefetch_makes_the_classifier(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(store.cache / "classifier")
    prefetch(["data=digits", f"store={store.root}"])
    assert "metrics=classifier" not in capsys.readouterr().out  # the default score is no request for it
    prefetch(["data=digits", "metrics='classifier'", f"store={store.root}"])
    assert "metrics=classifier: weights" in capsys.readouterr().out
    assert len(list((store.cache / "classifier").glob("*.pt"))) == 1
