"""A longer run that continues a shorter one ends with the bits and rows of one that was trained at one go."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
import torch
from resuming import kept, rows, same
from support import TINY, frozen_runs

from analysis.loading.clocks import spent
from analysis.loading.runs import collect
from landscape.config.lengths import bound_to_length, but_for_length
from landscape.config.schema import typed
from landscape.data import load_data
from landscape.networks.sndcgan import SNDCGANGenerator
from landscape.runtime.worker import work
from landscape.store import DONE, RunFolder, Store
from landscape.training.loop import train
from landscape.training.state import State, new_state
from sweeps.launchers.estimate import _work
from sweeps.planning.describe import describe
from sweeps.planning.freeze import freeze
from sweeps.planning.needs import survey
from sweeps.planning.plan import Plan, make_plan

SHORT, LONG = (*TINY, "checkpoint.keep=all"), (*TINY, "train.steps=24")


def planned(store: Store, *overrides: str) -> Plan:
    plan = make_plan([*overrides, f"store={store.root}"], multirun=True)
    survey(plan)
    return plan


def trained(store: Store, *overrides: str, said: list[str] | None = None) -> RunFolder:
    (run,) = frozen_runs(store, *overrides)
    assert work(store, run.id, (lambda text: None) if said is None else said.append) == DONE
    return run


def starts(said: list[str]) -> list[str]:
    return [text for text in said if text.startswith("resuming")]


def content(run: RunFolder) -> dict[str, str]:
    files = (file for file in run.path.rglob("*") if file.is_file())
    return {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def without_origin(run: RunFolder) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.items() if key != "copied_from"} for row in rows(run)]


@pytest.mark.parametrize(
    "more", [("reg=gp", "norm=sn"), ("reg=r1", "reg.every=5", "optim.n_dis=2", "arch.conditional=true")], ids=str
)
def test_it_ends_with_the_bits_and_rows_of_one_that_was_never_shorter(store: Store, more: tuple[str, ...]) -> None:
    short, at_one_go = trained(store, *SHORT, *more), trained(store, *LONG, *more, "repeat=1")
    before = content(short)
    plan = planned(store, *LONG, *more)
    shorter = plan.runs[0].shorter
    assert shorter is not None and shorter.id == short.id and _work(store, plan.runs[0]) == (12, 2)
    assert "1 of them continues a shorter run of the store from its last checkpoint: 12 of 24 D updates are done" in (
        describe(plan)
    )
    said: list[str] = []
    run = trained(store, *LONG, *more, said=said)
    assert starts(said) == ["resuming at step 12"] and [row["step"] for row in rows(run)] == [0, 6, 12, 18, 24]
    assert [row.get("copied_from") for row in rows(run)] == [short.id] * 3 + [None] * 2
    assert without_origin(run) == rows(at_one_go)
    ours, theirs = kept(run), kept(at_one_go)
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[k], theirs[k]) for k in ours)
    assert content(short) == before


def test_its_record_says_where_it_comes_from_and_its_seconds_count_both(store: Store) -> None:
    short = trained(store, *SHORT)
    run = trained(store, *LONG)
    meta, ended = run.meta(), short.rows()[-1]
    assert meta.continues is not None and (meta.continues.run, meta.continues.step) == (short.id, 12)
    assert meta.continues.train_s == ended.train_s and meta.machines[0] == short.meta().machines[0]
    assert run.status().train_s > (ended.train_s or 0) > 0 and run.status().wasted_s == 0  # type: ignore[operator]
    found = collect(store)
    frame = found.runs.set_index("id")
    assert frame.loc[run.id, "continues"] == short.id and frame["continues"].isna()[short.id]
    both = float(frame["train_cpu_s"].sum())
    once = spent(found.runs, found.meta, "train_s")
    assert once == pytest.approx(both - (ended.train_busy_s or 0)) and once < both
    assert {path.name for path in run.samples.iterdir()} == {f"{step:08d}.png" for step in (0, 6, 12, 18, 24)}


def test_the_longest_is_continued_and_scores_asked_for_later_are_left_behind(store: Store) -> None:
    trained(store, *SHORT, "train.steps=6")
    short = trained(store, *SHORT)
    frozen_runs(store, *SHORT, "metrics.quantise=float")
    assert work(store, short.id, lambda text: None) == DONE and len(short.rows()) == 4
    (run,) = frozen_runs(store, *LONG)
    assert run.meta().continues is not None and run.meta().continues.run == short.id  # type: ignore[union-attr]
    assert [row.step for row in run.rows()] == [0, 6, 12] and len({row.protocol for row in run.rows()}) == 1
    assert run.status().step == 12 and run.status().wasted_s == 0


def test_the_plan_says_why_a_run_begins_at_its_start(store: Store) -> None:
    trained(store, *TINY)
    plan = planned(store, *LONG)
    assert plan.runs[0].shorter is None and plan.unkept == 1
    assert any("its last checkpoint was not kept (checkpoint.keep=all keeps it)" in line for line in describe(plan))
    assert planned(store, *LONG, "seed=1").unkept == 0
    trained(store, *SHORT, "optim.decay=linear")
    told = describe(planned(store, *LONG, "optim.decay=linear"))
    assert "1 run cannot continue a shorter run of the store: optim.decay=linear depends on train.steps" in told


def test_a_checkpoint_that_is_damaged_or_gone_costs_the_start_and_nothing_else(store: Store) -> None:
    short, at_one_go = trained(store, *SHORT), trained(store, *LONG, "repeat=1")
    (run,) = frozen_runs(store, *LONG)
    half = short.newest_checkpoint.read_bytes()[:-9]
    run.newest_checkpoint.unlink()
    run.newest_checkpoint.write_bytes(half)
    said: list[str] = []
    assert work(store, run.id, said.append) == DONE
    assert any("is not continued, but begun again" in text for text in said) and run.meta().continues is None
    same(run, at_one_go)
    plan = planned(store, *LONG, "train.steps=30")
    short.newest_checkpoint.unlink()  # between planning and freezing
    freeze(plan)
    later = store.run(plan.runs[0].id)
    assert later.meta().continues is None and later.status().step == 0


def test_networks_that_change_along_the_run_begin_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    trained(store, *SHORT)
    monkeypatch.setattr(SNDCGANGenerator, "set_progress", lambda self, fraction: None, raising=False)
    said: list[str] = []
    run = trained(store, *LONG, said=said)
    assert starts(said) == [] and run.meta().continues is None
    assert [row["step"] for row in rows(run)] == [0, 6, 12, 18, 24]


# What depends on the length


def after(steps: int, *overrides: str) -> dict[str, torch.Tensor]:
    """All weights after 6 steps of a run of so many."""
    cfg = typed(make_plan([*TINY, "metrics=none", *overrides, f"train.steps={steps}"], multirun=False).runs[0].config)
    state = new_state(cfg, load_data(cfg.data), torch.device("cpu"))

    class Enough(Exception):
        pass

    def watch(state: State) -> None:
        if state.step == 6:
            raise Enough

    with pytest.raises(Enough):
        train(state, cfg, watch)
    return {f"{n}.{k}": v.clone() for n, net in state.modules.items() for k, v in net.state_dict().items()}


SCHEDULES = [
    ("reg=gp",), ("optim.decay=linear",), ("train.noise_std=0.1",), ("optim.burn_in=true",), ("reg=r1", "reg.every=4"),
    ("optim.n_dis=2", "norm=sn", "norm.moves=pass"), ("optim=rmsprop", "reg=clip"), ("optim.epsilon_form=tf",),
    ("train.bn_variance=population", "norm=bn"), ("train.ema=null", "loss=rpgan"), ("arch.conditional=true",),
]  # fmt: skip


@pytest.mark.parametrize("overrides", SCHEDULES, ids=str)
def test_what_is_not_bound_to_its_length_begins_as_a_shorter_run(overrides: tuple[str, ...]) -> None:
    short, long = after(6, *overrides), after(60, *overrides)
    equal = all(torch.equal(short[k], long[k]) for k in short)
    configs = [make_plan([*TINY, *overrides, f"train.steps={n}"], multirun=False).runs[0].config for n in (6, 60)]
    assert equal == (bound_to_length(configs[0]) is None)
    assert but_for_length(configs[0]) == but_for_length(configs[1])


@pytest.mark.slow
def test_two_devices_continue_too(store: Store) -> None:
    more = ("train.world_size=2", "reg=gp")
    trained(store, *SHORT, *more)
    said: list[str] = []
    at_one_go, run = trained(store, *LONG, *more, "repeat=1"), trained(store, *LONG, *more, said=said)
    assert starts(said) == ["resuming at step 12"] and without_origin(run) == rows(at_one_go)
