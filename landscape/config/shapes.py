"""Shape classes: runs that build the same tensors by the same code, take the same memory, and fail alike. No torch."""

from __future__ import annotations

from typing import Any

from landscape.config.identity import flatten, short_hash

SECTIONS = ("algorithm", "loss", "reg", "norm", "arch", "latent", "optim", "data", "train")
# Keys whose value decides neither code nor memory; whether they are null may. A key that is not listed splits classes.
VALUES = (
    *("reg.strength", "reg.target", "reg.epsilon", "reg.bound", "norm.epsilon", "arch.init_std"),
    *("optim.lr", "optim.lr_d", "optim.lr_g", "optim.beta1", "optim.beta2", "optim.alpha", "optim.epsilon"),
    *("optim.n_dis", "train.steps", "train.noise_std", "train.ema", "data.name", "data.path", "data.test_path"),
)
SCORED = ("scores", "extractor", "n_fake", "real", "quantise", "weights_sha256")  # keys of metrics that decide memory


def shape_of(config: dict[str, Any]) -> str:
    """The id of the shape class of a frozen configuration."""
    flat = flatten({name: config[name] for name in SECTIONS if name in config})
    kept = {key: value is not None if key in VALUES else value for key, value in flat.items()}
    metrics = config["metrics"]
    return short_hash([kept, {key: metrics.get(key) for key in SCORED}])
