"""The study's grids and best models: counts, cells and recipes as the paper and its code give them."""

from __future__ import annotations

from typing import Any

import pytest

from landscape.config.axes import CELL_KEYS, cell_of
from sweeps.planning.config_groups import choose, groups, merge
from sweeps.planning.describe import cells as planned_cells
from sweeps.planning.plan import Plan, make_plan

Name = tuple[Any, ...]


def cells(plan: Plan) -> dict[Name, tuple[int, int]]:
    """(loss, penalty, norm, n_dis) -> number of settings, number of runs, as `python -m sweeps plan` prints them."""
    found = {}
    for cell in planned_cells(plan):
        told = dict(zip(CELL_KEYS, cell.name, strict=True))
        key = (told["loss"], told["penalty"], told["norm"], int(told["n_dis"]))
        found[key] = cell.settings, cell.runs
    return found


def plan(*overrides: str) -> Plan:
    return make_plan(list(overrides), multirun=False)


def test_the_fixed_grid_has_24_settings_6_and_18_by_n_dis_and_five_seeds() -> None:
    found = cells(plan("study=landscape_grid"))
    assert found == {("ns", "gp", "none", 1): (6, 30), ("ns", "gp", "none", 5): (18, 90)}


@pytest.mark.parametrize("reg", ["none", "sn", "bn"])
def test_without_a_penalty_12_are_distinct_3_and_9(reg: str) -> None:
    norm = "none" if reg == "none" else reg
    found = cells(plan("study=landscape_grid", f"reg={reg}"))
    assert found == {("ns", "none", norm, 1): (3, 15), ("ns", "none", norm, 5): (9, 45)}


WITH, WITHOUT, WITH_5 = (6, 30), (3, 15), (18, 90)
STUDIES = {
    "landscape_regularization": {
        ("ns", "none", "none", 1): WITHOUT,
        ("ns", "gp", "none", 1): WITH,
        ("ns", "gp", "none", 5): WITH_5,
        ("ns", "dragan", "none", 1): WITH,
        ("ns", "none", "sn", 1): WITHOUT,
        ("ns", "none", "ln", 1): WITHOUT,
        ("ns", "none", "bn", 1): WITHOUT,
        ("ns", "l2", "none", 1): WITH,
    },
    "landscape_losses": {
        ("ns", "none", "none", 1): WITHOUT,
        ("ns", "none", "sn", 1): WITHOUT,
        ("ns", "gp", "none", 5): WITH_5,
        ("wgan", "none", "sn", 1): WITHOUT,
        ("wgan", "gp", "none", 5): WITH_5,
        ("ls_sigmoid", "none", "none", 1): WITHOUT,
        ("ls_sigmoid", "none", "sn", 1): WITHOUT,
        ("ls_sigmoid", "gp", "none", 5): WITH_5,
    },
    "landscape_both": {
        **{("ns", "gp", norm, n): WITH if n == 1 else WITH_5 for norm in ("sn", "bn", "ln") for n in (1, 5)},
        **{("ns", "dragan", norm, 1): WITH for norm in ("sn", "bn", "ln")},
    },
}


@pytest.mark.parametrize("study", STUDIES)
def test_cells_of_the_papers_figures(study: str) -> None:
    assert cells(plan(f"study={study}")) == STUDIES[study]


def test_architectures_are_both_in_all_four_cells() -> None:
    found = plan("study=landscape_architectures")
    assert {run.config["arch"]["kind"] for run in found.runs} == {"resnet19", "sndcgan"}
    assert {(p, s, n) for _, p, s, n in cells(found)} == {
        ("none", "none", 1), ("gp", "none", 1), ("gp", "none", 5), ("none", "sn", 1),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("study", "runs"), [("resnet_tricks", 60), ("train_longer", 30), ("sn_generator", 20), ("today", 75)]
)
def test_the_smaller_studies(study: str, runs: int) -> None:
    assert len(plan(f"study={study}").runs) == runs


