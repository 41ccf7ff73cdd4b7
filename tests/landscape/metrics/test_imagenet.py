"""ImageNet features: timm's network with the published weights gives the features of the weights' own package."""

from __future__ import annotations

import importlib.util
import io
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_sample_images

from landscape.config.errors import UserError
from landscape.metrics.extractor_imagenet import SIDE, ImageNetFeatures, network
from landscape.metrics.frechet import distance_of_features, reference_moments
from landscape.store import Store
from landscape.store.weights import ChangedWeights, NoWeights, find_weights, read_weights

pytest.importorskip("timm", reason="the extra imagenet is not installed")
lite = pytest.importorskip("efficientnet_lite_pytorch")


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    store = Store(tmp_path_factory.mktemp("store"))
    return read_weights("imagenet", find_weights("imagenet", None, store), store)


@pytest.fixture(scope="module")
def net(content: bytes) -> ImageNetFeatures:
    return network(content)


def crops(side: int, n: int) -> torch.Tensor:
    """Squares of scikit-learn's two photographs, uint8 (n, 3, side, side), the same ones each time."""
    rng, found = np.random.default_rng(0), []
    for i in range(n):
        photo = load_sample_images().images[i % 2]
        y, x = (int(rng.integers(length - side)) for length in photo.shape[:2])
        found.append(photo[y : y + side, x : x + side].transpose(2, 0, 1))
    return torch.from_numpy(np.stack(found))


def test_features_and_classes_are_those_of_the_weights_own_network(net: ImageNetFeatures, content: bytes) -> None:
    theirs = lite.EfficientNet.from_name("efficientnet-lite0", image_size=SIDE).eval()
    theirs.load_state_dict(torch.load(io.BytesIO(content), weights_only=True))
    images = crops(SIDE, 4).float()  # of the input's size: nothing is resized
    with torch.inference_mode():
        features, logits = net(images)
        scaled = (images - 127.5) / 127.5
        maps = theirs.extract_features(scaled)
    assert features.shape == (4, 1280) and logits.shape == (4, 1000)
    torch.testing.assert_close(features, maps.mean((2, 3)), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(logits, theirs(scaled), rtol=1e-4, atol=1e-4)


def test_gray_images_and_any_size_go_in(net: ImageNetFeatures) -> None:
    gray = torch.randint(0, 256, (2, 1, 32, 32))
    with torch.inference_mode():
        one, three = net(gray), net(gray.expand(-1, 3, -1, -1))
        assert net(torch.zeros(1, 3, 128, 128))[0].shape == (1, 1280)
    torch.testing.assert_close(one, three)


@pytest.mark.slow
def test_the_distance_rises_with_noise_and_blur_and_a_gray_image_is_far(net: ImageNetFeatures) -> None:
    photos = crops(32, 192).float()
    noise = torch.randn(photos[96:].shape, generator=torch.Generator().manual_seed(0))

    def features(images: torch.Tensor) -> np.ndarray:
        with torch.inference_mode():
            return net(images.clamp(0, 255).round())[0].double().numpy()

    reference = reference_moments(features(photos[:96]))
    noisy = [distance_of_features(features(photos[96:] + s * noise), reference) for s in (0, 10, 40, 80)]
    smooth = torch.nn.functional.avg_pool2d
    blurred = [distance_of_features(features(smooth(photos[96:], k, 1, k // 2)), reference) for k in (1, 3, 5, 9)]
    gray = distance_of_features(features(torch.full((96, 3, 32, 32), 128.0)), reference)
    assert noisy == sorted(noisy) and blurred == sorted(blurred), (noisy, blurred)
    assert gray > 1.5 * noisy[0]


def test_other_files_are_refused_by_name(content: bytes) -> None:
    def refused(weights: object) -> str:
        file = io.BytesIO()
        torch.save(weights, file)
        with pytest.raises(UserError, match="is not a file of EfficientNet-Lite0 weights") as e:
            network(file.getvalue())
        return str(e.value)

    good = torch.load(io.BytesIO(content), weights_only=True)
    assert "_blocks.99" in refused({"_blocks.99._bn1.weight": torch.zeros(1)})
    refused({name: tensor for name, tensor in good.items() if name != "_fc.bias"})
    refused({**good, "_fc.bias": torch.zeros(3)})
    refused([1, 2])
    random = {name: torch.rand_like(t) if t.is_floating_point() else t for name, t in good.items()}
    file = io.BytesIO()
    torch.save(random, file)
    assert not torch.equal(network(file.getvalue()).net.classifier.bias, good["_fc.bias"])


def test_weights_come_from_their_package_and_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path / "store")
    digest = find_weights("imagenet", None, store)
    assert digest.startswith("57934424")
    store.weights_file(digest).write_bytes(b"PK damaged")
    with pytest.raises(ChangedWeights, match="metrics=imagenet"):
        read_weights("imagenet", digest, store)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert find_weights("imagenet", None, store) == digest  # the store's
    with pytest.raises(NoWeights, match=r"gan-landscape\[imagenet\]"):
        find_weights("imagenet", None, Store(tmp_path / "other"))
