"""`python -m landscape.prefetch`: put data and weights into the store that compute nodes cannot download."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from landscape.config.errors import UserError
from sweeps.cli import arguments
from sweeps.errors import run_command

if TYPE_CHECKING:
    from landscape.data import Dataset
    from landscape.store import Store
    from sweeps.planning.composition import Composed


logger = logging.getLogger(__name__)


def main(argv: list[str]) -> int:
    """Run the command line; returns the exit code: 0, 2 for an invalid command or damaged files, 130 if interrupted."""

    def work() -> None:
        if not argv:
            raise UserError("nothing to prefetch: give data=CHOICE or metrics=inception; see --help")
        prefetch(arguments.prefetch().parse(argv).overrides)

    return run_command(work, interrupted="stopped; no partial files are left")


def prefetch(overrides: list[str]) -> None:
    """Put what these overrides need into their store and print what it is; raises `UserError`."""
    from landscape.data import DATASETS
    from landscape.store import Store
    from landscape.store.weights import PUBLISHED

    composed = _compose(overrides)
    config = composed.config
    store = Store(config["store"])
    extractor = config["metrics"]["extractor"]
    if extractor in PUBLISHED:
        _weights(extractor, config["metrics"]["weights"], store)
    if extractor not in PUBLISHED or config["data"]["kind"] not in DATASETS:
        found = _data(config["data"], store)
        if "metrics" in composed.chosen and config["metrics"]["extractor"] == "classifier":
            _classifier(found, config["metrics"]["extractor_seed"], store)


def _weights(extractor: str, path: str | None, store: Store) -> None:
    """An extractor's published weights, found or downloaded, and put into the network once to see that they fit."""
    from landscape.metrics import extractor_dinov2, extractor_imagenet, extractor_inception
    from landscape.store.weights import ChangedWeights, NoWeights, find_weights, read_weights

    fit = {
        "inception": extractor_inception.inception_from,
        "imagenet": extractor_imagenet.network,
        "dinov2": extractor_dinov2.dinov2_from,
    }[extractor]

    def ready() -> str:
        digest = find_weights(extractor, path, store)
        fit(read_weights(extractor, digest, store))
        return digest

    try:
        digest = ready()
    except (NoWeights, ChangedWeights):
        if extractor != "inception":  # the others come with a Python package
            raise
        logger.info(f"downloading the Inception weights to {store.root}")
        extractor_inception.download(store)
        digest = ready()
    print(f"metrics={extractor}: weights {digest[:12]} are in the store and match the network")


def _classifier(data: Dataset, seed: int, store: Store) -> None:
    """Train the data set's own classifier, unless the store has it."""
    from landscape.metrics.extractors import classifier_of
    from landscape.training.devices import pick_device

    start = time.monotonic()
    made = classifier_of(data.content, seed, data, store, pick_device("cpu"))
    print(
        f"metrics=classifier: weights {made.weights[:12]}, {made.about['accuracy']:.1%} test accuracy, "
        f"ready in {time.monotonic() - start:.1f} s"
    )


def _data(given: dict[str, Any], store: Store) -> Dataset:
    """The data set, decoded or checked; missing CIFAR-10 files are downloaded."""
    from landscape.config.schema import Data
    from landscape.data import find_data
    from landscape.data.cifar10 import FilesMissing, download

    data = Data(**given)
    start = time.monotonic()
    try:
        found = find_data(data, store, thorough=True)
    except FilesMissing as e:
        logger.info(f"downloading CIFAR-10 to {e.root}")
        download(e.root)
        found = find_data(data, store, thorough=True)
    labels = f"{found.classes} classes" if found.classes else "no labels"
    print(
        f"data={found.name}: {len(found.train)} training and {len(found.test)} test images, "
        f"{found.channels} x {found.size} x {found.size}, {labels}; "
        f"content {found.content[:12]}, ready in {time.monotonic() - start:.1f} s"
    )
    return found


def _compose(overrides: list[str]) -> Composed:
    """The composed configuration, with the keys of `data` and `metrics` checked as for a plan."""
    from landscape.config.identity import flatten
    from landscape.config.validation import check_ranges
    from sweeps.planning.composition import combinations, hydra
    from sweeps.planning.finalize import check_given, complete_size, null_unused_keys, side
    from sweeps.planning.overrides import parse

    with hydra():
        (composed,) = combinations(parse(overrides, multirun=False))
    for group in ("data", "metrics"):
        null_unused_keys(composed, group, set())
    side.cache_clear()
    complete_size(composed.config)
    flat = flatten({group: composed.config[group] for group in ("data", "metrics")})
    check_given(flat)
    check_ranges(flat)
    return composed
