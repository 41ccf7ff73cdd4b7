"""Scoring a generator under one protocol: the same latents every time, and no trace left in training.

A `Scorer` is made once per run and request: it holds the extractor, the statistics of the real images and
the latents. `score` then costs one pass over the fakes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pkgutil import resolve_name
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from landscape.config.identity import short_hash
from landscape.config.registry import lookup
from landscape.config.schema import Latent
from landscape.data import Dataset
from landscape.metrics import ms_ssim
from landscape.metrics.extractors import BATCH, get_extractor
from landscape.metrics.frechet import Moments
from landscape.metrics.image_sources import Generated, Images, NotFinite, Stored
from landscape.metrics.kid import SEED
from landscape.metrics.networks_under_test import Subject
from landscape.metrics.real_baseline import noisy_floor, others, real_floor
from landscape.metrics.reference_stats import Real, Reference
from landscape.metrics.row_values import Value, as_row
from landscape.networks.latents import draw
from landscape.rng import stream
from landscape.scores import SCORES, Column
from landscape.store import Store
from landscape.store.protocols import NEUTRAL, VERSION, EvalProtocol, EvalRequest


class Sample(NamedTuple):
    """A set of images under scoring."""

    images: Images  # (n, channels, side, side) in [0, 255]
    features: np.ndarray  # (n, d)
    logits: np.ndarray  # (n, classes)
    request: EvalRequest
    protocol: EvalProtocol
    data: Real
    subject: Subject | None = None  # what made the images; None where they are real

    @property
    def reference(self) -> Moments:
        """Moments of the real images' features."""
        return self.data.reference.moments


# Found when this module is loaded, so that workers that are forked have them.
MEASURES: dict[str, Callable[[Sample], Mapping[str, Value]]] = {
    name: resolve_name(score.measure) for name, score in SCORES.items()
}


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


def since(start: float) -> float:
    """Seconds since a reading of the performance counter, to tenths of a millisecond."""
    return round(time.perf_counter() - start, 4)


class Scorer:
    """One request, made ready on one data set; `protocol` is its full text and `id` what rows carry."""

    def __init__(self, asked: EvalRequest, data: Dataset, latent: Latent, store: Store, device: torch.device) -> None:
        self.asked = asked
        self.device = device
        self.scores = {name: lookup("metrics.scores", name, SCORES) for name in asked.scores}
        self.extractor = get_extractor(asked, data, store, device)
        real = data.part(asked.real)
        self.protocol = EvalProtocol(
            extractor=asked.extractor,
            extractor_seed=asked.extractor_seed,
            real=asked.real,
            quantise=asked.quantise,
            seed=asked.seed,
            is_splits=asked.is_splits,
            is_shuffle=SEED if asked.extractor == "inception" else None,
            version=VERSION,
            generator=asked.generator,
            data=asked.data,
            weights=self.extractor.weights,
            n_real=len(real),
            n_fake=asked.n_fake,
            resize=self.extractor.resize,
            ms_ssim=ms_ssim.protocol(data.size, asked.ms_ssim_pairs, asked.pairs_per_class),
            more={key: asked.options.get(key) for key in NEUTRAL},
        )
        self.id = self.protocol.id
        self.latents = draw(latent, asked.n_fake, stream(asked.seed, "evaluation")).to(device)
        self._prepare_reference(data, real, store)

    def _prepare_reference(self, data: Dataset, real: np.ndarray, store: Store) -> None:
        """Statistics of the real images, and as a floor the scores of other real images in the fakes' place."""
        key = {k: getattr(self.protocol, k) for k in ("extractor", "weights", "data", "real", "version", "resize")}
        reference = Reference(
            lambda: self.extractor(Stored(data, real, self.device))[0],
            short_hash({**key, "holds": Moments._fields}),
            store,
            keep=any("real_features" in score.needs for score in self.scores.values()),
        )
        self.reference = reference.moments
        same = {k: v for k, v in key.items() if k != "real"}
        self.data = Real(data, self.asked.real, reference, self.extractor, store, self.device, same)
        self.warnings = self._warnings(len(real), self.asked.n_fake)
        self.floor: Mapping[str, Any] | None = None
        self.noisy: dict[str, float] | None = None

        def images(rows: np.ndarray) -> Stored:
            return Stored(data, rows, self.device)

        other = others(self.asked, data, lambda rows: self.extractor(images(rows)))
        if other is None:
            return

        def measure(rows: np.ndarray, features: np.ndarray, logits: np.ndarray) -> dict[str, Any]:
            return as_row(self._values(images(rows), features, logits)[0])

        self.floor = real_floor(store, self.protocol, list(self.scores), other, self.reference, measure)
        if "ms_ssim" in self.scores:
            self.noisy = noisy_floor(store, self.asked, self.protocol, other, images)

    def _warnings(self, n_real: int, n_fake: int) -> list[str]:
        """What its user should know of the scores before they are made."""
        n, d = min(n_real, n_fake), len(self.reference.mean)
        if "fid" not in self.scores or n > d:
            return []
        return [
            f"{n} images are too few for a covariance of {d} features: the distance is far too high, by an amount "
            "that depends on the images; compare nothing with it but scores under the same protocol"
        ]

    def text(self) -> EvalProtocol:
        """The protocol as stored: beside what defines it what scoring other real images gives."""
        about = {**self.extractor.about, "features": len(self.reference.mean)}
        return replace(self.protocol, **about, floor=self.floor, floor_noisy=self.noisy)

    def _measure(self, images: Images, subject: Subject | None = None) -> tuple[dict[str, Value], dict[str, float]]:
        """Scores by column, and the seconds that features and each score took; raises `NotFinite`."""
        start = time.perf_counter()
        features, logits = self.extractor(images)
        spent = since(start)
        values, cost = self._values(images, features, logits, subject)
        return values, {"features": spent, **cost}

    def _values(
        self, images: Images, features: np.ndarray, logits: np.ndarray, subject: Subject | None = None
    ) -> tuple[dict[str, Value], dict[str, float]]:
        """`_measure` of images whose features are known."""
        sample = Sample(images, features, logits, self.asked, self.protocol, self.data, subject)
        values: dict[str, Value] = {}
        cost: dict[str, float] = {}
        for name, described in self.scores.items():
            if subject is None and "networks" in described.needs:
                continue
            start = time.perf_counter()
            values |= MEASURES[name](sample)
            cost[name] = since(start)
        return values, cost

    def score(self, g: nn.Module, subject: Subject | None = None) -> dict[str, Any]:
        """Scores of a generator as a row holds them: a value that is not finite is null, its reason in "why".

        Without a subject (g's opponent and all) the scores that need one are left out. "cost" has the seconds, that
        of features with the making of the samples.
        """

        def images(latents: Tensor) -> Tensor:
            return quantise(generate(g, latents), self.asked.quantise)

        try:
            values, cost = self._measure(Generated(images, self.latents, BATCH), subject)
        except NotFinite:
            return self.nothing("the generator's output is not finite")
        return as_row(values) | {"cost": cost}

    def nothing(self, reason: str) -> dict[str, Any]:
        """The scores of a generator that has none."""
        keys = [column.stored(self.asked.extractor) for column in self.columns if not column.curve]
        return {**dict.fromkeys(keys), "why": dict.fromkeys(keys, reason)}

    @property
    def columns(self) -> list[Column]:
        """What the scores store."""
        return [column for score in self.scores.values() for column in score.columns if column.one_minus is None]
