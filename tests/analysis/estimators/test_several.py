"""Claims about several searches of one cell: their bands cover as they say, and only what is alike is compared."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import synthetic
from scipy import stats
from synthetic import add_run, config, run_id

import analysis
from analysis.estimators.practitioner import rounds_of
from analysis.estimators.repeated_searches import compared, inner, needed, several_searches, trajectories
from analysis.estimators.time_budget import over_hours, timed
from analysis.figures.style import cell_styles
from analysis.html.page import _figures
from analysis.loading.cells import cell_facts, countable
from analysis.loading.measure import BY_DISTANCE
from analysis.loading.trials import read_trials
from analysis.report import main, make_report
from landscape.config.errors import UserError
from landscape.store import DIVERGED, RUNNING, STOPPED, Store
from landscape.store.protocols import EvalProtocol
from landscape.store.trials import TrialRecord, put_rows
from sweeps.planning.plan import make_plan
from sweeps.planning.search_spec import write_searches


@cache
def of_gp():
    """A cell's search, as a plan makes it."""
    (search,) = make_plan(["reg=gp", "search=gp", "search.trials=12"], multirun=False).searches
    return search


def searched(store, seed, fids, sweep=None, search=None, statuses=()):
    """A sweep whose one search of NS GP (that of `seed`) found final distances `fids`, told as the searcher does."""
    search = search or of_gp()
    mine = replace(search, id=f"{search.id[:-2]}{seed:02d}", seed=seed)
    sweep = sweep or f"sweep-{seed}"
    write_searches(store, sweep, "sqlite", [mine])
    rows = []
    for order, fid in enumerate(fids):
        rate = 1e-5 * (1 + seed) + 1e-7 * order
        status = dict(statuses).get(order, "done")
        frozen = config("ns", "gp", optim__lr_d=rate, optim__lr_g=rate)
        if not store.run(run_id(frozen)).exists():
            add_run(store, [100.0, 50.0, None if status == DIVERGED else fid], frozen, status)
        rows.append(TrialRecord(run_id(frozen), mine.cell, "search", order, "gp", None, 1.0, False, mine.id))
    put_rows(store, sweep, rows)


def found(store):
    both = analysis.collect(store)
    assert both.problems == []
    return several_searches(both.runs, both.trials)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def test_six_searches_bound_the_median_at_each_k_and_eight_at_all_k_at_once():
    assert (needed(), needed(knots=6)) == (6, 8)
    assert [inner(n, 0.05) for n in (5, 6, 8, 9, 20)] == [0, 1, 1, 2, 6]
    curves = [np.minimum.accumulate(row) for row in np.random.default_rng(0).lognormal(3, 1, (8, 30))]
    few, some, enough = (compared("gp", curves[:n]) for n in (4, 6, 8))
    assert (few.each_k, few.missing, some.all_k, some.missing) == (None, 2, None, 0)
    assert some.each_k is not None and enough.all_k is not None
    assert (enough.all_k.lower <= enough.each_k.lower).all() and (enough.all_k.upper >= enough.each_k.upper).all()
    assert (enough.each_k.lower <= enough.median).all() and (enough.median <= enough.each_k.upper).all()


@pytest.mark.parametrize("n", [6, 9, 15])
def test_the_interval_misses_the_median_as_seldom_as_the_binomial_says(n):
    """2 P(Bin(n, 1/2) < r), exactly; here of draws whose median is 0."""
    rank = inner(n, 0.05)
    draws = np.sort(np.random.default_rng(n).standard_normal((20_000, n)), axis=1)
    missed = np.mean((draws[:, rank - 1] > 0) | (draws[:, n - rank] < 0))
    exact = 2 * stats.binom.cdf(rank - 1, n, 0.5)
    assert exact <= 0.05 and missed == pytest.approx(exact, abs=4 * np.sqrt(exact / 20_000))
    assert 2 * stats.binom.cdf(rank, n, 0.5) > 0.05, "one rank further in would miss it too often"


