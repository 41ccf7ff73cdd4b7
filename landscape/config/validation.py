"""What a planned run may be, checked before anything starts. No torch.

The range of each key stands beside it in `landscape.config.schema`; here are the rules on several keys,
and on the machine.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from landscape.config.errors import UserError, nearest
from landscape.config.hardware import cores
from landscape.config.keys import keys
from landscape.config.text import plural
from landscape.scores import SCORES

# Image sides that each architecture can make; one that is not here makes all.
SIZES: dict[str, tuple[Callable[[int], bool], str]] = {
    "sndcgan": (lambda side: side >= 8 and side % 8 == 0, "a side divisible by 8"),
    "dcgan": (lambda side: side >= 16 and side % 16 == 0, "a side divisible by 16"),
    "resnet19": (lambda side: side in (8, 16, 32, 64, 128), "a side of 8, 16, 32, 64 or 128"),
    "mlp": (lambda side: side == 1, "a single pixel, that is points: data=ring or data=grid"),
    "resnet_cifar": (lambda side: side == 32, "a side of 32"),
}


def check(flat: dict[str, Any]) -> None:
    """Raise `UserError` for the first value of a flat configuration that is out of range, or missing for a score."""
    check_ranges(flat)
    check_shares(flat)
    check_batch(flat)
    for score in flat.get("metrics.scores") or ():
        unset = [one.name for one in SCORES[score].options if flat.get(f"metrics.{one.name}") is None]
        if unset:
            raise UserError(
                f"metrics.scores={score} needs metrics.{unset[0]}, which this choice of metrics does not set; choose "
                f"metrics={'modes_diagnostics' if flat.get('metrics.extractor') == 'points' else 'diagnostics'}"
            )
    test, legal = SIZES.get(flat["arch.kind"], (lambda side: True, ""))
    if not test(flat["data.size"]):
        raise UserError(
            f"arch.kind={flat['arch.kind']} makes images with {legal}; data.size={flat['data.size']} is not"
        )


VALUES = 2**30  # numbers of one batch of images: 4 GiB, of which training makes many copies
PER_CORE = 16  # runs at once; more could not even load torch in time


def check_batch(flat: dict[str, Any]) -> None:
    """Raise `UserError` for a batch of legal values that together are more than any machine trains on."""
    images = flat["train.batch_size"], flat.get("data.channels") or 3, flat["data.size"], flat["data.size"]
    if math.prod(images) > VALUES:
        raise UserError(
            f"train.batch_size={images[0]} images of data.size={images[2]} are {math.prod(images):,} numbers a batch; "
            f"legal: up to {VALUES:,}"
        )


def check_cores(threads: int, jobs: int | None) -> None:
    """Raise `UserError` for more threads, or runs at once, than the cores of this machine, where it trains, carry."""
    here = cores()
    for key, value, most in (("threads", threads, here), ("launcher.jobs", jobs or 1, PER_CORE * here)):
        if value > most:
            share = f", {PER_CORE} on each" * (most > here)
            raise UserError(
                f"{key}={value} is out of range; legal: up to {most}, as this machine has {plural(here, 'core')}{share}"
            )


def check_shares(flat: dict[str, Any]) -> None:
    """Raise `UserError` where the devices of a run cannot share its batch evenly, or are named one by one."""
    batch, devices = flat["train.batch_size"], flat["train.world_size"]
    if batch % devices or batch // devices < 2:
        raise UserError(
            f"train.batch_size={batch} cannot be shared by train.world_size={devices} devices; "
            f"legal: a multiple of {devices}, {2 * devices} or more"
        )
    if devices > 1 and flat["device"].startswith("cuda:"):
        raise UserError(f"device={flat['device']} is one GPU, and train.world_size={devices}; legal: auto, cpu, cuda")


def check_ranges(flat: dict[str, Any]) -> None:
    """`check`, of each value by itself; keys may be absent."""
    for key, known in keys().items():
        value = flat.get(key)
        if value is not None and known.range is not None and not known.range.test(value):
            raise UserError(f"{key}={value} is out of range; legal: {known.range.words}")


# What other programs call our keys.
MEANT = {
    "learning_rate": "optim.lr", "betas": "optim.beta1", "n_critic": "optim.n_dis", "weight_decay": "reg.strength",
    "lambda": "reg.strength", "epochs": "train.steps", "iterations": "train.steps", "max_steps": "train.steps",
    "batch": "train.batch_size", "bs": "train.batch_size", "z_dim": "latent.dim", "latent_dim": "latent.dim",
    "image_size": "data.size", "resolution": "data.size", "dataset": "data", "model": "arch", "network": "arch",
    "optimizer": "optim", "penalty": "reg", "regularizer": "reg", "normalizer": "norm", "workers": "launcher.jobs",
    "out": "store", "output_dir": "store",
}  # fmt: skip


def unknown_key(given: str, known: list[str]) -> UserError:
    """The error for a key that no configuration has: with the key that bears its last word, or means the same."""
    last = given.rpartition(".")[2].lower()
    same = [key for key in known if key.rpartition(".")[2] == last]
    meant = same[0] if len(same) == 1 else MEANT.get(last)
    hint = f" (did you mean {meant}?)" if meant in known else nearest(given, known)
    return UserError(f"{given} is no configuration key{hint}; --cfg job shows all of them")
