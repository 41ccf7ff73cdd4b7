"""The one language of `--where`: what it takes, what it compares, and what it says of a slip."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from landscape.config.errors import UserError
from landscape.config.where import config_keys, filter_mask

RUNS: list[dict[str, Any]] = [
    {"loss": "ns", "penalty": "gp", "norm": "none", "lr_d": 1e-4, "lr_g": 1e-4, "optim.beta1": 0.5, "status": "done"},
    {
        "loss": "ns",
        "penalty": "none",
        "norm": "sn",
        "lr_d": 1e-4,
        "lr_g": 2e-4,
        "optim.beta1": None,
        "status": "failed",
    },
    {"loss": "ls", "penalty": "gp", "norm": "sn", "lr_d": 1e-3, "lr_g": 1e-3, "optim.beta1": 0.0, "status": "done"},
    {"loss": "ls", "penalty": "none", "norm": "none", "lr_d": 1e-3, "lr_g": 1e-3, "optim.beta1": 0.5, "status": "done"},
]


def column(key: str) -> Sequence[Any]:
    return [{"train.sync_bn": True, "seed": 7, **run}.get(key) for run in RUNS]


def places(*conditions: str) -> list[int]:
    met = filter_mask(conditions, column, len(RUNS), legal={"status": ("planned", "done", "failed", "lost")})
    return [place for place, meets in enumerate(met) if meets]


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ([], [0, 1, 2, 3]),
        (["loss=ns"], [0, 1]),
        (["loss=ns,ls"], [0, 1, 2, 3]),
        (["loss = ns , hinge"], [0, 1]),  # hinge is a loss, if of no run here
        (["penalty=gp"], [0, 2]),
        (["reg=gp"], [0, 2]),
        (["reg=sn"], [1]),  # the shorthand: no penalty, that normalizer
        (["reg=none"], [3]),
        (["reg=gp", "norm=sn"], [2]),
        (["lr=1e-4"], [0]),
        (["lr=0.001"], [2, 3]),
        (["lr_d=1e-4"], [0, 1]),
        (["lr=0.0001/0.0002"], [1]),
        (["optim.beta1=5e-1"], [0, 3]),
        (["optim.beta1=0"], [2]),
        (["optim.beta1=null"], [1]),
        (["train.sync_bn=true", "seed=7.0"], [0, 1, 2, 3]),
        (["status=done"], [0, 2, 3]),
        (["state=lost,failed"], [1]),  # lost is a state, if of no run here
        (["seed=0,7"], [0, 1, 2, 3]),
    ],
)
def test_conditions_mean_what_a_sweep_takes(conditions: list[str], expected: list[int]) -> None:
    assert places(*conditions) == expected


@pytest.mark.parametrize(
    ("conditions", "sentence"),
    [
        (["loss"], "--where loss is not a condition; write --where KEY=VALUE or --where KEY=VALUE,VALUE"),
        (["loss=ns,"], "--where loss=ns, is not a condition"),
        (["los=ns"], "--where los=ns: unknown key los (did you mean loss?); legal: data, arch, algorithm, loss"),
        (["optim.beta=0"], "unknown key optim.beta (did you mean optim.beta"),
        (["search.trials=1"], "unknown key search.trials"),
        (["loss=nss"], "--where loss=nss: no run has loss=nss (did you mean ns?); existing values: ls, ns"),
        (["loss=ns,wgam"], "--where loss=ns,wgam: no run has loss=wgam; existing values: ls, ns"),
        (["loss=hinge"], "no run has loss=hinge"),
        (["reg=wgan"], "no run has reg=wgan; existing values: gp, none, sn"),
        (["lr=3e-4"], "no run has lr=3e-4; existing values: 0.0001, 0.001, 0.0001/0.0002"),
        (["seed=8"], "no run has seed=8; existing values: 7"),
        (["seed=x"], "no run has seed=x; existing values: 7"),
        (
            ["state=fine"],
            "--where state=fine: no run has status=fine (did you mean failed?); legal: planned, done, failed, lost",
        ),
        (["state=lost"], "no run has status=lost; existing values: done, failed"),
        (["status=dnoe"], "(did you mean done?)"),
        (["loss=ns", "lr=1e-3"], "no run meets all of --where loss=ns, --where lr=1e-3"),
    ],
)
def test_a_slip_is_answered_with_what_is_legal(conditions: list[str], sentence: str) -> None:
    with pytest.raises(UserError) as refused:
        places(*conditions)
    assert sentence in str(refused.value) and "\n" not in str(refused.value)


def test_every_key_of_a_runs_configuration_may_be_asked_for() -> None:
    assert {"optim.beta1", "train.ema", "seed", "metrics.seed", "data.name"} <= set(config_keys())
    assert not any(key.startswith(("search.", "confirm.")) for key in config_keys())
