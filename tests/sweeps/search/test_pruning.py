"""Trials that a pruner ends early: what becomes of the run, what the search hears, who may take the run up again."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from optuna.storages import InMemoryStorage
from searching import bowl, cell, equal_weights, ledger, nobody_is_lost, planned, search_here, trials

from landscape.config.errors import UserError
from landscape.runtime.worker import work
from landscape.store import STOPPED, Store
from landscape.store.searches import SearchSpec
from sweeps.planning.plan import make_plan
from sweeps.search.samplers import SAMPLERS
from sweeps.search.trial_queue import Trial, TrialQueue

PRUNERS = ("asha", "hyperband", "median")
EVERY = 4
BASE = ("train.steps=16", f"metrics.every={EVERY}", "train.batch_size=16", "arch.width=0.04", "metrics.n_fake=64")


@pytest.mark.parametrize("pruner", PRUNERS)
@pytest.mark.slow
def test_a_pruned_trial_is_stopped_told_and_taken_to_its_end_by_a_sweep_without_the_pruner(
    pruner: str, store: Store, tmp_path: Path, warm_cache: Path
) -> None:
    grace = 2
    asked = ("search=random", "search.trials=6", "search.startup=1", f"search.grace={grace}")
    plan = planned(store, *asked, f"search.pruner={pruner}", base=BASE)
    assert search_here(store, plan) == 0
    rows = trials(store, plan)
    runs = [store.run(r["run"]) for r in rows]
    assert [r["value"] for r in rows] == [math.log(run.rows()[-1].values["fd_classifier"]) for run in runs]
    stopped = [run for run in runs if run.status().state == STOPPED]
    assert 0 < len(stopped) < len(runs) == 6
    for run in stopped:
        status = run.status()
        assert grace * EVERY <= status.step < 16 and status.step == run.rows()[-1].step
        assert status.reason == f"pruned by {pruner} at step {status.step}" and run.newest_checkpoint.exists()
        assert [(stop.cause, stop.pruner) for stop in status.stops] == [("pruned", pruner)]
    before = trials(store, plan)

    run = stopped[0]
    typed = [text for text in run.meta().overrides if not text.startswith(("store=", "search"))]
    (wanted,) = planned(store, *typed, base=()).runs
    assert (wanted.id, wanted.need) == (run.id, "train")
    assert work(store, run.id, lambda text: None) == "done"
    whole = Store(tmp_path / "whole")
    shutil.copytree(warm_cache, whole.cache)
    planned(whole, *typed, base=())
    other = whole.run(run.id)
    assert work(whole, run.id, lambda text: None) == "done"
    assert [r.values["fd_classifier"] for r in run.rows()] == [r.values["fd_classifier"] for r in other.rows()] and len(
        run.rows()
    ) == 5
    assert equal_weights(run, other) and run.status().reason is None
    assert search_here(store, plan) == 0 and trials(store, plan) == before  # the search keeps what it was told


# At the ledger


def pruned(search: SearchSpec, book: TrialQueue) -> Iterator[tuple[int, int]]:
    """Trial and evaluation of each pruning, where each run's distances fall towards the bowl's value."""
    while isinstance(trial := book.next(nobody_is_lost), Trial):
        values = {e: bowl(trial.params) + 1 / e for e in range(1, search.evaluations + 1)}
        last = search.evaluations
        for e in range(1, search.evaluations):
            if book.report(trial, e, values[e]):
                last = e
                yield trial.order, e
                break
        book.tell(trial, values[last], stopped=last < search.evaluations)


@pytest.mark.parametrize("pruner", PRUNERS)
@pytest.mark.parametrize("kind", SAMPLERS)
def test_every_sampler_gets_on_with_every_pruner_and_each_run_has_its_grace(
    kind: str, pruner: str, tmp_path: Path
) -> None:
    search = cell("train.steps=90", "metrics.every=10", sampler=kind, trials=10, startup=3, pruner=pruner, grace=2)
    found = list(pruned(search, ledger(search, tmp_path)))
    assert 0 < len(found) < 10 and min(e for _, e in found) == 2
    again = TrialQueue(search, InMemoryStorage, "token of another store", tmp_path / "lock")
    assert list(pruned(search, again)) == found


def test_an_evaluation_is_judged_once_and_a_run_that_is_taken_up_hears_it_again(tmp_path: Path) -> None:
    storage = InMemoryStorage()
    search = cell("train.steps=90", "metrics.every=10", trials=3, pruner="asha", grace=1)
    book = ledger(search, tmp_path, lambda: storage)
    first, second = (book.next(nobody_is_lost) for _ in range(2))
    assert isinstance(first, Trial) and isinstance(second, Trial)
    assert not book.report(first, 1, 1.0) and not book.report(second, 1, 0.5)
    third = book.next(nobody_is_lost)
    assert isinstance(third, Trial)
    assert book.report(third, 1, 2.0)  # and its worker dies before it could end the run
    other = ledger(search, tmp_path, lambda: storage)
    taken = other.next(lambda params, owner: math.isclose(params["lr"], third.params["lr"], rel_tol=1e-4))
    assert isinstance(taken, Trial) and taken.resumed and taken.params == third.params
    assert other.report(taken, 1, 2.0)
    assert not other.report(first, 1, 1.0)  # which was let go, and would not be today


def test_a_pruner_that_could_end_no_run_is_refused() -> None:
    for more in ("metrics.every=null", "search.grace=4"):
        with pytest.raises(UserError, match="could never end a run of digits sndcgan ns n_dis=1: there are"):
            make_plan([*BASE, "metrics.every=5", "search=random", "search.pruner=asha", more], multirun=False)


@pytest.mark.parametrize("stage", ["grid", "confirm"])
def test_a_stage_that_prunes_nothing_asks_nothing_of_a_pruner(stage: str) -> None:
    asked = ("metrics.every=null", "search=random", "search.pruner=asha", f"stage={stage}")
    assert make_plan([*BASE, *asked], multirun=False).searches[0].pruner == "asha"
