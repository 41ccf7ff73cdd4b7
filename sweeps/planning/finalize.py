"""Turns a composed configuration into the one that is frozen: unused keys null, defaults filled in, all checked."""

from __future__ import annotations

from functools import cache
from typing import Any

from landscape.config.axes import BY_NAME, GROUPS, SELECTORS
from landscape.config.errors import UserError
from landscape.config.identity import flatten
from landscape.config.schema import Data
from landscape.config.validation import check, check_ranges
from landscape.data import Dataset, find_data, find_side
from landscape.scores import SCORES
from landscape.store import Store
from landscape.store.weights import PUBLISHED, find_weights
from sweeps.planning.composition import Composed, resolve
from sweeps.planning.config_groups import SWEEP, fragment, groups, mentioned, primary, put

# Groups whose choice's file says which keys it uses.
CHOSEN = (*GROUPS, "metrics", "launcher", "logger")
NO_LOSS = BY_NAME["loss"].plain  # that of an algorithm without a discriminator
UNSET = "???"  # in a choice's file: the user must give this key


class ConflictingChoices(UserError):
    """A cell with contradicting choices; a plan collects all of them into one error."""


class DataError(UserError):
    """An error in the data, which does not depend on the point of the grid."""


@cache
def dataset(store: str, **data: Any) -> Dataset:
    """The data set of a plan, decoded if necessary; cached until the next `make_plan`."""
    try:
        return find_data(Data(**data), Store(store))
    except UserError as e:
        raise DataError(str(e)) from e


@cache
def side(store: str, **data: Any) -> int | None:
    """The side of a plan's images in pixels, None if unknown; cached like `dataset`."""
    try:
        return find_side(Data(**data), Store(store))
    except UserError as e:
        raise DataError(str(e)) from e


@cache
def weights(extractor: str, store: str, path: str | None) -> str:
    """The digest of the extractor's weights; cached like `dataset`."""
    return find_weights(extractor, path, Store(store))


def finalize(composed: Composed, unused: set[str]) -> dict[str, Any]:
    """The configuration to freeze; `composed.config` is changed in place and returned.

    Keys that were given but that the cell's choices do not use are added to `unused`. Raises `ConflictingChoices`, or
    `UserError` for a value that is out of range.
    """
    config = composed.config
    check_ranges(flatten({key: config[key] for key in SWEEP}))
    for key in ("study", *SWEEP):
        del config[key]
    _check_conditional(composed)
    for group in CHOSEN:
        null_unused_keys(composed, group, unused)
    _obey_algorithm(composed, unused)
    _add_class_scores(composed)
    _decide_norm(config)
    _drop_sync(composed, unused)
    _complete_lens(config)
    complete_size(config)
    flat = flatten(config)
    check_given(flat)
    check(flat)
    data = dataset(config["store"], **config["data"])
    _add_content(config, data)
    _complete_metrics(config, data)
    return config


def finalize_metrics(config: dict[str, Any], data: Dataset) -> None:
    """`finalize` for the scores alone, of a run that is frozen already: checks them and fills in counts."""
    check_ranges({f"metrics.{key}": value for key, value in config["metrics"].items()})
    _add_content(config, data)
    _complete_metrics(config, data)


def null_unused_keys(composed: Composed, group: str, unused: set[str]) -> None:
    """Set the keys of a group to null that its choice does not use; those that the command gave go to `unused`."""
    choice, keys = composed.choices.get(group), composed.config[group]
    used = mentioned(group, choice)
    for key, value in keys.items():
        if key not in used and value is not None and value != []:
            if f"{group}.{key}" in composed.given:
                unused.add(f"{group}.{key} by {group}={choice}")
            keys[key] = [] if isinstance(value, list) else None


def complete_size(config: dict[str, Any]) -> None:
    """Fill in `data.size` from the images if it was not given; raises `UserError`."""
    data = config["data"]
    if data["size"] == UNSET:
        check_ranges(flatten({"data": {**data, "size": None}}))
        data["size"] = side(config["store"], **data) or UNSET


def check_given(flat: dict[str, Any]) -> None:
    """Raise `UserError` for the first required key that was not given."""
    missing = [key for key, value in flat.items() if value == UNSET]
    if missing:
        raise UserError(f"{missing[0]} must be given")


def _obey_algorithm(composed: Composed, unused: set[str]) -> None:
    """What an algorithm's file sets of other groups is so: another choice contradicts it, another value is not used."""
    algorithm = composed.choices["algorithm"] or ""
    says = {path: value for path, value in fragment("algorithm", algorithm).leaves.items() if path[0] != "algorithm"}
    for path, value in says.items():
        group = SELECTORS.get(".".join(path))
        choice = composed.choices.get(group or "")
        chosen = group in composed.chosen or choice != dict(primary()[0]).get(group or "")
        if group and choice and chosen and fragment(group, choice).leaves.get(path) != value:
            raise ConflictingChoices(f"algorithm={algorithm} means {group}={value}, so it contradicts {group}={choice}")
    if says:
        before = flatten(composed.config)
        put(composed.config, says)
        resolve(composed.config, composed.config)
        after = flatten(composed.config)
        unused |= {f"{key} by algorithm={algorithm}" for key in composed.given if before.get(key) != after.get(key)}


def _decide_norm(config: dict[str, Any]) -> None:
    """Set norm.kind, if unset, from the shorthand on `reg` (reg=sn) or to none; raises `ConflictingChoices`."""
    short, norm = config["reg"]["norm"], config["norm"]
    if norm["kind"] is None:
        norm["kind"] = "none"
    if short is not None and norm["kind"] != short:
        raise ConflictingChoices(f"reg={short} means norm={short}, so it contradicts norm={norm['kind']}")
    config["reg"]["norm"] = None


