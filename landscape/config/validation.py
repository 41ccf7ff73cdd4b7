"""What a planned run may be: legal values and ranges, checked before anything starts. No torch.

Lists here name what the tables of `landscape` hold (a test keeps them equal), so that a plan can be refused
without loading them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from landscape.config.errors import UserError, nearest
from landscape.config.hardware import cores
from landscape.config.text import plural

Test = Callable[[Any], bool]


class Rule(NamedTuple):
    """A key, the test that its value must pass where it is not null, and the legal values in words."""

    key: str
    test: Test
    legal: str


def _one_of(key: str, *values: str) -> Rule:
    return Rule(key, lambda v: v in values, ", ".join(values))


# Of counts that cost neither memory nor processes; what is larger is a slip of the keyboard.
MOST = 10**9

MOST_SIDE = 1024  # pixels


def _at_least(key: str, least: int, most: int = MOST) -> Rule:
    """A whole number; `most` is beyond all use, and stops what would eat the machine before it fails."""
    return Rule(key, lambda v: least <= v <= most, f"{least} to {most:,}")


def _seed(key: str) -> Rule:
    return Rule(key, lambda v: 0 <= v < 2**63, "0 or more, under 2^63")


def _positive(key: str, most: float = math.inf) -> Rule:
    words = "a positive number" if most == math.inf else f"a positive number up to {most:g}"
    return Rule(key, lambda v: 0 < v <= most and v < math.inf, words)


def _fraction(key: str) -> Rule:
    return Rule(key, lambda v: 0 <= v < 1, "at least 0 and under 1")


def is_storage(text: str) -> bool:
    """Whether a search's trials can be kept there: the store's own kinds, or a data base by its URL."""
    return text in ("sqlite", "journal") or re.match(r"(postgresql|mysql|mariadb)(\+\w+)?://.", text) is not None


PARTS = ("train", "test", "test_a", "test_b", "all")


def minutes(text: str) -> int | None:
    """A job's time limit in minutes, rounded up; None for what is neither minutes nor [days-]hours:minutes:seconds."""
    match = re.fullmatch(r"(?:(\d+)-)?(\d+):([0-5]\d):([0-5]\d)", text)
    if match is None:
        return int(text) if text.isdecimal() and int(text) > 0 else None
    days, hours, minute, second = (int(part or 0) for part in match.groups())
    return math.ceil(days * 1440 + hours * 60 + minute + second / 60) or None


def gigabytes(text: str) -> float | None:
    """A size with its unit (M, G or T) in GB; None for what is none."""
    match = re.fullmatch(r"(\d+)([MGT])B?", text)
    return None if match is None or int(match[1]) == 0 else int(match[1]) * {"M": 1 / 1024, "G": 1, "T": 1024}[match[2]]


# Scores, and the keys that each needs.
SCORES = {
    "fid": (),
    "is": (),
    "kid": ("kid_subsets", "kid_subset_size"),
    "ms_ssim": (),
    "modes": (),
    "prd": ("prd_clusters", "prd_angles", "prd_runs"),
    "d_accuracy": (),
    "conditioning": ("jacobians",),
    "geometry": (
        *("geometry_landmarks", "geometry_gamma", "geometry_holes"),
        *("geometry_draws", "geometry_points"),
    ),
    "birthday": ("birthday_samples", "birthday_share", "birthday_space"),
    "neighbours": ("neighbours",),
}

