"""Plans: Hydra's grammar, equality with Hydra's own composition, joining, exclusions, freezing."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import numpy as np
import pytest
import yaml
from hydra import compose
from omegaconf import OmegaConf
from support import TINY, frozen_runs

from landscape.config.errors import UserError
from landscape.config.keys import keys
from landscape.metrics.extractors import EXTRACTORS
from landscape.runtime.worker import work
from landscape.scores import SCORES
from landscape.store import Store
from landscape.store.processes import machine
from landscape.store.protocols import EvalRequest
from sweeps.planning import config_groups
from sweeps.planning import overrides as grammar
from sweeps.planning.composition import combinations, hydra
from sweeps.planning.config_groups import choose, merge
from sweeps.planning.describe import describe, describe_power
from sweeps.planning.needs import survey
from sweeps.planning.plan import NOTHING, SCORE, TRAIN, make_plan


def picked(*overrides: str) -> list[str]:
    return [" ".join(run.picked) for run in make_plan(list(overrides), multirun=True).runs]


def test_the_users_own_command() -> None:
    assert picked("loss=ns,wgan,ls", "reg=gp,sn") == [
        f"loss={loss} reg={reg}" for loss, reg in itertools.product(("ns", "wgan", "ls"), ("gp", "sn"))
    ]


@pytest.mark.parametrize(
    ("override", "values"),
    [
        ("seed=range(0,5)", ["0", "1", "2", "3", "4"]),
        ("seed=choice(3,1)", ["3", "1"]),
        ("optim.lr=1e-4,2e-4", ["0.0001", "0.0002"]),
        ("norm=glob(*)", config_groups.groups()["norm"]),
        ("loss=glob([l*,n*],exclude=*_*)", ["ls", "ns"]),
        ("train.ema=null,0.9", ["null", "0.9"]),
        ("metrics.scores=[fid],[fid,is]", ["[fid]", "[fid,is]"]),
    ],
)
def test_hydras_grammar(override: str, values: list[str]) -> None:
    key = override.partition("=")[0]
    with hydra():
        (axis,) = grammar.parse([override], multirun=True).axes
    assert axis.key == key and [setting.texts[0] for setting in axis.settings] == [f"{key}={value}" for value in values]


def test_a_value_given_twice_counts_once_more_as_hydra_does() -> None:
    assert make_plan(["seed=1", "seed=2"], multirun=False).runs[0].config["seed"] == 2


SAMPLE = [
    ("loss=ls", "reg=gp", "reg.strength=3", "optim.lr=3e-3", "seed=4"),
    ("loss=wgan", "reg=sn", "optim.lr_g=1e-3", "train.ema=null"),
    ("norm=sn", "reg=gp", "arch.width=0.5", "data.size=16", "metrics=none"),
    ("metrics.scores=[fid]", "latent.dist=normal", "repeat=3", "optim.n_dis=5"),
]


@pytest.mark.parametrize("overrides", SAMPLE, ids=str)
def test_composition_is_hydras(overrides: tuple[str, ...]) -> None:
    """Our merge of fragments against Hydra composing and resolving all of it."""
    with hydra():
        reference = OmegaConf.to_container(compose("config", list(overrides)), resolve=True)
        fast = next(combinations(grammar.parse(list(overrides), multirun=True)))
    assert isinstance(reference, dict)
    assert fast.config == reference


def test_equal_points_are_one_run_and_the_plan_says_so() -> None:
    plan = make_plan(["reg=none,gp", "reg.strength=1,10"], multirun=True)
    text = "\n".join(describe(plan))
    assert len(plan.runs) == 3
    assert "4 points of the grid are 3 different runs" in text and "reg.strength by reg=none" in text


@pytest.mark.parametrize("overrides", [["reg=none", "reg.strength=5"], ["reg=none", "reg={strength: 5}"]])
def test_what_is_set_aside_is_said(overrides: list[str]) -> None:
    assert "ignored as unused: reg.strength by reg=none" in describe(make_plan(overrides, multirun=False))


def test_the_normalizer_left_unset_can_stand_in_a_grid() -> None:
    runs = make_plan(["reg=sn,gp", "norm=null,sn"], multirun=True).runs
    assert [(run.config["reg"]["penalty"], run.config["norm"]["kind"]) for run in runs] == [
        ("none", "sn"), ("gp", "none"), ("gp", "sn"),
    ]  # fmt: skip


def test_a_whole_group_of_values_can_be_an_axis() -> None:
    runs = make_plan(["latent={dim: 64},{dim: 32, dist: normal}"], multirun=True).runs
    assert [run.config["latent"] for run in runs] == [{"dim": 64, "dist": "uniform"}, {"dim": 32, "dist": "normal"}]


def test_of_equal_runs_one_that_is_scored_is_frozen() -> None:
    (run,) = make_plan(["metrics=none,classifier"], multirun=True).runs
    assert run.config["metrics"]["scores"] and len(run.asked) == 1


def test_contradictions_are_all_named_before_anything_starts() -> None:
    with pytest.raises(UserError) as error:
        make_plan(["loss=ns,ls", "reg=sn,gp", "norm=none,sn"], multirun=True)
    assert str(error.value).splitlines() == [
        f"loss={loss} reg=sn norm=none: reg=sn means norm=sn, so it contradicts norm=none" for loss in ("ns", "ls")
    ]


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Studies that stand beside those of `conf/`."""
    made: dict[str, dict[str, Any]] = {}
    real = grammar.read_choice
    monkeypatch.setattr(grammar, "read_choice", lambda g, c: made[c] if g == "study" else real(g, c))
    monkeypatch.setattr(grammar, "groups", lambda: {**config_groups.groups(), "study": list(made)})
    return made


