"""A trial of several seeds: worth their median, left where it cannot matter, one setting in every count."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import replace
from statistics import median
from typing import Any

import pytest
from searching import cell, planned, search_here
from support import TINY, sweep

import analysis
from analysis.estimators.repeated_searches import of_searches
from analysis.loading.runs import collect
from landscape.config.errors import UserError
from landscape.store import DIVERGED, DONE, FAILED, PREEMPTED, RunFolder, Store
from landscape.store.trials import SEARCH, TrialRecord, read_rows
from sweeps.planning.needs import survey
from sweeps.planning.plan import Plan, make_plan
from sweeps.planning.search_space import trial_seeds
from sweeps.planning.search_spec import trials_left
from sweeps.search.objective import ObjectiveValue, cannot_matter, least_median
from sweeps.search.worker import SearchWorker


def test_seeds_of_a_trial_begin_with_its_own_and_differ() -> None:
    seeds = trial_seeds(17, 40)
    assert seeds[0] == 17 and len(set(seeds)) == 40 and trial_seeds(17, 3) == seeds[:3]
    assert not set(trial_seeds(18, 40)) & set(seeds)


def test_one_seed_is_what_a_search_was_before() -> None:
    plain, one, three = cell(), cell("search.seeds=1"), cell("search.seeds=3")
    assert plain.id == one.id != three.id and plain.draws == three.draws
    assert "seeds" not in one.to_json() and three.to_json()["seeds"] == 3
    with pytest.raises(UserError, match=r"search.seeds=3 with search.pruner=median: a pruner compares single runs"):
        cell("search.seeds=3", "search.pruner=median", "metrics.every=10")


def test_what_cannot_matter_is_in_the_worse_half_whatever_comes() -> None:
    assert least_median([1, 2], 5) == -math.inf and least_median([3, 1, 2], 5) == 1 and least_median([3, 1], 3) == 1
    told, levels = [0.0, 2.0, 4.0], (-9.0, 1.0, 2.0, 3.0, 9.0)
    for count, known in ((n, m) for n in (1, 2, 3, 4, 5) for m in range(1, n + 1)):
        for values in itertools.product(levels, repeat=known):
            rest = list(itertools.product(levels, repeat=count - known))
            sure = all(median([*values, *more]) > 2.0 for more in rest)
            assert cannot_matter(values, count, told) == sure
    assert not cannot_matter([9.0], 1, [])


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[int], Any]], list[str]]:
    """Makes runs end as a function of their number says, without training; returns the ids of those begun."""

    def install(outcome: Callable[[int], Any]) -> list[str]:
        begun: list[str] = []
        values: dict[str, float] = {}

        def work(store: Store, run_id: str, *_: Any) -> str:
            run = store.run(run_id)
            if run.status().finished:
                return run.status().state
            begun.append(run_id)
            end = outcome(len(begun) - 1)
            state = end if isinstance(end, str) else DONE
            values[run_id] = 5.0 if isinstance(end, str) else end
            run.write_status(replace(run.status(), state=state, step=3))
            return state

        def value(run: RunFolder, asked: object) -> ObjectiveValue:
            return ObjectiveValue(values[run.id], run.status().state == DIVERGED)

        monkeypatch.setattr("landscape.runtime.worker.work", work)
        monkeypatch.setattr("sweeps.search.worker.objective_value", value)
        monkeypatch.setattr("sweeps.search.worker.rows_of", lambda run, asked: [])
        return begun

    return install


Install = Callable[[Callable[[int], Any]], list[str]]


def rows(store: Store, plan: Plan) -> list[TrialRecord]:
    return [row for row in read_rows(store, plan.name) if row.stage == SEARCH]


def test_a_trial_is_worth_the_median_of_its_seeds(store: Store, trained: Install) -> None:
    plan = planned(store, "search=random", "search.trials=2", "search.seeds=3")
    begun = trained(lambda number: [3.0, 1.0, 2.0, 7.0, DIVERGED, DIVERGED][number])
    assert plan.trials_left == 2 and search_here(store, plan) == 0 and plan.trials_left == 0
    found = rows(store, plan)
    assert [row.run for row in found] == begun and len(set(begun)) == 6
    assert [(row.order, row.nth) for row in found] == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]
    assert [row.value for row in found] == [2.0] * 3 + [5.0] * 3  # a diverged run counts as its first distance
    assert [row.diverged for row in found] == [False] * 3 + [True] * 3
    seeds = [store.run(one).config()["seed"] for one in begun]
    assert seeds[:3] == trial_seeds(seeds[0], 3) and len(set(seeds)) == 6
    again = make_plan([text for text in plan.command if text != "-m"], multirun=True)
    survey(again)
    assert again.settled == 2 and again.trials_left == 0


def test_the_paper_s_way_gives_all_trials_the_same_seeds(store: Store, trained: Install) -> None:
    plan = planned(store, "search=random", "search.trials=2", "search.seeds=2", "search.seed=fixed", "seed=5")
    begun = trained(lambda number: 1.0)
    search_here(store, plan)
    seeds = [store.run(one).config()["seed"] for one in begun]
    assert seeds == [*trial_seeds(5, 2)] * 2


@pytest.mark.parametrize(("sampler", "ran"), [("tpe", 3 * 3 + 2), ("random", 4 * 3)])
def test_a_search_that_learns_leaves_a_trial_that_cannot_matter(
    sampler: str, ran: int, store: Store, trained: Install
) -> None:
    """The fourth trial is worse than the median of the three before in two of its three seeds."""
    more = ("search.trials=4", "search.seeds=3", "search.startup=3")
    plan = planned(store, f"search={sampler}", *more)
    begun = trained(lambda number: 1.0 + number / 100 if number < 9 else 4.0)
    assert search_here(store, plan) == 0 and len(begun) == ran
    assert trials_left(store, plan.name) == 0
    last = [row for row in rows(store, plan) if row.order == 3]
    assert [row.nth for row in last] == list(range(ran - 9)) and {row.value for row in last} == {4.0}


def test_a_trial_that_is_interrupted_goes_on_with_the_seed_that_it_was_at(store: Store, trained: Install) -> None:
    plan = planned(store, "search=random", "search.trials=1", "search.seeds=3")
    begun = trained(lambda number: [1.0, PREEMPTED, 2.0, 3.0][number])
    with SearchWorker(store, plan.name, None, {}, lambda text: None) as worker:
        assert worker.work() == 75
    assert [row.value for row in rows(store, plan)] == [None, None] and plan.trials_left == 1
    assert search_here(store, plan) == 0
    assert begun[1] == begun[2] and len(set(begun)) == 3 and {row.value for row in rows(store, plan)} == {2.0}


def test_the_run_under_way_tells_whether_a_worker_of_another_machine_lives(store: Store, trained: Install) -> None:
    plan = planned(store, "search=random", "search.trials=1", "search.seeds=3")
    trained(lambda number: [1.0, PREEMPTED][number])
    with SearchWorker(store, plan.name, None, {}, lambda text: None) as worker:
        worker.work()
        (one,) = worker.cells
        (trial,) = one.queue.results()
        assert one.run(trial.params).id == one.runs(trial.params)[1].id and one.step_of(trial.params) == 6


def test_a_seed_that_fails_three_times_gives_its_trial_up(store: Store, trained: Install) -> None:
    plan = planned(store, "search=random", "search.trials=1", "search.seeds=2")
    begun = trained(lambda number: 1.0 if number == 0 else FAILED)
    for _ in range(4):
        search_here(store, plan)
    assert len(begun) == 4 and len(set(begun)) == 2 and plan.trials_left == 0
    assert [(row.nth, row.value, row.failed) for row in rows(store, plan)] == [(0, None, True), (1, None, True)]


@pytest.mark.slow
def test_several_workers_and_the_report_see_settings_not_seeds(store: Store) -> None:
    command = ("search=tpe", "search.trials=3", "search.seeds=3", "search.startup=2", "stage=search", "launcher.jobs=2")
    done = sweep(*TINY, *command, f"store={store.root}")
    assert done.returncode == 0, done.stderr
    assert "3 trials in 1 cell, 3 seeds each: 3 of 3 trials left" in done.stderr
    (name,) = store.searches()
    found = [row for row in read_rows(store, name) if row.stage == SEARCH]
    assert {row.order for row in found} == {0, 1, 2} and len(found) in (8, 9)
    runs = analysis.load(store)
    searched = runs[runs["stage"] == SEARCH]
    assert len(searched) == len(found) and searched["setting"].nunique() == 3
    trials = of_searches(runs, collect(store).trials)
    for order, group in trials.groupby("order"):
        members = runs[runs["id"].isin(group["id"])]["worth"]
        assert set(group["value"]) == {members.median()}, order
