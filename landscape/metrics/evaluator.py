"""Scoring of a generator under one protocol, with the same latents each time and no effect on training.

A `Scorer` is made once per run and request. It holds the extractor, the statistics of the real images and the latents,
so `score` needs one pass over the fakes.
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
from landscape.metrics.image_sources import GeneratedImages, Images, NotFinite, StoredImages
from landscape.metrics.kid import SEED
from landscape.metrics.networks_under_test import NetworksUnderTest
from landscape.metrics.real_baseline import held_out_real, noisy_floor, real_floor
from landscape.metrics.reference_stats import RealData, Reference
from landscape.metrics.row_values import Value, as_row
from landscape.networks.conditional import at_labels, draw_labels
from landscape.networks.latents import sample_latents
from landscape.rng import stream
from landscape.scores import SCORES, Column
from landscape.store import Store
from landscape.store.protocols import NEUTRAL, VERSION, EvalProtocol, EvalRequest
from landscape.training.image_grid import samples_per_picture, save_samples


class ScoringInput(NamedTuple):
    """The images to score, and what scores may use."""

    images: Images  # (n, channels, side, side) in [0, 255]
    features: np.ndarray  # (n, d)
    logits: np.ndarray  # (n, classes)
    request: EvalRequest
    protocol: EvalProtocol
    data: RealData
    networks: NetworksUnderTest | None = None  # the networks that made the images; None for real images
    # (n,) classes of the images: those asked of a conditional generator, the true ones of real images; None if unknown.
    labels: np.ndarray | None = None

    @property
    def reference(self) -> Moments:
        """Moments of the real images' features."""
        return self.data.reference.moments


# Resolved on import, so that forked workers have them loaded.
MEASURES: dict[str, Callable[[ScoringInput], Mapping[str, Value]]] = {
    name: resolve_name(score.measure) for name, score in SCORES.items()
}


def quantize(images: Tensor, how: str) -> Tensor:
    """Images in [0, 1] to [0, 255]: "uint8" rounds to integers, "float" (the study) does not."""
    return lookup("metrics.quantise", how, {"uint8": (images * 255).round(), "float": images * 255})


def generate(g: nn.Module, latents: Tensor, labels: Tensor | None = None) -> Tensor:
    """Images (n, channels, side, side) in [0, 1], generated in inference mode. Restores g's training mode.

    `labels` (n,) are for a conditional generator.
    """
    classes = [None] * len(latents) if labels is None else labels.split(BATCH)
    training = g.training
    g.eval()
    try:
        with torch.inference_mode():
            return torch.cat([at_labels(g, y)(z) for z, y in zip(latents.split(BATCH), classes, strict=False)])
    finally:
        g.train(training)


def seconds_since(start: float) -> float:
    """Seconds since `start` (a `perf_counter` reading), rounded to 0.1 ms."""
    return round(time.perf_counter() - start, 4)


