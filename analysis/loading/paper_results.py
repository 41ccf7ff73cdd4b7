"""The best models that "The GAN Landscape" reports (arXiv 1807.04720, tables of its code), read from `conf/preset`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import pandas as pd

from landscape.config.axes import CELL_AXES, CELL_KEYS
from landscape.config.conf_dir import conf_dir
from landscape.store.atomic_io import read_yaml

# Images on each side of the study's FID.
SAMPLES = {"cifar10": 10_000, "celebahq128": 3_000, "lsun_bedroom": 10_000}


@cache
def published() -> pd.DataFrame:
    """One row a published model: the columns of a cell, lr_d, beta1, beta2, strength, steps, seed and fid."""
    rows = [_row(read_yaml(file, aliases=True)) for file in sorted((conf_dir() / "preset").glob("*.yaml"))]
    return pd.DataFrame(rows, columns=[*CELL_KEYS, "lr_d", "beta1", "beta2", "strength", "steps", "seed", "fid"])


def _row(preset: Mapping[str, Any]) -> dict[str, Any]:
    chosen = {key.removeprefix("override /"): value for line in preset["defaults"] for key, value in line.items()}
    optim = preset["optim"]
    return {
        **{axis.name: chosen.get(axis.group, axis.plain) for axis in CELL_AXES if axis.group},
        "n_dis": optim["n_dis"],
        "lr_d": optim["lr"],
        "beta1": optim["beta1"],
        "beta2": optim["beta2"],
        "strength": preset.get("reg", {}).get("strength"),
        "steps": preset["train"]["steps"],
        "seed": preset["seed"],
        "fid": preset["preset"]["fid"],
    }


def published_fid(run: Mapping[str, Any]) -> float | None:
    """The lowest FID published for the cell of `run` (a row of `load`); None where there is none."""
    models = published()
    same = models[[bool(all(model[key] == run[key] for key in CELL_KEYS)) for _, model in models.iterrows()]]
    return float(same["fid"].min()) if len(same) else None


def differences(run: Mapping[str, Any], protocol: Mapping[str, Any]) -> list[str]:
    """Why the FID of `run` under `protocol` does not compare with the study's, a few words each; empty where it does.

    The study: Inception features, unrounded samples, as many real test images as samples (10,000; 3,000 on CelebA-HQ),
    the generator itself, full width.
    """
    if "extractor" not in protocol:
        return ["not known how ours was measured"]
    count = SAMPLES.get(str(run["data"]))
    checks = {
        "other features": str(protocol.get("extractor", "")).startswith("inception"),
        "rounded samples": protocol.get("quantise") == "float",
        "other real images": protocol.get("real") == "test" and protocol.get("n_real") == count,
        "other sample count": protocol.get("n_fake") == count,
        "averaged weights": protocol.get("generator") == "raw",
        "other width": run["width"] == 1,
        "other steps": bool((published()["steps"] == run["steps"]).any()),
    }
    return [what for what, same in checks.items() if not same]