def _check_conditional(composed: Composed) -> None:
    """Raise `UserError` for a conditional model of a network that has no such form, which is no unused key: it would
    train another model than it is called."""
    if not composed.config["arch"]["conditional"]:
        return
    chosen = composed.choices["arch"]
    if "conditional" not in mentioned("arch", chosen):
        able = [choice for choice in groups()["arch"] if "conditional" in mentioned("arch", choice)]
        raise UserError(f"arch.conditional=true needs arch={', '.join(able)}; arch={chosen} has no conditional form")
    if composed.config["arch"]["g_norm"] == "none":
        raise UserError("arch.conditional=true needs arch.g_norm=bn, by which G is told the class; it is none")


def _add_class_scores(composed: Composed) -> None:
    """A conditional run is scored within its classes too, unless the command names the scores."""
    scores = composed.config["metrics"]["scores"]
    if composed.config["arch"]["conditional"] and scores and "metrics.scores" not in composed.given:
        scores.append("classes")


def _drop_sync(composed: Composed, unused: set[str]) -> None:
    """Set sync_bn to false on one device, where it has no effect, so that equal runs have equal ids."""
    train = composed.config["train"]
    if train["world_size"] == 1 and train["sync_bn"]:
        train["sync_bn"] = False
        if "train.sync_bn" in composed.given:
            unused.add("train.sync_bn by train.world_size=1")


def _complete_lens(config: dict[str, Any]) -> None:
    """Set a lens's steps, if unset, to half of the run's, so that equal runs have equal ids."""
    lens = config["lens"]
    if lens["kind"] != BY_NAME["lens"].plain and lens["steps"] is None:
        lens["steps"] = max(1, config["train"]["steps"] // 2)


def _add_content(config: dict[str, Any], data: Dataset) -> None:
    config["data"]["content"] = data.content
    if config["arch"].get("conditional"):
        if data.labels is None:
            raise UserError(f"arch.conditional=true needs labels, and data={data.name} has none")
        config["data"]["classes"] = data.classes
    if config["train"]["batch_size"] > len(data.train):
        raise UserError(
            f"train.batch_size={config['train']['batch_size']} is out of range; "
            f"legal: up to the {len(data.train)} training images of data={data.name}"
        )
    extractor = config["metrics"]["extractor"]
    if extractor in ("classifier", "points") and data.labels is None:
        raise UserError(
            f"metrics.extractor={extractor} needs labels, and data={data.name} has none; metrics=imagenet needs none"
        )
    if extractor is not None and (data.size == 1) != (extractor == "points"):
        raise UserError(
            f"metrics.extractor={extractor} does not fit data={data.name}; choose "
            f"metrics={'modes' if data.size == 1 else 'classifier'}"
        )


def _complete_metrics(config: dict[str, Any], data: Dataset) -> None:
    """Check the scores, and set n_fake to the number of real images if unset, so that equal requests have equal ids."""
    metrics = config["metrics"]
    if not metrics["scores"]:
        return
    if metrics["extractor"] is None:
        raise UserError("metrics.scores needs an extractor; choose metrics=classifier")
    for score in metrics["scores"]:
        if "discriminator" in SCORES[score].needs and config["loss"]["kind"] == NO_LOSS:
            raise UserError(
                f"metrics.scores={score} needs a discriminator, and algorithm={config['algorithm']['kind']} has none"
            )
    _complete_pairs(metrics, data)
    for score in metrics["scores"]:
        needed = SCORES[score].extractors or (metrics["extractor"],)
        if score == "ms_ssim" and metrics["ms_ssim_pairs"] == "batches":
            continue  # no classes are asked for
        if metrics["extractor"] not in needed:
            raise UserError(
                f"metrics.scores={score} needs metrics.extractor={' or '.join(needed)}, "
                f"and it is {metrics['extractor']}; choose metrics={'modes' if 'points' in needed else 'classifier'}"
                + "; metrics.ms_ssim_pairs=batches needs no classes"
                * (score == "ms_ssim")
            )
    if metrics["extractor"] in PUBLISHED:
        metrics["weights_sha256"] = weights(metrics["extractor"], config["store"], metrics["weights"])
    metrics["n_fake"] = metrics["n_fake"] or len(data.part(metrics["real"]))
    if (metrics["is_splits"] or 1) > metrics["n_fake"]:
        raise UserError(
            f"metrics.is_splits={metrics['is_splits']} is out of range; legal: up to the {metrics['n_fake']} fakes"
        )
    if metrics["ms_ssim_pairs"] == "batches" and "ms_ssim" in metrics["scores"] and metrics["n_fake"] < STUDY_PAIRS:
        raise UserError(
            f"metrics.ms_ssim_pairs=batches needs {STUDY_PAIRS} fakes, and metrics.n_fake={metrics['n_fake']}"
        )


STUDY_PAIRS = 5 * 64  # images in the study's MS-SSIM (a test compares it with the score's own)


def _complete_pairs(metrics: dict[str, Any], data: Dataset) -> None:
    """Normalize the keys that say how images are paired, so that equal requests have equal ids."""
    if metrics["ms_ssim_pairs"] == "within_class":
        metrics["ms_ssim_pairs"] = None
    if metrics["ms_ssim_pairs"] == "batches":
        metrics["pairs_per_class"] = None
    if "ms_ssim" in metrics["scores"] and data.size == 1:
        raise UserError(f"metrics.scores=ms_ssim compares images, and data={data.name} holds points")
