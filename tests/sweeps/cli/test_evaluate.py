"""The door that scores finished runs again: chooses as told, trains nothing, asks for what a sweep would ask for."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from support import TINY, frozen_runs

from landscape.config.errors import UserError
from landscape.runtime.worker import work
from landscape.store import DIVERGED, DONE, RunFolder, Store
from landscape.store.protocols import EvalRequest
from sweeps.cli.evaluate import Scoring, describe, main, make_scoring, parse_arguments
from sweeps.planning.needs import need, survey
from sweeps.planning.plan import make_plan
from sweeps.planning.select_runs import choose_runs, planned_runs


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, warm_cache: Path) -> Path:
    """Two trained runs, one that was only planned and one on record as diverged."""
    store = Store(tmp_path_factory.mktemp("trained") / "store")
    shutil.copytree(warm_cache, store.cache)
    for run in frozen_runs(store, *TINY, "loss=ns,ls", "seed=0"):
        assert work(store, run.id, lambda text: None) == "done"
    frozen_runs(store, *TINY, "seed=1")
    (lost,) = frozen_runs(store, *TINY, "seed=2")
    lost.write_status(replace(lost.status(), state=DIVERGED))
    return store.root


@pytest.fixture
def store(tmp_path: Path, trained: Path) -> Store:
    shutil.copytree(trained, tmp_path / "store")
    return Store(tmp_path / "store")


def by(store: Store, **wanted: object) -> RunFolder:
    """The run whose axes are these."""
    (run,) = [r for r in store.run_folders() if wanted.items() <= r.status().axes.items()]
    return run


def scoring(store: Store, *arguments: str) -> Scoring:
    return make_scoring(parse_arguments([f"store={store.root}", *arguments]))


def chosen(store: Store, *arguments: str) -> set[tuple[str, int]]:
    """Loss and seed of the trained runs that a command chooses."""
    order = parse_arguments(list(arguments))
    runs, _ = choose_runs(store, order.ids, order.sweeps, order.where)
    facts = [run.status().axes for run in runs if run.status().state == DONE]
    return {(axes["loss"], axes["seed"]) for axes in facts}


@pytest.mark.slow
def test_it_adds_rows_to_what_was_chosen_and_trains_nothing(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    ns, ls = by(store, loss="ns", seed=0), by(store, loss="ls")
    before = ns.rows(), ns.weights.read_bytes(), ls.rows()
    command = [f"store={store.root}", "--where", "loss=ns", "--where", "seed=0"]
    command += ["metrics.seed=7", "metrics.real=train", "metrics.n_fake=100", "launcher.jobs=1"]
    assert main(command) == 0
    told = capsys.readouterr().err
    assert "1 run: 1 to score, 0 already scored, 0 skipped" in told
    assert "extractor=classifier, real=train, n_fake=100, quantise=uint8, seed=7, generator=ema" in told
    (row,) = ns.rows()[len(before[0]) :]
    text = ns.protocol(row.protocol)
    assert row.step == 12 and row.values["fd_classifier"] > 0
    assert (text.real, text.seed, text.n_fake) == ("train", 7, 100)
    assert ns.rows()[: len(before[0])] == before[0] and ns.weights.read_bytes() == before[1] and ls.rows() == before[2]
    assert main(command) == 0
    assert "nothing to do" in capsys.readouterr().err and len(ns.rows()) == len(before[0]) + 1


@pytest.mark.slow
def test_it_asks_for_what_a_sweep_given_again_asks_for(store: Store) -> None:
    """Both doors mean one protocol: what one has scored the other need not."""
    metrics = ["metrics=classifier", "metrics.seed=7", "metrics.n_fake=64"]
    plan = make_plan([*TINY, "loss=ns", *metrics, f"store={store.root}"], multirun=False)
    survey(plan)
    assert [run.need for run in plan.runs] == ["score"]
    made = scoring(store, "--where", "loss=ns", "--where", "seed=0", *metrics)
    assert [one.id for run in made.plan.runs for one in run.asked] == [plan.runs[0].asked[0].id]
    main([f"store={store.root}", "--where", "seed=0", "launcher.jobs=2", *metrics])
    survey(plan)
    assert [run.need for run in plan.runs] == ["nothing"]


def test_runs_are_chosen_by_what_they_are(store: Store) -> None:
    both = {("ns", 0), ("ls", 0)}
    ns, ls = by(store, loss="ns", seed=0), by(store, loss="ls")
    assert chosen(store) == chosen(store, "--where", "loss=ns,ls") == both
    assert chosen(store, "--where=loss=ls") == {("ls", 0)}
    assert chosen(store, "--where", "optim.lr_d=2e-3", "--where", "penalty=none") == both
    assert chosen(store, "--where", "reg.strength=null", "--where", "optim.n_dis=1.0") == both
    assert chosen(store, ns.id[:6], ls.id) == both
    assert chosen(store, ns.id[:6], "--where", "loss=ls,ns") == {("ns", 0)}


def test_runs_are_chosen_by_the_sweep_that_planned_them(store: Store) -> None:
    names = {tuple(sorted(planned_runs(store, name))): name for name in store.sweep_names()}
    pair = tuple(sorted(by(store, loss=loss, seed=0).id for loss in ("ns", "ls")))
    assert chosen(store, "--sweep", names[pair]) == {("ns", 0), ("ls", 0)}
    shutil.rmtree(store.run(pair[0]).path)
    made = scoring(store, "--sweep", names[pair], "metrics.seed=7")
    assert made.skipped == [f"{pair[0]}: it was planned, but its folder is missing"] and made.unfinished


def test_what_cannot_be_scored_is_named_and_left_alone(store: Store) -> None:
    ns, ls = by(store, loss="ns", seed=0), by(store, loss="ls")
    ls.weights.unlink()
    made = scoring(store, "metrics.seed=7")
    assert [run.id for run in made.plan.runs] == [ns.id] and made.unfinished
    said = "\n".join(describe(made))
    assert "4 runs: 1 to score, 0 already scored, 3 skipped" in said
    assert f"{by(store, seed=1).id}: planned" in said and f"{by(store, seed=2).id}: diverged" in said
    assert f"{ls.id}: its weights are missing" in said
    assert f"similar: {ns.id}" in "\n".join(scoring(store, ns.id, f"{ns.id[:5]}zz", "metrics.seed=7").skipped)


def test_several_protocols_at_once(store: Store) -> None:
    made = scoring(store, "-m", "metrics.seed=7,8,9", "metrics.quantise=uint8,float")
    assert [len(run.asked) for run in made.plan.runs] == [6, 6]
    assert len([line for line in describe(made) if line.startswith("fid, is, ms_ssim: ")]) == 6


def test_fakes_stay_as_many_as_the_real_images_unless_their_number_was_chosen(store: Store) -> None:
    """TINY chose 64 of them; a run that chose none follows the part that it is held against."""
    (run,) = frozen_runs(store, *TINY[:-1], "metrics.n_fake=null", "seed=3", "train.steps=1")
    work(store, run.id, lambda text: None)
    made = scoring(store, "metrics.real=train", "--where", "seed=0,3")
    assert {run.config["seed"]: run.asked[0].n_fake for run in made.plan.runs} == {0: 64, 3: 1297}


def test_a_run_trained_without_scores_is_scored_once_it_is_said_how(store: Store) -> None:
    (run,) = frozen_runs(store, *TINY[:-2], "metrics=none", "seed=3", "train.steps=1")
    work(store, run.id, lambda text: None)
    with pytest.raises(UserError, match="trained with metrics=none; choose metrics"):
        scoring(store, run.id, "metrics.seed=7")
    (planned,) = scoring(store, run.id, "metrics=classifier").plan.runs
    assert planned.asked == [EvalRequest.of(make_plan([], multirun=False).runs[0].config)]
    assert need(run, planned) == ("done", "score")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["train.steps=4"],
            "train.steps=4 only matters for training, and this program scores finished runs; it takes metrics,",
        ),
        (["loss=ns"], "choose runs by id, --sweep NAME or --where KEY=VALUE"),
        (["metrics.every=4"], "metrics.every=4 only matters for training"),
        (["--where", "los=ns"], "--where los=ns: unknown key los (did you mean loss?)"),
        (["--where", "loss"], "--where loss is not a condition; write --where KEY=VALUE"),
        (["--where", "loss=hinge"], "--where loss=hinge: no run has loss=hinge; existing values: ls, ns"),
        (["--where", "loss=ns", "--where", "arch=sndcgan", "--where", "loss=ls"], "no run meets all of"),
        (["--where"], "--where: expected one argument; see --help"),
        (["--sweep", "nope"], "--sweep nope is not in"),
        (["xyz"], "run xyz is not in"),
        (["--dry-run"], "--dry-run is not a flag of this program; see --help"),
        (
            ["metrics.real=validation"],
            "metrics.real=validation is out of range; legal: train, test, test_a, test_b, all",
        ),
        (["metrics.sed=1"], "metrics.sed is not a configuration key (did you mean metrics.seed?)"),
        (["metrics.seed=1,2"], "metrics.seed=1,2 has several values: add -m (--multirun) for a run per value"),
        (["metrics=none"], "no scores are requested"),
        (["metrics=modes"], "metrics.extractor=points does not fit data=digits"),
        (["metrics.extractor=points"], "metrics.extractor cannot be set alone; choose metrics=NAME"),
        (["metrics.scores=[modes]"], "metrics.scores=modes needs metrics.extractor=points"),
        (["metrics.ms_ssim_pairs=batches"], "metrics.ms_ssim_pairs=batches needs 320 fakes, and metrics.n_fake=64"),
        (
            ["launcher=slurm", "metrics.seed=7"],
            "landscape.evaluate only works on this machine; to score with launcher=slurm run the sweep's own command",
        ),
        (["store=/nowhere/at/all"], "no runs in /nowhere/at/all; give another store"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_meant_is_refused_in_one_sentence(
    trained: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([f"store={trained}", *arguments]) == 2
    out, err = capsys.readouterr()
    assert said in err and err.count("\n") == 1 and out == ""
