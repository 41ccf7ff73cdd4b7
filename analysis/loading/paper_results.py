"""The best models of "The GAN Landscape" (arXiv 1807.04720, from the tables of its code), read from `conf/preset`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import pandas as pd

from landscape.config.axes import CELL_AXES, CELL_KEYS
from landscape.config.conf_dir import conf_dir
from landscape.config.identity import NEUTRAL
from landscape.store.atomic_io import read_yaml
from landscape.store.protocols import EvalProtocol

# Images on each side of the paper's FID. (LSUN's test set has 30,588, of which the paper's code takes 10,000.)
PAPER_SAMPLES = {"cifar10": 10_000, "celebahq128": 3_000, "lsun_bedroom": 10_000}

PAPER_SIZES = {"cifar10": 32, "celebahq128": 128, "lsun_bedroom": 128}

# Settings that all of the paper's models share, by flat key.
PAPER_TRAINING: dict[str, Any] = {
    "arch.width": 1,
    "arch.init_std": 0.02,
    "arch.g_norm": "bn",
    "arch.g_spectral": False,
    "arch.shortcut": "conv3",
    "arch.pool": "mean",
    "arch.upsample": "zeros",
    "latent.dim": 128,
    "latent.dist": "uniform",
    "optim.kind": "adam",
    "optim.epsilon": 1e-8,
    "optim.epsilon_form": "tf",
    "optim.decay": "none",
    "optim.burn_in": False,
    "reg.target": 1,
    "reg.epsilon": 1e-4,
    "reg.noise": "study",
    "reg.every": 1,
    "train.batch_size": 64,
    "train.precision": "fp32",
    "train.noise_std": None,
    "train.ema": None,
    "train.world_size": 1,
    "train.bn_variance": "population",
}
PAPER_EPSILONS = {"sn": 1e-12, "ln": 1e-12, "bn": 1e-5}

# Null in runs whose architecture, penalty or optimizer does not use them.
OPTIONAL = ("arch.shortcut", "arch.pool", "arch.upsample", "reg.target", "reg.epsilon", "reg.noise", "reg.every")
OLD_DEFAULTS = {"train.world_size": 1}  # null in old runs


@cache
def published() -> pd.DataFrame:
    """One row per published model: `CELL_KEYS`, lr_d, beta1, beta2, strength, steps (D updates), seed, fid."""
    rows = [_row(read_yaml(file, aliases=True)) for file in sorted((conf_dir() / "preset").glob("*.yaml"))]
    return pd.DataFrame(rows, columns=[*CELL_KEYS, "lr_d", "beta1", "beta2", "strength", "steps", "seed", "fid"])


def _row(preset: Mapping[str, Any]) -> dict[str, Any]:
    chosen = {key.removeprefix("override /"): value for line in preset["defaults"] for key, value in line.items()}
    optim = preset["optim"]
    return {
        **{axis.name: chosen.get(axis.group or "", axis.plain) for axis in CELL_AXES},
        "n_dis": optim["n_dis"],
        "lr_d": optim["lr"],
        "beta1": optim["beta1"],
        "beta2": optim["beta2"],
        "strength": preset.get("reg", {}).get("strength"),
        "steps": preset["train"]["steps"],
        "seed": preset["seed"],
        "fid": preset["preset"]["fid"],
    }


def best_published(run: Mapping[str, Any]) -> pd.Series | None:
    """The published model with the lowest FID of the cell of `run` (a row of `load`), or None."""
    models = published()
    same = models[[bool(all(model[key] == run[key] for key in CELL_KEYS)) for _, model in models.iterrows()]]
    return None if same.empty else same.sort_values("fid", kind="stable").iloc[0]


def differences(run: Mapping[str, Any], protocol: EvalProtocol, config: Mapping[str, Any] | None) -> list[str]:
    """Why the FID of `run` under `protocol` is not comparable with the paper's; empty if it is.

    `config` is the run's flat frozen configuration. Each reason names a key, our value and the paper's. The
    hyperparameters that the paper searched (learning rates, betas, penalty strength) may differ.
    """
    if protocol.extractor is None or protocol.source is not None:
        return ["our protocol is unknown"]
    if config is None:
        return ["our configuration is unknown"]
    model = best_published(run)
    assert model is not None, "called for cells of the paper only"
    count = PAPER_SAMPLES[str(run["data"])]
    measured = {"extractor": "inception", "quantise": "float", "real": "test", "n_real": count, "n_fake": count}
    measured |= {"generator": "raw"}
    trained = {
        **PAPER_TRAINING,
        "norm.epsilon": PAPER_EPSILONS.get(str(run["norm"])),
        "norm.moves": "pass" if run["norm"] == "sn" else NEUTRAL["norm.moves"],
        "data.size": PAPER_SIZES[str(run["data"])],
        "train.steps": int(model["steps"]),
        "optim.lr_g": config.get("optim.lr_d"),
    }
    asked = [(key, getattr(protocol, key), wanted) for key, wanted in measured.items()]
    asked += [(key, _meant(key, config), wanted) for key, wanted in trained.items() if not _unused(key, config)]
    return [f"{key}={_word(has)} (paper: {_word(wanted)})" for key, has, wanted in asked if has != wanted]


def read_lines(text: str) -> dict[str, Any]:
    """The flat configuration in an entry of `Collected.configs`: "key: value" lines, values in JSON or plain text."""
    found = {}
    for line in text.splitlines():
        key, _, value = line.partition(": ")
        try:
            found[key] = json.loads(value)
        except ValueError:
            found[key] = value
    return found


def _meant(key: str, config: Mapping[str, Any]) -> Any:
    """A key's value; for a run older than the key, the value that applied then."""
    value = config.get(key)
    return NEUTRAL.get(key, OLD_DEFAULTS.get(key)) if value is None else value


def _unused(key: str, config: Mapping[str, Any]) -> bool:
    """Whether the run does not use a key, so that it is null."""
    return config.get(key) is None and key in OPTIONAL


def _word(value: Any) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
