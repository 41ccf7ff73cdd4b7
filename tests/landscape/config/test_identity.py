"""What makes two runs one, what makes them two, and ids that may never change."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from landscape.config import identity
from landscape.config.errors import UserError
from landscape.config.identity import check_current, run_id, superseded
from landscape.config.versions import CHANGES, Change
from sweeps.planning.plan import make_plan

# Frozen configurations of the first release, cut down to the keys that ids are made of. Old stores hold such
# runs: if one of these ids changes, every finished run of that kind would be trained again.
NS_GP: dict[str, Any] = {
    "loss": {"kind": "ns"},
    "reg": {"penalty": "gp", "strength": 10.0, "target": 1.0, "epsilon": 1e-4, "norm": None},
    "norm": {"kind": "none", "epsilon": None},
    "arch": {"kind": "sndcgan", "width": 1.0, "init_std": 0.02},
    "latent": {"dim": 128, "dist": "uniform"},
    "optim": {
        "kind": "adam", "lr": 2e-4, "lr_d": 2e-4, "lr_g": 2e-4,
        "beta1": 0.5, "beta2": 0.999, "epsilon": 1e-8, "n_dis": 5,
    },
    "train": {"steps": 200000, "batch_size": 64, "precision": "fp32", "ema": None},
    "data": {"kind": "digits", "size": 8, "content": "0" * 64},
    "seed": 0,
    "repeat": 0,
}  # fmt: skip
PINNED = [
    ({}, "a4a702d7b4267018"),
    ({"seed": 7}, "db21ef956aad695c"),
    ({"reg": {"penalty": "none"}, "norm": {"kind": "sn", "epsilon": 1e-12}}, "646986c168a432e5"),
    ({"train": {"steps": 1500, "batch_size": 64, "precision": "fp32", "ema": 0.99}}, "c6a54e45ba1c94f4"),
]

# Those of `BEFORE` were trained otherwise before `landscape.config.versions` says so: spectral normalization of the
# generator where it has transposed convolutions, then DCGAN altogether.
SPECTRAL = [
    ("sndcgan", False, "a4a702d7b4267018"),
    ("resnet19", True, "a710b375694cf699"),
    ("mlp", True, "52d14277a488a5bf"),
    ("sndcgan", True, "a65faf549df5cbf3"),
    ("dcgan", True, "c331987ed645f793"),
    ("dcgan", False, "beaafabcf3aa771e"),
]
BEFORE = {  # the ids before each of its changes, newest first
    ("sndcgan", True): ["4ffbbe3ff74bf90b"],
    ("dcgan", True): ["42fc6520bbc59e42", "86d1986330795fc7"],
    ("dcgan", False): ["abb50237d33f7a92"],
}


def spectral(kind: str, on: bool) -> dict[str, Any]:
    return {**NS_GP, "arch": {"kind": kind, "width": 1.0, "init_std": 0.02, "g_spectral": on}}


def plan_ids(*overrides: str) -> list[str]:
    return [run.id for run in make_plan(list(overrides), multirun=True).runs]


@pytest.mark.parametrize(("changes", "expected"), PINNED)
def test_ids_stay_for_ever(changes: dict[str, Any], expected: str) -> None:
    assert run_id({**NS_GP, **changes}) == expected


@pytest.mark.parametrize(
    "same",
    [
        "device=cpu", "threads=2", "store=elsewhere", "launcher.jobs=1", "checkpoint.every_s=1", "checkpoint.keep=all",
        "metrics=none", "metrics.every=7", "metrics.quantise=float", "optim.lr=2e-3", "optim.lr_d=2e-3", "norm=none",
        "reg=none", "train.steps=1500", "study=null", "train.world_size=1", "train.sync_bn=true", "launcher.warm=false",
    ],
)  # fmt: skip
def test_what_does_not_change_training_does_not_change_the_run(same: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("landscape.config.validation.cores", lambda: 2)
    assert plan_ids(same) == plan_ids()


def test_a_lazy_penalty_is_another_run_and_one_at_every_step_is_not() -> None:
    assert plan_ids("reg=gp", "reg.every=1") == plan_ids("reg=gp") != plan_ids("reg=gp", "reg.every=4")
    assert plan_ids("reg=none", "reg.every=4") == plan_ids("reg=none")
    assert run_id({**NS_GP, "reg": {**NS_GP["reg"], "every": 1}}) == run_id(NS_GP)


def test_r1_by_differences_is_another_run_and_by_the_gradient_the_one_that_there_was() -> None:
    assert plan_ids("reg=r1", "reg.difference=null") == plan_ids("reg=r1") != plan_ids("reg=r1", "reg.difference=0.01")
    assert plan_ids("reg=gp", "reg.difference=0.01") == plan_ids("reg=gp")


@pytest.mark.parametrize(
    "other",
    [
        "seed=1", "repeat=1", "loss=ls", "reg=gp", "reg=sn", "norm=sn", "arch.width=0.25", "arch.init_std=0.1",
        "latent.dim=64", "latent.dist=normal", "optim.lr=1e-3", "optim.lr_g=1e-3", "optim.beta1=0.5", "optim.n_dis=2",
        "data.size=16", "train.steps=1501", "train.batch_size=32", "train.ema=null", "train.world_size=2",
    ],
)  # fmt: skip
def test_what_changes_training_changes_the_run(other: str) -> None:
    assert plan_ids(other) != plan_ids()


def test_names_of_choices_do_not_count() -> None:
    assert plan_ids("reg=sn") == plan_ids("norm=sn") == plan_ids("reg=sn", "norm=sn")


def test_keys_that_a_choice_does_not_use_do_not_count() -> None:
    assert len(plan_ids("reg=none,gp", "reg.strength=1,10")) == 3


def test_rates_are_one_value_however_they_are_written() -> None:
    assert plan_ids("optim.lr=1e-3") == plan_ids("optim.lr=0.001") == plan_ids("optim.lr_d=1e-3", "optim.lr_g=0.0010")


def test_a_key_added_later_keeps_old_ids_at_its_neutral_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(identity.NEUTRAL, "arch.g_norm", "bn")
    grown = copy.deepcopy(NS_GP)
    grown["arch"]["g_norm"] = "bn"
    assert run_id(grown) == run_id(NS_GP)
    grown["arch"]["g_norm"] = "none"
    assert run_id(grown) != run_id(NS_GP)


@pytest.mark.parametrize(("kind", "on", "expected"), SPECTRAL)
def test_a_choice_whose_meaning_changed_has_new_ids_where_it_did_and_nowhere_else(
    kind: str, on: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run_id(spectral(kind, on)) == expected
    monkeypatch.setattr("landscape.config.versions.CHANGES", ())
    assert run_id(spectral(kind, on)) == BEFORE.get((kind, on), [expected])[-1]


def test_runs_of_before_a_change_are_known_by_their_ids() -> None:
    spectrals, dcgan = CHANGES[:2]
    after = {("sndcgan", True): [spectrals], ("dcgan", True): [spectrals, dcgan], ("dcgan", False): [dcgan]}
    for (kind, on), ids in BEFORE.items():
        config = spectral(kind, on)
        assert superseded(run_id(config), config) == []
        for age, old in enumerate(ids, 1):
            changes = after[kind, on][-age:]
            assert superseded(old, config) == changes
            with pytest.raises(UserError, match=f"run {old} predates a change of {changes[0].choice}"):
                check_current(old, config)
    assert superseded("f" * 16, spectral("dcgan", True)) == []  # not of this configuration at all
    plain = spectral("sndcgan", False)
    check_current(run_id(plain), plain)


def test_several_changes_of_one_configuration_each_make_another_id(monkeypatch: pytest.MonkeyPatch) -> None:
    later = (
        Change("arch.g_spectral", {"arch.g_spectral": (True,)}, "2027-01-01", "again"),
        Change("loss", {"loss.kind": ("ns", "ls")}, "2027-02-01", "and another"),
    )
    config = spectral("sndcgan", True)
    (old,), now = BEFORE["sndcgan", True], run_id(config)
    monkeypatch.setattr("landscape.config.versions.CHANGES", (*CHANGES, *later))
    between = run_id(config, before=1)
    assert len({old, now, between, run_id(config)}) == 4
    assert superseded(old, config) == [CHANGES[0], *later]
    assert superseded(now, config) == list(later) and superseded(between, config) == [later[1]]
    assert superseded(run_id(config), config) == []