class Scorer:
    """Computes the scores of one request on one data set.

    `protocol` is the full protocol, `id` its id in rows, `floor` the scores of held-out real images, and `warnings`
    what a user should know about the scores. The samples of a `conditional` generator have classes as frequent as in
    the training images. The constructor raises `UserError` if the extractor is not available.
    """

    def __init__(
        self,
        asked: EvalRequest,
        data: Dataset,
        latent: Latent,
        store: Store,
        device: torch.device,
        conditional: bool = False,
    ) -> None:
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
        self.latents = sample_latents(latent, asked.n_fake, stream(asked.seed, "evaluation")).to(device)
        self.labels: Tensor | None = None
        if conditional:
            assert data.labels is not None, "checked at planning"
            known = torch.from_numpy(data.labels[data.train])
            self.labels = draw_labels(known, asked.n_fake, stream(asked.seed, "evaluation/labels")).to(device)
        self._prepare_reference(data, real, store)
        self._show_reals(data, real, store)

    def _show_reals(self, data: Dataset, real: np.ndarray, store: Store) -> None:
        """Save a picture of some of the real images, once per protocol, for the report."""
        file = store.real_images(self.id)
        if not file.exists():
            some = real[
                np.linspace(0, len(real) - 1, min(len(real), samples_per_picture(data.size))).round().astype(int)
            ]
            images = StoredImages(data, some, torch.device("cpu"))
            save_samples(images[torch.arange(len(some))] / 255, file)

    def _prepare_reference(self, data: Dataset, real: np.ndarray, store: Store) -> None:
        """Compute the statistics of the real images, and the floor: the scores of held-out real images in place of
        fakes."""
        key = {k: getattr(self.protocol, k) for k in ("extractor", "weights", "data", "real", "version", "resize")}
        reference = Reference(
            lambda: self.extractor(StoredImages(data, real, self.device))[0],
            short_hash({**key, "holds": Moments._fields}),
            store,
            keep=any("real_features" in score.needs for score in self.scores.values()),
        )
        self.reference = reference.moments
        same = {k: v for k, v in key.items() if k != "real"}
        self.data = RealData(data, self.asked.real, reference, self.extractor, store, self.device, same)
        self.warnings = self._warnings(len(real), self.asked.n_fake)
        self.floor: Mapping[str, Any] | None = None
        self.noisy: dict[str, float] | None = None

        def images(rows: np.ndarray) -> StoredImages:
            return StoredImages(data, rows, self.device)

        other = held_out_real(self.asked, data, lambda rows: self.extractor(images(rows)))
        if other is None:
            return

        def measure(rows: np.ndarray, features: np.ndarray, logits: np.ndarray) -> dict[str, Any]:
            labels = None if data.labels is None else data.labels[rows]
            return as_row(self._values(images(rows), features, logits, labels=labels)[0])

        self.floor = real_floor(store, self.protocol, list(self.scores), other, self.reference, measure)
        if "ms_ssim" in self.scores:
            self.noisy = noisy_floor(store, self.asked, self.protocol, other, images)

    def _warnings(self, n_real: int, n_fake: int) -> list[str]:
        """Warnings about the scores that are known beforehand."""
        n, d = min(n_real, n_fake), len(self.reference.mean)
        if "fid" not in self.scores or n > d:
            return []
        return [
            f"{n} images are too few for a covariance of {d} features: the distance is biased far upwards; compare it "
            "only with scores under the same protocol"
        ]

    def text(self) -> EvalProtocol:
        """The protocol as stored: its keys, facts about the extractor, and the floors."""
        about = {**self.extractor.about, "features": len(self.reference.mean)}
        return replace(self.protocol, **about, floor=self.floor, floor_noisy=self.noisy)

    def _measure(
        self, images: Images, networks: NetworksUnderTest | None = None
    ) -> tuple[dict[str, Value], dict[str, float]]:
        """Scores by column, and the seconds for features and each score. Raises `NotFinite`."""
        start = time.perf_counter()
        features, logits = self.extractor(images)
        spent = seconds_since(start)
        labels = None if self.labels is None else self.labels.cpu().numpy()
        values, cost = self._values(images, features, logits, networks, labels)
        return values, {"features": spent, **cost}

    def _values(
        self,
        images: Images,
        features: np.ndarray,
        logits: np.ndarray,
        networks: NetworksUnderTest | None = None,
        labels: np.ndarray | None = None,
    ) -> tuple[dict[str, Value], dict[str, float]]:
        """`_measure` for images with known features."""
        sample = ScoringInput(images, features, logits, self.asked, self.protocol, self.data, networks, labels)
        values: dict[str, Value] = {}
        cost: dict[str, float] = {}
        for name, described in self.scores.items():
            if networks is None and "networks" in described.needs:
                continue
            start = time.perf_counter()
            values |= MEASURES[name](sample)
            cost[name] = seconds_since(start)
        return values, cost

    def score(self, g: nn.Module, networks: NetworksUnderTest | None = None) -> dict[str, Any]:
        """Scores of a generator as a row: null for values that are not finite, with the reasons in "why".

        Without `networks`, scores that need them are omitted. "cost" has the seconds per score; "features" includes
        generating the samples.
        """

        def images(latents: Tensor, labels: Tensor | None = None) -> Tensor:
            return quantize(generate(g, latents, labels), self.asked.quantise)

        try:
            values, cost = self._measure(GeneratedImages(images, self.latents, BATCH, self.labels), networks)
        except NotFinite:
            return self.null_row("the generator's output is not finite")
        return as_row(values) | {"cost": cost}

    def null_row(self, reason: str) -> dict[str, Any]:
        """A row with null for every score, for the given reason."""
        keys = [column.stored(self.asked.extractor) for column in self.columns if not column.curve]
        return {**dict.fromkeys(keys), "why": dict.fromkeys(keys, reason)}

    @property
    def columns(self) -> list[Column]:
        """The columns that the scores store."""
        return [column for score in self.scores.values() for column in score.columns if column.one_minus is None]