def test_the_bands_cover_the_median_curve_of_searches_that_learn():
    """1,000 times 10 random walks downwards; by Monte-Carlo the share that is covered is within 0.02 of the truth."""
    rng = np.random.default_rng(5)

    def curves(count):
        steps = rng.exponential(1, (count, 40)) * (rng.random((count, 40)) < 0.15)
        return 50 * np.exp(rng.normal(0, 0.5, (count, 1)) - 0.3 * np.cumsum(steps, axis=1))

    truth = np.median(curves(100_000), axis=0)
    each, every = [], []
    for _ in range(1000):
        one = compared("gp", list(curves(10)))
        each.append((one.each_k.lower <= truth) & (truth <= one.each_k.upper))
        every.append(((one.all_k.lower <= truth) & (truth <= one.all_k.upper)).all())
    assert np.mean(each, axis=0).min() >= 0.95 - 0.02
    assert np.mean(every) >= 0.95 - 0.02 > np.mean(np.all(each, axis=1)), "the one for each k does not hold for all"


def test_searches_that_differ_in_their_seed_alone_are_compared(store):
    rng = np.random.default_rng(0)
    for seed in range(6):
        searched(store, seed, rng.uniform(5, 50, 4))
    (one,) = found(store)["NS GP"]
    assert len(one.paths) == 6 and one.missing == 0 and len(one.median) == 4
    others = {"startup": 3, "pruner": "median", "draws": "0" * 16, "grid": ["a"], "rounds": 2}
    for seed, (key, value) in enumerate(others.items(), 20):
        searched(store, seed, rng.uniform(5, 50, 4), search=replace(of_gp(), **{key: value}))
    searched(store, 9, rng.uniform(5, 50, 4), search=replace(of_gp(), trials=99))
    (more,) = found(store)["NS GP"]
    assert len(more.paths) == 7, "a larger budget is the same search; all else is another"


def test_a_search_is_followed_to_its_first_unfinished_trial_and_what_went_wrong_finds_nothing(store):
    searched(store, 0, [20.0, 9.0, 15.0, 3.0], statuses={0: DIVERGED, 1: STOPPED}.items())
    searched(store, 1, [20.0, 9.0, 15.0, 3.0], statuses={2: RUNNING}.items())
    (one,) = found(store)["NS GP"]
    assert [path.tolist() for path in one.paths] == [[np.inf, np.inf, 15, 3], [20, 9]]
    assert one.median.tolist() == [np.inf, np.inf] and one.missing == 4


def test_the_same_search_asked_for_by_two_sweeps_is_one(store):
    searched(store, 0, [20.0, 9.0], "a")
    searched(store, 0, [20.0, 9.0, 4.0], "b")
    assert found(store) == {}
    both = analysis.collect(store)
    ((_, rounds),) = rounds_of(countable(both.runs), both.trials)
    assert np.concatenate(rounds).tolist() == [20, 9, 4]


def test_without_the_searches_file_nobody_knows_whether_they_are_alike(store):
    for seed in range(2):
        searched(store, seed, [20.0, 9.0])
    store.search_file("sweep-0").unlink()
    trials = read_trials(store, [])
    assert trials["alike"].isna().sum() == 2 and trials["search"].notna().all() and found(store) == {}


def test_several_searches_are_run_by_one_command_each(store):
    """`search.seed` makes another sweep with other searches of the same cells; a multirun over it is refused."""
    common = ["reg=gp", "search=gp", "stage=search", f"store={store.root}"]
    first, second = (make_plan([*common, f"search.seed={seed}"], multirun=False) for seed in (0, 1))
    assert first.name != second.name and first.searches[0].id != second.searches[0].id
    assert first.searches[0].draws == second.searches[0].draws
    with pytest.raises(UserError, match=r"search\.seed cannot be varied in a grid"):
        make_plan([*common, "search.seed=0,1"], multirun=True)


def test_the_report_draws_them_and_says_what_is_missing(store, tmp_path):
    rng = np.random.default_rng(0)
    for seed in range(3):
        searched(store, seed, rng.uniform(5, 50, 4))
    assert make_report(store, tmp_path / "out") == []
    page = (tmp_path / "out" / "index.html").read_text()
    assert "The searches of a cell" in page
    assert "no band: 3 more searches needed" in _words(tmp_path / "out" / "figures" / "01-digits-searches.svg")
    again = tmp_path / "again"
    assert main(["--csv", str(tmp_path / "out" / "runs.csv"), "--out", str(again)]) == 0
    assert (again / "figures" / "01-digits-searches.png").is_file()