@pytest.mark.slow
def test_every_study_has_a_plan_on_the_embedded_data() -> None:
    assert all(plan(f"study={study}", "data=digits").runs for study in groups()["study"])


def test_cifar10_small_trains_every_cell_before_any_cell_again() -> None:
    found = plan("study=cifar10_small", "data=digits")
    asked = {(loss, reg, norm, 1) for loss in ("ns", "wgan", "ls") for reg in ("none", "gp") for norm in ("none", "sn")}
    assert cells(found) == dict.fromkeys(asked, WITHOUT)
    assert len(found.searches) == 12 and found.searches[0].trials == 10
    runs = [
        (run.config["seed"], run.config["optim"]["lr_d"], tuple(cell_of(run.config).values())) for run in found.runs
    ]
    for i in range(0, len(runs), 12):  # a dozen is one seed and one rate of each cell
        seeds, rates, dozen = zip(*runs[i : i + 12], strict=True)
        assert len(set(seeds)) == len(set(rates)) == 1 and len(set(dozen)) == 12
    assert [seed for seed, _, _ in runs] == sorted(seed for seed, _, _ in runs)
    assert {run.config["metrics"]["n_fake"] for run in found.runs} == {10_000}


# Best models: data, FID reported, rate, betas, n_dis, normalizer, penalty and strength, steps.
RECIPES = {
    "sndcgan_cifar10_sn": ("cifar10", 25.27, 2e-4, 0.5, 0.999, 1, "sn", "none", None, 200_000),
    "sndcgan_celebahq128_sn_gp": ("celebahq128", 24.67, 2e-4, 0.5, 0.999, 1, "sn", "gp", 1.0, 100_000),
    "sndcgan_lsun_bedroom_sn_2": ("lsun_bedroom", 56.71, 1.92e-3, 0.097, 0.938, 1, "sn", "none", None, 100_000),
    "resnet19_celebahq128_ln_dragan": ("celebahq128", 29.13, 1e-4, 0.5, 0.9, 5, "ln", "dragan", 1.0, 200_000),
    "resnet19_lsun_bedroom_ln_gp": ("lsun_bedroom", 40.36, 1.281e-4, 0.7108, 0.9792, 1, "ln", "gp", 0.1451, 200_000),
    "resnet_cifar_cifar10_sn_gp": ("cifar10", 22.73, 2e-4, 0.5, 0.999, 5, "sn", "gp", 1.0, 200_000),
}


@pytest.mark.parametrize("preset", RECIPES)
def test_recipes_of_the_tables(preset: str) -> None:
    c = merge(choose({"preset": preset}))
    o = c["optim"]
    found = (c["data"]["kind"], c["preset"]["fid"], o["lr"], o["beta1"], o["beta2"], o["n_dis"], c["norm"]["kind"])
    assert (*found, c["reg"]["penalty"], c["reg"]["strength"], c["train"]["steps"]) == RECIPES[preset]
    assert preset.startswith(c["arch"]["kind"]) and c["arch"]["width"] == 1 and c["train"]["batch_size"] == 64


def test_every_preset_is_named_after_what_it_is_and_has_its_fid() -> None:
    for preset in groups()["preset"]:
        c = merge(choose({"preset": preset}))
        assert preset.startswith(f"{c['arch']['kind']}_{c['data']['kind']}_") and 20 < c["preset"]["fid"] < 170
    assert len(groups()["preset"]) == 32


def test_what_is_typed_beside_a_preset_wins() -> None:
    (run,) = plan("preset=sndcgan_cifar10_sn_gp", "data=digits", "optim.lr=1e-3", "norm=none", "train.steps=7").runs
    c = run.config
    assert (c["data"]["kind"], c["optim"]["lr_d"], c["norm"]["kind"], c["train"]["steps"]) == (
        "digits",
        1e-3,
        "none",
        7,
    )
    assert (c["reg"]["penalty"], c["reg"]["strength"], c["seed"]) == ("gp", 10.0, 2)