def test_a_study_brings_its_grid_and_exclusions_drop_cells_on_purpose(study: dict[str, Any]) -> None:
    study["s"] = {
        "overrides": ["loss=ns,ls", "reg=sn,gp", "norm=none,sn", "seed=range(0,2)"],
        "exclude": [{"reg": "sn", "norm": "none"}, {"loss": ["ls"], "reg": "gp", "norm": "sn"}],
    }
    plan = make_plan(["study=s"], multirun=False)
    # 16 points; 4 contradict themselves and 2 more are excluded; the rest are all different runs.
    assert (plan.points, plan.excluded, len(plan.runs)) == (16, 6, 10)
    assert plan.study == "s"


def test_a_study_can_set_keys_together(study: dict[str, Any]) -> None:
    together = [[{"optim.beta1": 0.5, "optim.n_dis": 5}, {"optim.beta1": 0.9, "optim.n_dis": 1, "loss": "ls"}]]
    study["s"] = {"overrides": ["seed=1,2"], "together": together}
    runs = make_plan(["study=s"], multirun=False).runs
    found = {(r.config["optim"]["beta1"], r.config["optim"]["n_dis"], r.config["loss"]["kind"]) for r in runs}
    assert len(runs) == 4 and found == {(0.5, 5, "ns"), (0.9, 1, "ls")}
    assert runs[0].picked == ["seed=1", "optim.beta1=0.5", "optim.n_dis=5"]
    narrowed = make_plan(["study=s", "optim.n_dis=2"], multirun=False).runs
    assert {r.config["optim"]["n_dis"] for r in narrowed} == {2}


def test_an_exclusion_by_a_key_that_is_none_is_refused(study: dict[str, Any]) -> None:
    study["s"] = {"overrides": ["loss=ns,ls"], "exclude": [{"lost": "ns"}]}
    with pytest.raises(UserError, match=r"excludes by lost, which is not a configuration key"):
        make_plan(["study=s"], multirun=False)


def test_the_command_line_wins_over_the_study(study: dict[str, Any]) -> None:
    study["s"] = {"overrides": ["loss=ns,ls", "seed=range(0,3)", "train.steps=9"]}
    plan = make_plan(["study=s", "loss=wgan", "train.steps=5"], multirun=False)
    assert {run.config["loss"]["kind"] for run in plan.runs} == {"wgan"}
    assert {run.config["train"]["steps"] for run in plan.runs} == {5} and len(plan.runs) == 3


def test_the_demo_is_the_users_cells_with_three_seeds() -> None:
    plan = make_plan(["study=demo"], multirun=False)
    cells = {(r.config["loss"]["kind"], r.config["reg"]["penalty"], r.config["norm"]["kind"]) for r in plan.runs}
    assert len(plan.runs) == 18
    assert cells == {(loss, *rest) for loss in ("ns", "wgan", "ls") for rest in (("gp", "none"), ("none", "sn"))}


def test_a_frozen_run_is_complete_and_outlives_changes_of_conf(store: Store) -> None:
    (run,) = frozen_runs(store, *TINY, "reg=sn")
    config = yaml.safe_load(run.config_file.read_text())
    assert config["norm"]["kind"] == "sn" and config["reg"]["norm"] is None and config["reg"]["strength"] is None
    assert config["optim"]["lr_d"] == config["optim"]["lr"] and len(config["data"]["content"]) == 64
    before = run.config_file.read_bytes()
    assert frozen_runs(store, *TINY, "reg=sn", "metrics.every=3")[0].id == run.id
    assert run.config_file.read_bytes() == before