def _words(svg: Path) -> str:
    """The texts of a figure, which matplotlib keeps as comments beside their shapes."""
    return " ".join(part.split("-->")[0].strip() for part in svg.read_text().split("<!--")[1:])


def test_older_records_that_do_not_name_their_search_are_told_apart_by_sweep(tmp_path):
    store = synthetic.searched(tmp_path)
    file = store.trials_file("first")
    assert "search" not in json.loads(file.read_text().splitlines()[0])
    both = analysis.collect(store)
    cell = countable(both.runs)
    assert len(rounds_of(cell[cell["cell"] == "NS GP"], both.trials)) == 1
    assert several_searches(both.runs, both.trials) == {}
    assert isinstance(both.trials, pd.DataFrame) and both.trials["search"].isna().all()


def test_a_trial_that_was_given_up_takes_its_place_also_where_its_run_never_ended(store):
    for seed in range(2):
        searched(store, seed, [9.0, 8.0, 7.0, 6.0], statuses={2: RUNNING}.items() if seed else ())
    ((one,),) = found(store).values()
    assert sorted(map(len, one.paths)) == [2, 4]
    (name,) = [name for name in store.searches() if name.endswith("1")]
    lines = [json.loads(line) for line in store.trials_file(name).read_text().splitlines()]
    lines[2]["failed"] = True
    store.trials_file(name).write_text("".join(json.dumps(line) + "\n" for line in lines))
    ((one,),) = found(store).values()
    assert sorted(map(len, one.paths)) == [4, 4]


def test_one_seed_asked_for_under_two_protocols_is_not_two_alike_searches(store):
    base = {**of_gp().base, "metrics": {**of_gp().base["metrics"], "n_fake": 77}}
    searched(store, 0, [9.0, 8.0])
    searched(store, 1, [9.0, 8.0], search=replace(of_gp(), base=base))
    assert analysis.collect(store).trials["alike"].nunique() == 2 and found(store) == {}


def test_rounds_of_one_size_are_alike_whatever_the_budget(store):
    rounds = replace(of_gp(), rounds=2, trials=12)
    searched(store, 0, [9.0], search=rounds)
    searched(store, 1, [9.0], search=replace(rounds, trials=24, per_round=6))
    searched(store, 2, [9.0], search=replace(rounds, trials=24))
    assert analysis.collect(store).trials.groupby("alike").size().tolist() in ([1, 2], [2, 1])


def test_what_a_search_found_is_drawn_in_its_order_and_not_as_runs_to_come(store):
    fids = [40.0, 30.0, 20.0, 10.0]
    searched(store, 0, fids)
    both = analysis.collect(store)
    taken = trajectories(several_searches(both.runs, both.trials, fewest=1))
    assert taken["NS GP"].tolist() == fids, "taken for draws the best of two would be at 20"
    text = EvalProtocol(source="tests")
    found, drawn = replace(both, protocols=dict.fromkeys(both.protocols, text)), {}
    runs = both.runs
    curves = _figures(
        found, cell_styles(cell_facts(runs)), str(runs["protocol"].iloc[0]), runs, BY_DISTANCE, 90.0, drawn_in(drawn)
    )
    assert curves["run"]["median"][0]["y"] == fids and curves["run"]["mean"] == []
    assert drawn["budget"][0].empty and "band" not in drawn
    hours = timed(runs.assign(train_s=3600.0, device="x", device_kinds=1, sharing=1), both.trials)
    over = over_hours(hours, seed=0)["training"]["NS GP"]
    assert over.median[0] == 40 and over.median[-1] == 10 and over.times[-1] == pytest.approx(4)
    assert (over.lower == over.median).all()


def drawn_in(drawn):
    def submit(kind, draw, *arguments):
        drawn[kind] = arguments

    return submit