RULES = (
    Rule("reg.strength", lambda v: 0 <= v < math.inf, "0 or more"),
    Rule("reg.target", lambda v: 0 <= v < math.inf, "0 or more"),
    Rule("reg.epsilon", lambda v: 0 <= v < math.inf, "0 or more"),
    _one_of("reg.noise", "study", "authors", "authors_sigmoid", "per_pixel", "normal"),
    _positive("reg.bound"),
    _one_of("reg.when", "before", "after"),
    _positive("norm.epsilon"),
    _positive("arch.width", 64),
    _positive("arch.init_std"),
    _one_of("arch.g_norm", "bn", "none"),
    _one_of("arch.shortcut", "conv3", "conv1", "identity"),
    _one_of("arch.pool", "mean", "sum"),
    _one_of("arch.upsample", "zeros", "nearest"),
    _at_least("latent.dim", 1, 65536),
    _one_of("latent.dist", "uniform", "normal"),
    _positive("optim.lr"),
    _positive("optim.lr_d"),
    _positive("optim.lr_g"),
    _fraction("optim.beta1"),
    _fraction("optim.beta2"),
    _positive("optim.epsilon"),
    _at_least("optim.n_dis", 1),
    _fraction("optim.alpha"),
    _one_of("optim.decay", "none", "linear"),
    Rule("data.size", lambda v: 1 <= v <= MOST_SIDE, f"1 to {MOST_SIDE} pixels"),
    Rule("data.name", bool, "a name"),
    Rule("data.path", bool, "a folder or a file"),
    Rule("data.test_path", bool, "a folder or a file"),
    Rule("data.test_share", lambda v: 0 < v < 1, "a number between 0 and 1"),
    _one_of("data.resize", "crop", "stretch", "crop_or_pad"),
    Rule("data.channels", lambda v: v in (1, 3), "1, 3"),
    _at_least("train.steps", 1),
    _at_least("train.batch_size", 2, 65536),
    _one_of("train.precision", "fp32", "bf16"),
    _positive("train.noise_std"),
    _fraction("train.ema"),
    _at_least("train.world_size", 1, 1024),
    Rule("metrics.scores", lambda v: set(v) <= set(SCORES), "a list out of " + ", ".join(SCORES)),
    _at_least("metrics.every", 1),
    _one_of("metrics.extractor", "classifier", "inception", "points"),
    _seed("metrics.extractor_seed"),
    _one_of("metrics.real", *PARTS),
    _at_least("metrics.n_fake", 2, 10_000_000),
    _one_of("metrics.quantise", "uint8", "float"),
    _seed("metrics.seed"),
    _at_least("metrics.is_splits", 1),
    Rule("metrics.weights", bool, "a file"),
    _at_least("metrics.kid_subsets", 1, 100_000),
    _at_least("metrics.kid_subset_size", 2, 100_000),
    _at_least("metrics.pairs_per_class", 2, 1_000_000),
    _at_least("metrics.prd_clusters", 2, 10_000),
    _at_least("metrics.prd_angles", 3, 100_000),
    _at_least("metrics.prd_runs", 1, 10_000),
    _at_least("metrics.jacobians", 1, 100_000),
    _at_least("metrics.geometry_landmarks", 3, 10_000),
    _positive("metrics.geometry_gamma"),
    _at_least("metrics.geometry_holes", 2, 10_000),
    _at_least("metrics.geometry_draws", 1, 1_000_000),
    _at_least("metrics.geometry_points", 4, 1_000_000),
    Rule("metrics.birthday_samples", lambda v: 2 <= v <= 20000, "2 to 20000"),
    _positive("metrics.birthday_share"),
    _one_of("metrics.birthday_space", "features", "pixels"),
    _at_least("metrics.neighbours", 1, 100_000),
    _one_of("metrics.ms_ssim_pairs", "within_class", "batches"),
    Rule("checkpoint.every_s", lambda v: v >= 0, "0 or more seconds"),
    _one_of("checkpoint.keep", "weights", "all"),
    Rule("stop.factor", lambda v: 1 < v < math.inf, "a number over 1"),
    Rule("stop.loss_d", lambda v: 0 <= v < math.inf, "0 or more"),
    _at_least("stop.evaluations", 1),
    _at_least("launcher.jobs", 1, 1024),
    Rule("launcher.price", lambda v: 0 <= v < math.inf, "0 or more"),
    Rule("launcher.time", lambda v: minutes(v) is not None, "minutes (90), or [days-]hours:minutes:seconds (4:00:00)"),
    Rule("launcher.memory", lambda v: gigabytes(v) is not None, "a size such as 4G or 500M"),
    _at_least("launcher.cores", 1, 65536),
    _at_least("launcher.gpus", 0, 1024),
    _at_least("launcher.runs_per_job", 1, 100_000),
    _at_least("launcher.at_once", 1, 1024),
    _at_least("launcher.parallel", 1),
    _at_least("launcher.max_submit", 1),
    _at_least("launcher.signal_s", 1),
    _one_of("logger.mode", "offline", "online"),
    Rule("logger.project", bool, "a name"),
    _seed("seed"),
    _seed("repeat"),
    _at_least("threads", 1, 1024),
    Rule("device", lambda v: re.fullmatch(r"auto|cpu|cuda(:\d+)?", v) is not None, "auto, cpu, cuda or cuda:N"),
    Rule("store", bool, "a folder"),
    _one_of("stage", "all", "grid", "search", "confirm"),
    _at_least("search.trials", 1, 1_000_000),
    _seed("search.seed"),
    _at_least("search.startup", 1, 1_000_000),
    _at_least("search.rounds", 1, 1_000_000),
    _at_least("search.grace", 1),
    _one_of("search.pruner", "none", "asha", "hyperband", "median"),
    Rule("search.storage", is_storage, "sqlite, journal, or a URL such as postgresql://user@host/name"),
    *(_positive(f"search.space.{name}.{end}") for name in ("lr", "strength", "strength_l2") for end in ("low", "high")),
    *(_fraction(f"search.space.{name}.{end}") for name in ("beta1", "beta2") for end in ("low", "high")),
    _at_least("confirm.top", 1, 10_000),
    _at_least("confirm.seeds", 1, 10_000),
    _seed("confirm.first_seed"),
    _seed("confirm.metrics_seed"),
    _one_of("confirm.real", *PARTS),
)

# Image sides that each architecture can make; one that is not here makes all.
SIZES: dict[str, tuple[Test, str]] = {
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
        unset = [key for key in SCORES[score] if flat.get(f"metrics.{key}") is None]
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
    for rule in RULES:
        value = flat.get(rule.key)
        if value is not None and not rule.test(value):
            raise UserError(f"{rule.key}={value} is out of range; legal: {rule.legal}")


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