def needs(store: Store, *overrides: str) -> list[str]:
    plan = make_plan([*TINY, *overrides, f"store={store.root}"], multirun=True)
    survey(plan)
    return [run.need for run in plan.runs]


@pytest.mark.slow
def test_a_finished_run_asked_for_another_protocol_is_only_scored(store: Store) -> None:
    assert needs(store) == [TRAIN]
    (run,) = frozen_runs(store, *TINY)
    assert needs(store) == [TRAIN]
    work(store, run.id, lambda text: None)
    assert needs(store) == [NOTHING]
    weights, rows = run.weights.read_bytes(), run.rows()
    for other in ("metrics.quantise=float", "metrics.n_fake=32"):
        assert needs(store, other) == [SCORE]
        frozen_runs(store, *TINY, other)
        assert work(store, run.id, lambda text: None) == "done"
        assert needs(store, other) == [NOTHING]
    assert run.weights.read_bytes() == weights
    assert run.rows()[: len(rows)] == rows and len(run.rows()) == len(rows) + 2
    assert len({row.protocol for row in run.rows()}) == 3


def test_a_request_that_fails_keeps_no_other_from_being_met(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    from landscape.metrics.evaluator import Scorer
    from landscape.runtime import claimed_run

    (run,) = frozen_runs(store, *TINY)
    work(store, run.id, lambda text: None)
    frozen_runs(store, *TINY, "metrics.quantise=float")
    frozen_runs(store, *TINY, "metrics.n_fake=32")

    def broken(asked: EvalRequest, *rest: Any) -> Scorer:
        if asked.n_fake == 32:
            raise OSError("no such weights")
        return Scorer(asked, *rest)

    with monkeypatch.context() as m:
        m.setattr(claimed_run, "Scorer", broken)
        assert work(store, run.id, lambda text: None) == "done"
    assert list(run.status().unmet.values()) == ["OSError: no such weights"]
    assert needs(store, "metrics.quantise=float") == [NOTHING] and needs(store, "metrics.n_fake=32") == [SCORE]
    work(store, run.id, lambda text: None)
    assert needs(store, "metrics.n_fake=32") == [NOTHING] and not run.status().unmet


def test_a_run_trained_without_scores_is_scored_later(store: Store) -> None:
    (run,) = frozen_runs(store, *TINY, "metrics=none")
    work(store, run.id, lambda text: None)
    assert run.rows() == [] and needs(store, "metrics=none") == [NOTHING] and needs(store) == [SCORE]
    (scored,) = frozen_runs(store, *TINY)
    work(store, run.id, lambda text: None)
    (row,) = scored.rows()
    assert scored.id == run.id and row.step == 12 and row.values["fd_classifier"] > 0
    # ... and its final scores are those of a run that was scored all along.
    (direct,) = frozen_runs(store, *TINY, "repeat=1")
    work(store, direct.id, lambda text: None)
    assert all(direct.rows()[-1].values[k] == row.values[k] for k in ("fd_classifier", "is", "ms_ssim"))


def test_two_protocols_in_one_command_are_both_asked_for(store: Store) -> None:
    (run,) = frozen_runs(store, *TINY, "metrics.quantise=uint8,float")
    work(store, run.id, lambda text: None)
    assert len({row.protocol for row in run.rows() if row.step == 12}) == 2
    assert run.pending_requests() == []


def test_an_id_depends_on_nothing_of_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = make_plan([], multirun=False).runs[0].id
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert make_plan([f"store={tmp_path}"], multirun=False).runs[0].id == first


# The lists that planning checks against are those of the tables that it does not load.


def legal(key: str) -> set[str]:
    rule = keys()[key].range
    assert rule is not None
    return set(rule.words.removeprefix("a list of ").split(", "))


def test_planning_knows_what_the_tables_hold() -> None:
    assert legal("metrics.extractor") == set(EXTRACTORS)
    assert legal("metrics.scores") == set(SCORES)
    assert all(callable(resolve_name(score.measure)) for score in SCORES.values())


def test_every_choice_composes_and_settles() -> None:
    """Mixed batches come with their losses."""
    for group in config_groups.groups():
        if group not in ("batch", "data", "preset", "study", "metrics", "launcher", "logger", "search"):
            only = "glob(*,exclude=mlp)" if group == "arch" else "glob(*)"  # which is for points
            assert make_plan([f"{group}={only}", "data.size=32"], multirun=True).runs
    assert {run.config["arch"]["kind"] for run in make_plan(["data=ring,grid"], multirun=True).runs} == {"mlp"}


def test_a_plan_leaves_no_interpolation_and_no_missing_key() -> None:
    text = yaml.safe_dump(make_plan(["loss=wgan", "reg=gp"], multirun=False).runs[0].config)
    assert "${" not in text and "???" not in text


# python -m sweeps


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    from sweeps import __main__ as doors

    monkeypatch.setattr("sys.argv", ["sweeps", *arguments])
    return doors.main()


def test_plan_shows_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "plan", "-m", "loss=ns,ls", f"store={tmp_path / 'new'}") == 0
    out = capsys.readouterr().out
    assert "2 runs: 2 to train" in out and "loss=ls" in out and list(tmp_path.iterdir()) == []
    assert "digits  sndcgan  ns    none     none      1         1     1" in out
    assert call(monkeypatch, "plan", "loss=foo") == 2
    assert capsys.readouterr().err == f"loss=foo is not known; legal: {', '.join(config_groups.groups()['loss'])}\n"


