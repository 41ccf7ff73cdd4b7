"""Scoring a generator under one protocol: the same latents every time, and no trace left in training.

A `Scorer` is made once per run and request: it holds the extractor, the statistics of the real images and
the latents. `score` then costs one pass over the fakes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from landscape.config import Latent
from landscape.data import Dataset
from landscape.identity import short_hash
from landscape.latents import draw
from landscape.metrics import ms_ssim
from landscape.metrics.extractors import BATCH, get_extractor
from landscape.metrics.floor import real_floor
from landscape.metrics.frechet import Moments, distance_of_features
from landscape.metrics.images import Generated, Images, NotFinite, Stored
from landscape.metrics.inception_score import inception_score
from landscape.metrics.kid import SEED, TooFew, kid
from landscape.metrics.reference import Reference
from landscape.protocol import VERSION, protocol_id
from landscape.registry import lookup
from landscape.store import Store
from landscape.streams import stream


class Sample(NamedTuple):
    """A set of images under scoring."""

    images: Images  # (n, channels, side, side) in [0, 255]
    features: np.ndarray  # (n, d)
    logits: np.ndarray  # (n, classes)
    reference: Moments  # of the real images' features
    protocol: dict[str, Any]
    real: Reference


class Unscorable(Exception):
    """Why a score cannot be had of a sample; its row holds null and this text."""


def fid(s: Sample) -> dict[str, float]:
    return {"fid": distance_of_features(s.features, s.reference)}


def inception(s: Sample) -> dict[str, float]:
    mean, std = inception_score(s.logits, s.protocol["is_splits"], s.protocol.get("is_shuffle"))
    return {"is": mean, "is_std": std}


def kernel_distance(s: Sample) -> dict[str, float]:
    try:
        mean, std = kid(s.features, s.real.features, s.protocol["kid_subsets"], s.protocol["kid_subset_size"])
    except TooFew as e:
        raise Unscorable(str(e)) from e
    return {"kid": mean, "kid_std": std}


def similarity(s: Sample) -> dict[str, float]:
    how = s.protocol["ms_ssim"]
    if "batches" in how:
        return {"ms_ssim": ms_ssim.within_batches(s.images, len(s.features))}
    return {"ms_ssim": ms_ssim.within_class(s.images, s.logits.argmax(1), how["pairs_per_class"])}


def modes(s: Sample) -> dict[str, float]:
    """Modes covered, and the share of good samples: those within three deviations of a mode (arXiv 1705.07761).

    A mode is covered by one good sample. Needs the logits of the `points` extractor.
    """
    good = s.logits.max(1) >= -(GOOD_WITHIN**2) / 2
    covered = np.unique(s.logits[good].argmax(1)).size if good.any() else 0
    return {"modes": float(covered), "quality": float(good.mean())}


GOOD_WITHIN = 3  # deviations

SCORES: dict[str, Callable[[Sample], dict[str, float]]] = {
    "fid": fid,
    "is": inception,
    "kid": kernel_distance,
    "ms_ssim": similarity,
    "modes": modes,
}


NEED_FEATURES = {"kid"}  # of the real images, beyond their moments


def quantise(images: Tensor, how: str) -> Tensor:
    """Images in [0, 1] to [0, 255]: "uint8" rounds to whole levels, "float" (the study) does not."""
    return lookup("metrics.quantise", how, {"uint8": (images * 255).round(), "float": images * 255})


def generate(g: nn.Module, latents: Tensor) -> Tensor:
    """Images (n, channels, side, side) in [0, 1], in inference mode; g's training mode is put back."""
    training = g.training
    g.eval()
    try:
        with torch.inference_mode():
            return torch.cat([g(z) for z in latents.split(BATCH)])
    finally:
        g.train(training)


