"""Checks of a planned run before anything starts. No torch.

The range of a single key is in `landscape.config.schema`. This module has the rules on several keys and on the machine.
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

# Image sizes that each architecture supports; architectures that are not listed support all.
SIZES: dict[str, tuple[Callable[[int], bool], str]] = {
    "sndcgan": (lambda side: side >= 8 and side % 8 == 0, "a side divisible by 8"),
    "dcgan": (lambda side: side >= 16 and side % 16 == 0, "a side divisible by 16"),
    "resnet19": (lambda side: side in (8, 16, 32, 64, 128), "a side of 8, 16, 32, 64 or 128"),
    "mlp": (lambda side: side == 1, "a single pixel (2-D points): data=ring or data=grid"),
    "resnet_cifar": (lambda side: side == 32, "a side of 32"),
}


def check(flat: dict[str, Any]) -> None:
    """Raise `UserError` for the first illegal value of a flat configuration, or the first missing option of a score."""
    check_ranges(flat)
    check_shares(flat)
    check_batch(flat)
    check_coupling(flat)
    check_clamp(flat)
    for score in flat.get("metrics.scores") or ():
        unset = [one.name for one in SCORES[score].options if flat.get(f"metrics.{one.name}") is None]
        if unset:
            raise UserError(
                f"metrics.scores={score} needs metrics.{unset[0]}, which this choice of metrics does not set; use "
                f"metrics={'modes_diagnostics' if flat.get('metrics.extractor') == 'points' else 'diagnostics'}"
            )
    test, legal = SIZES.get(flat["arch.kind"], (lambda side: True, ""))
    if not test(flat["data.size"]):
        raise UserError(f"arch.kind={flat['arch.kind']} needs {legal}; data.size={flat['data.size']} is not supported")


VALUES = 2**30  # largest number of values in a batch: 4 GiB in fp32, several times as much in training
PER_CORE = 16  # most concurrent runs per core; more could not load torch in reasonable time


def check_batch(flat: dict[str, Any]) -> None:
    """Raise `UserError` for a batch that is too large for any machine."""
    images = flat["train.batch_size"], flat.get("data.channels") or 3, flat["data.size"], flat["data.size"]
    if math.prod(images) > VALUES:
        raise UserError(
            f"train.batch_size={images[0]} images of data.size={images[2]} are {math.prod(images):,} values per batch; "
            f"legal: up to {VALUES:,}"
        )


def check_cores(threads: int, jobs: int | str | None) -> None:
    """Raise `UserError` for more threads, or concurrent runs, than this machine's cores allow."""
    here, several = cores(), jobs if isinstance(jobs, int) else 1
    for key, value, most in (
        ("threads", threads, here),
        ("launcher.jobs", several, PER_CORE * here),
    ):
        if value > most:
            share = f", {PER_CORE} runs per core" * (most > here)
            raise UserError(
                f"{key}={value} is out of range; legal: up to {most} (this machine has {plural(here, 'core')}{share})"
            )


def check_shares(flat: dict[str, Any]) -> None:
    """Raise `UserError` if the batch cannot be split evenly over the run's devices, or a single GPU is named."""
    batch, devices = flat["train.batch_size"], flat["train.world_size"]
    if batch % devices or batch // devices < 2:
        raise UserError(
            f"train.batch_size={batch} cannot be split over train.world_size={devices} devices; "
            f"legal: a multiple of {devices}, {2 * devices} or more"
        )
    if devices > 1 and flat["device"].startswith("cuda:"):
        raise UserError(f"device={flat['device']} is one GPU, but train.world_size={devices}; legal: auto, cpu, cuda")


def check_ranges(flat: dict[str, Any]) -> None:
    """Check each value against its own range. Keys may be absent."""
    for key, known in keys().items():
        value = flat.get(key)
        if value is not None and known.range is not None and not known.range.test(value):
            raise UserError(f"{key}={value} is out of range; legal: {known.range.words}")


MIXED = ("bgan", "mbgan")  # losses of a batch of real and fake images
GROUP = 4  # images in a group of arch.minibatch=stddev


def check_coupling(flat: dict[str, Any]) -> None:
    """Raise `UserError` for ways in which D sees a batch that exclude each other, or do not divide it."""
    loss, batch, devices = flat.get("loss.kind"), flat["train.batch_size"], flat["train.world_size"]
    mixed, pack = flat.get("batch.kind") == "mixed", flat.get("arch.pack") or 1
    if mixed != (loss in MIXED):
        raise UserError(
            f"batch=mixed needs loss={' or loss='.join(MIXED)}, not loss={loss}"
            if mixed
            else f"loss={loss} is of a batch of real and fake images and needs batch=mixed, not batch=pure"
        )
    if mixed and pack > 1:
        raise UserError(f"arch.pack={pack} packs images of one kind, and batch=mixed mixes the kinds; choose one")
    if flat.get("arch.conditional") and pack > 1:
        raise UserError(
            f"arch.pack={pack} joins images of several classes, and arch.conditional=true names one; choose one"
        )
    if flat.get("arch.symmetric") and flat.get("norm.kind") == "bn":
        raise UserError("arch.symmetric=true and norm=bn both give D the batch's means; choose one")
    if batch % (pack * devices):
        raise UserError(
            f"train.batch_size={batch} cannot be packed by arch.pack={pack} on {plural(devices, 'device')}; "
            f"legal: a multiple of {pack * devices}"
        )
    if flat.get("arch.minibatch") == "stddev" and batch // pack > GROUP and batch // pack % GROUP:
        raise UserError(
            f"train.batch_size={batch} makes no groups of {GROUP} for arch.minibatch=stddev; "
            f"legal: a multiple of {GROUP * pack}"
        )


def check_clamp(flat: dict[str, Any]) -> None:
    """Raise `UserError` for bounds of G's Jacobian clamping in the wrong order."""
    low, high = flat.get("reg_g.low"), flat.get("reg_g.high")
    if low is not None and high is not None and low > high:
        raise UserError(f"reg_g.low={low} is above reg_g.high={high}; legal: up to it")


# Names of the same keys in other programs.
MEANT = {
    "learning_rate": "optim.lr", "betas": "optim.beta1", "n_critic": "optim.n_dis", "weight_decay": "reg.strength",
    "lambda": "reg.strength", "epochs": "train.steps", "iterations": "train.steps", "max_steps": "train.steps",
    "bs": "train.batch_size", "z_dim": "latent.dim", "latent_dim": "latent.dim",
    "image_size": "data.size", "resolution": "data.size", "dataset": "data", "model": "arch", "network": "arch",
    "optimizer": "optim", "penalty": "reg", "regularizer": "reg", "normalizer": "norm", "workers": "launcher.jobs",
    "out": "store", "output_dir": "store", "lr": "optim.lr", "steps": "train.steps", "strength": "reg.strength",
    "width": "arch.width",
}  # fmt: skip


def unknown_key(given: str, known: list[str]) -> UserError:
    """The error for an unknown key. Suggests a key with the same last part, or of the same meaning."""
    last = given.rpartition(".")[2].lower()
    same = [key for key in known if key.rpartition(".")[2] == last]
    meant = same[0] if len(same) == 1 else MEANT.get(last)
    hint = f" (did you mean {meant}?)" if meant in known else nearest(given, known)
    return UserError(f"{given} is not a configuration key{hint}; --cfg job lists all of them")