def test_status_counts_by_cell_and_knows_the_lost(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "status", f"store={store.root}") == 2
    assert "no runs in" in capsys.readouterr().err
    monkeypatch.setenv("COLUMNS", "120")
    done, gone, _ = frozen_runs(store, *TINY, "seed=0,1,2")
    work(store, done.id, lambda text: None)
    gone.write_status(replace(gone.status(), state="running"))
    (gone.claims / "1.json").write_text(json.dumps({**machine(), "pid": 2**22 + 1, "started": "1"}))
    assert call(monkeypatch, "status", f"store={store.root}") == 0
    head, row = (line.split() for line in capsys.readouterr().out.splitlines()[1:3])
    assert head[6:9] == ["planned", "done", "lost"] and row[:9] == [
        "digits",
        "sndcgan",
        "ns",
        "none",
        "none",
        "1",
        "1",
        "1",
        "1",
    ]
    done.status_file.write_text("{")
    assert call(monkeypatch, "status", f"store={store.root}") == 2
    assert str(done.status_file) in capsys.readouterr().err


# Our composition against Hydra's, for every choice


MANY = ("preset",)  # choices, more than an edit waits for
GROUPS = [group for group in config_groups.groups() if group != "study"]


@pytest.mark.parametrize("group", [pytest.param(g, marks=pytest.mark.slow if g in MANY else ()) for g in GROUPS])
def test_every_choice_merges_as_hydra_composes_it(group: str) -> None:
    with hydra():
        for choice in config_groups.groups()[group]:
            reference = OmegaConf.to_container(compose("config", [f"{group}={choice}"]), resolve=False)
            assert merge(choose({group: choice})) == reference, choice


@pytest.mark.slow
def test_a_sample_of_a_wide_grid_merges_as_hydra_composes_it() -> None:
    axes = ["loss=glob(*)", "reg=glob(*)", "arch=glob(*)", "optim=adam,rmsprop", "optim.lr=1e-4,2", "seed=3,4"]
    with hydra():
        grid = list(combinations(grammar.parse(axes, multirun=True)))
        sample = np.random.Generator(np.random.PCG64(0)).choice(len(grid), 12, replace=False)
        for i in sample:
            reference = OmegaConf.to_container(compose("config", grid[i].picked), resolve=True)
            assert grid[i].config == reference


def test_a_plan_says_what_it_can_tell_apart():
    (told,) = describe_power(make_plan(["loss=ns,wgan", "reg=gp,sn", "seed=range(0,3)"], multirun=True))
    assert told.startswith(
        "4 cells of 3 seeds: no two can be told apart; 5 seeds detect a difference of 3 sd, 7 one of 2 sd"
    )
    (told,) = describe_power(make_plan(["loss=ns,wgan", "optim.lr=1e-3,2e-3", "repeat=0,1"], multirun=True))
    assert told.startswith("2 cells of 2 settings")
    searched = ["loss=ns,wgan", "search=random", "search.trials=6"]
    (told,) = describe_power(make_plan(searched, multirun=True))
    assert told.startswith("2 cells of 7 settings detect a difference of 1.8 sd")
    two = describe_power(make_plan(["data=grid,ring", "loss=ns,wgan"], multirun=True))
    assert [line.split(":")[0] for line in two] == ["grid", "ring"]
    assert describe_power(make_plan(["seed=range(0,5)"], multirun=True)) == []
