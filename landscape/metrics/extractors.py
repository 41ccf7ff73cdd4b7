"""Feature extractors by name: images to features and class logits, with a digest of the weights."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from landscape.config.errors import UserError
from landscape.config.identity import short_hash
from landscape.config.registry import lookup
from landscape.data import Dataset
from landscape.metrics import extractor_dinov2, extractor_imagenet
from landscape.metrics.content_cache import compute_once
from landscape.metrics.extractor_classifier import Classifier, spec, train_classifier
from landscape.metrics.extractor_inception import RESIZE, inception_from
from landscape.metrics.extractor_pixels import RandomConvolutions
from landscape.metrics.image_sources import Images
from landscape.store import Store
from landscape.store.protocols import EvalRequest
from landscape.store.weights import read_weights

BATCH = 250


@dataclass(frozen=True)
class Extractor:
    """`run` maps images (n, channels, side, side) in [0, 255 / unit] to features (n, d) and logits (n, classes)."""

    run: Callable[[Tensor], tuple[Tensor, Tensor]]
    weights: str  # SHA-256
    about: Mapping[str, Any]  # further facts for the stored protocol
    unit: float = 255  # images in [0, 255] are divided by this
    resize: str = "none"
    batch: int = BATCH

    def __call__(self, images: Images) -> tuple[np.ndarray, np.ndarray]:
        """Features (n, d) and logits (n, classes) of images in [0, 255], as float64, computed in batches."""
        with torch.inference_mode():
            parts = [[out.cpu() for out in self.run(b.float() / self.unit)] for b in images.split(self.batch)]
        features, logits = (torch.cat(p).double().numpy() for p in zip(*parts, strict=True))
        return features, logits


def weights_digest(weights: dict[str, Tensor]) -> str:
    """SHA-256 of names, shapes and values of a state dict."""
    digest = hashlib.sha256()
    for name, tensor in sorted(weights.items()):
        digest.update(f"{name}{tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def classifier(asked: EvalRequest, data: Dataset, store: Store, device: torch.device) -> Extractor:
    """The data set's own classifier, trained once per data set and seed and cached in the store."""
    assert asked.extractor_seed is not None, "as the choice has it"
    return classifier_of(asked.data, asked.extractor_seed, data, store, device)


def classifier_of(content: str, seed: int, data: Dataset, store: Store, device: torch.device) -> Extractor:
    """The data set's own classifier, trained once per data set (by the digest of its content) and seed, and cached in
    the store."""
    if data.labels is None:
        raise UserError(f"metrics.extractor=classifier needs labels, but data={data.name} has none")
    how = spec(data.size)
    if len(data.train) < how["batch_size"]:
        raise UserError(
            f"metrics.extractor=classifier needs at least {how['batch_size']} training images, "
            f"but data={data.name} has {len(data.train)}"
        )

    def make() -> dict[str, Any]:
        net, accuracy = train_classifier(data, seed)
        return {"weights": net.state_dict(), "accuracy": accuracy}

    cached = compute_once(store, "classifier", short_hash({"data": content, "seed": seed, "spec": how}), make)
    net = Classifier(how, data.channels, data.classes)
    net.load_state_dict(cached["weights"])
    net.eval().requires_grad_(False).to(device)
    return Extractor(net, weights_digest(cached["weights"]), {"accuracy": cached["accuracy"], "training": how})


def points(asked: EvalRequest, data: Dataset, store: Store, device: torch.device) -> Extractor:
    """For labeled points: features are the coordinates, logits are -d^2 / (2 s^2) with the distance d to each mode.

    Modes are the class means of the training points; s is their pooled standard deviation per coordinate.
    """
    if data.labels is None:
        raise UserError(f"metrics.extractor=points needs labels, but data={data.name} has none")
    labels = data.labels[data.train]
    x = data.images[data.train].reshape(len(labels), -1).astype(np.float64) / 255
    centres = np.stack([x[labels == c].mean(0) for c in range(data.classes)])
    variance = float((x - centres[labels]).var())
    at = torch.from_numpy(centres).to(device)

    def run(images: Tensor) -> tuple[Tensor, Tensor]:
        place = images.flatten(1).double()
        return place, -torch.cdist(place, at).square() / (2 * variance)

    weights = hashlib.sha256(centres.tobytes() + repr(variance).encode()).hexdigest()
    return Extractor(run, weights, {})


def inception(asked: EvalRequest, data: Dataset, store: Store, device: torch.device) -> Extractor:
    """torch-fidelity's Inception network, with the weights whose digest the request has."""
    digest = asked.weights_sha256
    assert digest is not None, "planning found the weights"
    net = inception_from(read_weights("inception", digest, store)).to(device)
    return Extractor(net, digest, {}, unit=1, resize=RESIZE, batch=32)


def imagenet(asked: EvalRequest, data: Dataset, store: Store, device: torch.device) -> Extractor:
    """EfficientNet-Lite0 trained on ImageNet, with the weights whose digest the request has."""
    digest = asked.weights_sha256
    assert digest is not None, "planning found the weights"
    net = extractor_imagenet.network(read_weights("imagenet", digest, store)).to(device)
    return Extractor(net, digest, {}, unit=1, resize=extractor_imagenet.RESIZE, batch=extractor_imagenet.BATCH)


def dinov2(asked: EvalRequest, data: Dataset, store: Store, device: torch.device) -> Extractor:
    """DINOv2, with the weights whose digest the request has."""
    digest = asked.weights_sha256
    assert digest is not None, "planning found the weights"
    net = extractor_dinov2.dinov2_from(read_weights("dinov2", digest, store)).to(device)
    return Extractor(net, digest, {}, unit=1, resize=extractor_dinov2.RESIZE, batch=extractor_dinov2.BATCH)


def pixels(asked: EvalRequest, data: Dataset, store: Store, device: torch.device) -> Extractor:
    """Random convolutions, the same for all data of one size."""
    net = RandomConvolutions(data.channels, data.size).to(device)
    return Extractor(net, net.digest, {}, unit=1)


EXTRACTORS: dict[str, Callable[[EvalRequest, Dataset, Store, torch.device], Extractor]] = {
    "classifier": classifier,
    "dinov2": dinov2,
    "imagenet": imagenet,
    "inception": inception,
    "pixels": pixels,
    "points": points,
}


def get_extractor(asked: EvalRequest, data: Dataset, store: Store, device: torch.device) -> Extractor:
    """The extractor of a request, trained if necessary. Raises `UserError` for an unknown name or missing weights."""
    return lookup("metrics.extractor", asked.extractor, EXTRACTORS)(asked, data, store, device)