class Scorer:
    """One request, made ready on one data set; `protocol` is its full text and `id` what rows carry."""

    def __init__(
        self, asked: dict[str, Any], data: Dataset, latent: Latent, store: Store, device: torch.device
    ) -> None:
        self.asked = asked
        self.device = device
        self.scores = {name: lookup("metrics.scores", name, SCORES) for name in asked["scores"]}
        self.extractor = get_extractor(asked, data, store, device)
        real = data.part(asked["real"])
        n_fake = asked["n_fake"]
        self.protocol: dict[str, Any] = {
            **{key: asked[key] for key in ("extractor", "extractor_seed", "real", "quantise", "seed", "is_splits")},
            **{key: asked.get(key) for key in ("kid_subsets", "kid_subset_size")},
            "is_shuffle": SEED if asked["extractor"] == "inception" else None,
            "version": VERSION,
            "generator": asked["generator"],
            "data": asked["data"],
            "weights": self.extractor.weights,
            "n_real": len(real),
            "n_fake": n_fake,
            "resize": self.extractor.resize,
            "ms_ssim": ms_ssim.protocol(data.size, asked.get("ms_ssim_pairs"), asked["pairs_per_class"]),
        }
        self.id = protocol_id(self.protocol)
        self.latents = draw(latent, n_fake, stream(asked["seed"], "evaluation")).to(device)
        self._prepare_reference(data, real, store)

    def _prepare_reference(self, data: Dataset, real: np.ndarray, store: Store) -> None:
        """Statistics of the real images, and as a floor the scores of other real images in the fakes' place."""
        key = {k: self.protocol[k] for k in ("extractor", "weights", "data", "real", "version", "resize")}
        self.real = Reference(
            lambda: self.extractor(Stored(data, real, self.device))[0],
            short_hash({**key, "holds": Moments._fields}),
            store,
            keep=bool(NEED_FEATURES & self.scores.keys()),
        )
        self.reference = self.real.moments
        self.warnings = self._warnings(len(real), self.asked["n_fake"])
        self.floor = real_floor(
            store,
            self.protocol,
            list(self.scores),
            data,
            self.reference,
            lambda rows: self.extractor(Stored(data, rows, self.device)),
            lambda rows, features, logits: self._values(Stored(data, rows, self.device), features, logits)[0],
        )

    def _warnings(self, n_real: int, n_fake: int) -> list[str]:
        """What its user should know of the scores before they are made."""
        n, d = min(n_real, n_fake), len(self.reference.mean)
        if "fid" not in self.scores or n > d:
            return []
        return [
            f"{n} images are too few for a covariance of {d} features: the distance is far too high, by an amount "
            "that depends on the images; compare nothing with it but scores under the same protocol"
        ]

    def text(self) -> dict[str, Any]:
        """The protocol as stored: its keys, and beside them what scoring other real images gives."""
        return {**self.protocol, **self.extractor.about, "floor": self.floor}

    def _measure(self, images: Images) -> tuple[dict[str, float], dict[str, str]]:
        """Scores, and for each that is not finite the reason; raises `NotFinite`."""
        return self._values(images, *self.extractor(images))

    def _values(
        self, images: Images, features: np.ndarray, logits: np.ndarray
    ) -> tuple[dict[str, float], dict[str, str]]:
        """`_measure` of images whose features are known."""
        sample = Sample(images, features, logits, self.reference, self.protocol, self.real)
        values: dict[str, float] = {}
        why: dict[str, str] = {}
        for name, score in self.scores.items():
            try:
                found = score(sample)
            except Unscorable as e:
                found, why[name] = {name: math.nan}, str(e)
            values |= found
        return values, {k: why.get(k, f"{k} is {v}") for k, v in values.items() if not math.isfinite(v)}

    def score(self, g: nn.Module) -> dict[str, Any]:
        """Scores of a generator as a row holds them: a value that is not finite is null, its reason in "why"."""

        def images(latents: Tensor) -> Tensor:
            return quantise(generate(g, latents), self.asked["quantise"])

        try:
            values, why = self._measure(Generated(images, self.latents, BATCH))
        except NotFinite:
            return self.nothing("the generator's output is not finite")
        return {k: None if k in why else v for k, v in values.items()} | ({"why": why} if why else {})

    def nothing(self, reason: str) -> dict[str, Any]:
        """The scores of a generator that has none."""
        return {**dict.fromkeys(self.scores), "why": dict.fromkeys(self.scores, reason)}
