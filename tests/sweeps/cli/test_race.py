"""`python -m sweeps race`: from the command to the answer, stopped on the way, failures, second questions, refusals."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from searching import ledger, nobody_is_lost
from support import TINY

from landscape.config.errors import CorruptFile, UserError
from landscape.config.identity import run_id
from landscape.store import DONE, FAILED, Store
from landscape.store.races import BEST, BUDGET, ORDER, TOP, WAITING
from sweeps.__main__ import VERBS
from sweeps.cli import race as command
from sweeps.planning.freeze import freeze, freeze_run
from sweeps.planning.plan import TRAIN, Plan, make_plan
from sweeps.planning.search_space import with_params
from sweeps.search import confirmation

RATIOS = {"ns": 1.0, "ls": 1.8, "wgan": 4.0}
GRID = ("-m", "loss=ns,wgan,ls", *TINY)


class Training:
    """A launcher that ends runs at once; what they come to is known from their configuration."""

    def __init__(self) -> None:
        self.trained: list[str] = []
        self.stop_after = math.inf  # runs; then the command is interrupted
        self.fails = lambda planned: False
        self.attached = True
        self.busy_s: float | None = None

    def check(self, plan):
        pass

    def shell_lines(self):
        return []

    def launch(self, plan):
        freeze(plan)
        for planned in plan.needing(TRAIN):
            if len(self.trained) == self.stop_after:
                raise KeyboardInterrupt
            self.trained.append(planned.id)
            run = plan.store.run(planned.id)
            state = FAILED if self.fails(planned) else DONE
            run.write_status(replace(run.status(), state=state, train_s=1.0, train_busy_s=self.busy_s))
        return 0


def distance(run, asked):
    if run.status().state != DONE:
        return None
    config = run.config()
    return float(RATIOS[config["loss"]["kind"]] * np.exp(0.4 * np.random.default_rng(config["seed"]).normal()))


@pytest.fixture
def training(monkeypatch: pytest.MonkeyPatch) -> Training:
    made = Training()
    monkeypatch.setattr(command, "launcher_of", lambda keys: made)
    monkeypatch.setattr(command, "last_distance", distance)
    return made


@pytest.fixture
def bare(tmp_path: Path) -> Store:
    """A store without a classifier: nothing here is scored."""
    return Store(tmp_path / "store")


def race(store: Store, *arguments: str) -> int:
    return VERBS["race"]([*GRID, f"store={store.root}", *arguments])


def kept(store: Store):
    (name,) = store.sweep_names()
    return store.sweep(name).race()


def test_a_race_answers_for_a_part_of_the_runs(bare: Store, training, capsys) -> None:
    assert race(bare) == 0
    out = capsys.readouterr().out
    assert "loss=ns is the best cell for one model; calibrated, error at most 5 %" in out
    assert "loss=wgan is better" not in out and "out in round" in out
    record = kept(bare)
    claim = record.claim
    assert claim.state == BEST and record.cells[claim.winner].name == "loss=ns"
    assert claim.sentence in out
    assert len(training.trained) == len(set(training.trained)) == len(record.tickets) == claim.spent < 360
    seeds = [run.config()["seed"] for run in bare.run_folders()]
    assert len(set(seeds)) == len(seeds), "no two runs share a seed"
    assert bare.sweep(bare.sweep_names()[0]).plan().runs, "it is a sweep like others, for status and wait"
    training.trained.clear()
    assert race(bare) == 0 and training.trained == [], "the same command finds its answer"
    assert capsys.readouterr().out == out


def test_random_settings_are_the_trials_that_a_search_would_draw(bare: Store, training, tmp_path: Path) -> None:
    assert race(bare, "search=random") == 0
    record = kept(bare)
    runs = {ticket.run: bare.run(ticket.run).config() for ticket in record.tickets}
    assert len(runs) == record.claim.spent and len({config["seed"] for config in runs.values()}) == len(runs)
    assert len({config["optim"]["lr_d"] for config in runs.values()}) == len(runs), "each has a setting of its own"
    (search, *_) = make_plan([*GRID[1:], "search=random", f"store={bare.root}"], True).searches
    with ledger(search, tmp_path) as book:
        asked = [book.next(nobody_is_lost) for _ in range(3)]
    mine = [ticket.run for ticket in record.tickets if ticket.cell == 0][:3]
    assert [run_id(with_params(search.base, search.space, trial.params)) for trial in asked] == mine
    assert bare.run(mine[0]).meta().overrides[-1] == f"seed={asked[0].params['seed']:.0f}"


def test_matched_points_share_settings_and_seeds(bare: Store, training) -> None:
    assert race(bare, "search=random", "--matched", "--budget", "90") == 0
    drawn: dict[int, set] = {}
    for ticket in kept(bare).tickets:
        config = bare.run(ticket.run).config()
        drawn.setdefault(ticket.order, set()).add((config["seed"], config["optim"]["lr_g"], config["optim"]["beta1"]))
    assert len(drawn) >= 10 and all(len(same) == 1 for same in drawn.values())
    assert len({config for same in drawn.values() for config in same}) == len(drawn)
    assert race(bare, "--matched", "--budget", "90") == 0
    other = next(
        bare.sweep(name).race()
        for name in bare.sweep_names()
        if "search=random" not in str(bare.sweep(name).plan().command)
    )
    seeds = {(one.order, bare.run(one.run).config()["seed"]) for one in other.tickets}
    assert len(seeds) == len({order for order, _ in seeds}) and other.claim.kind in (None, "certified")


def test_leader_and_challenger_run_while_the_others_rest(bare: Store, training, capsys) -> None:
    assert race(bare, "--by-cost") == 0
    claim = kept(bare).claim
    assert claim.state == BEST and claim.kind == "certified" and kept(bare).names[claim.winner] == "loss=ns"
    count = [len(of) for of in kept(bare).distances()]
    assert sum(count) == claim.spent == len(training.trained) and len(set(count)) > 1
    assert "certified, error at most 5 %" in capsys.readouterr().out
    before = len(training.trained)
    assert race(bare, "--by-cost") == 0 and len(training.trained) == before


@pytest.mark.parametrize(
    ("flags", "state", "said"),
    [
        (("--top", "2"), TOP, "loss=ns and loss=ls are the best 2 for one model"),
        (("--order",), ORDER, "the order, best first: loss=ns, loss=ls, loss=wgan; for one model"),
    ],
)
def test_the_best_m_and_the_order(bare: Store, training, capsys, flags, state, said) -> None:
    assert race(bare, *flags) == 0
    claim = kept(bare).claim
    assert claim.state == state and list(claim.ranking) == [0, 2, 1][: len(claim.ranking)]
    out = capsys.readouterr().out
    assert said in out and "; certified, all of them together" not in out
    where = "among the best 2 since round" if state == TOP else "its place is known since round"
    assert where in out


def test_a_budget_of_hours_ends_a_race_with_what_is_known(bare: Store, training, capsys) -> None:
    training.busy_s = 3600.0
    assert race(bare, "--hours", "35") == 0
    claim = kept(bare).claim
    assert claim.state == BUDGET and claim.spent == claim.hours == 30 == len(training.trained)
    assert "the budget is spent (30 of 35 hours)" in capsys.readouterr().out
    assert race(bare, "--hours", "90") == 0, "more hours are another question"
    asked = kept(bare).questions
    assert [one.hours for one in asked] == [35, 90] and [one.after for one in asked] == [0, 30]


def test_what_a_look_saw_is_kept(bare: Store, training) -> None:
    race(bare)
    record = kept(bare)
    looks, bars = record.claim.looks, record.claim.bars
    assert [look.round for look in looks] == list(range(1, record.claim.rounds + 1))
    assert [look.spent for look in looks][-1] == record.claim.spent and 0 < bars.out < bars.certified < bars.pairs
    for one in record.claim.out:
        (seen,) = [look for look in looks if look.round == one.round]
        assert max(value for a, b, value in seen.evidence if (a, b) == (one.by, one.cell)) >= bars.out - 1e-3
        assert one.cell in [cell for cell, _ in seen.quantiles]
        assert all(one.cell not in [cell for cell, _ in look.quantiles] for look in looks if look.round > one.round)


@pytest.mark.parametrize("stops", [(1, 17), (12, 30)])
@pytest.mark.slow
def test_a_race_that_is_killed_goes_on(bare: Store, training, tmp_path: Path, stops) -> None:
    whole = Store(tmp_path / "whole")
    race(whole)
    expected, count = kept(whole), len(training.trained)
    training.trained.clear()
    for stop in stops:
        training.stop_after = stop
        with pytest.raises(KeyboardInterrupt):
            race(bare)
        assert len(training.trained) == stop
    training.stop_after = math.inf
    assert race(bare) == 0
    assert kept(bare).claim == expected.claim and kept(bare).tickets[:5] == expected.tickets[:5]
    assert len(training.trained) == len(set(training.trained)) == count, "no run is trained twice"


def test_tickets_of_the_next_round_may_begin_early_and_do_not_count_yet(bare: Store, training, monkeypatch) -> None:
    """All that may begin early ends with its round: the answer is the same, at the same number of runs that count."""
    race(bare, "--budget", "60")
    expected = kept(bare)
    launched: list[Plan] = []
    plain = training.launch

    def eager(plan):
        launched.append(plan)
        assert not {one.id for one in plan.early} & {one.id for one in plan.runs}
        for planned in plan.early:
            freeze_run(plan.store, planned, plan.command, plan.name)
            run = plan.store.run(planned.id)
            run.write_status(replace(run.status(), state=DONE))
        return plain(plan)

    training.launch = eager
    other = Store(bare.root.parent / "other")
    assert VERBS["race"]([*GRID, f"store={other.root}", "--budget", "60"]) == 0
    claim = kept(other).claim
    assert launched[0].early and launched[-1].early == [], "the last round has none to follow"
    assert replace(claim, hours=0.0, looks=()) == replace(expected.claim, hours=0.0, looks=())
    assert len(kept(other).tickets) >= claim.spent == expected.claim.spent
    counted = {(one.cell, one.order): one for one in kept(other).tickets}
    assert all(counted[one.cell, one.order].run == one.run for one in expected.tickets)


def test_a_failed_run_is_infinite_and_is_not_trained_again(bare: Store, training) -> None:
    training.fails = lambda planned: planned.config["loss"]["kind"] == "ns" and planned.config["seed"] % 5 == 3
    assert race(bare) == 0
    record = kept(bare)
    lost = [ticket for ticket in record.tickets if ticket.distance is None]
    assert lost and all(record.cells[ticket.cell].name == "loss=ns" for ticket in lost)
    assert len(training.trained) == len(set(training.trained))


def test_a_round_that_fails_altogether_is_not_counted_and_is_trained_again(bare: Store, training) -> None:
    training.fails = lambda planned: True
    assert race(bare) == 1
    assert kept(bare).tickets == () and len(training.trained) == 15
    training.fails = lambda planned: False
    assert race(bare) == 0 and kept(bare).claim.state == BEST


def test_what_counts_is_not_changed_by_what_comes_later(bare: Store, training, monkeypatch) -> None:
    race(bare, "--budget", "30")
    before = kept(bare)
    assert before.claim.state == BUDGET
    monkeypatch.setattr(command, "last_distance", lambda run, asked: 1.0)
    assert race(bare, "--budget", "30") == 0
    assert kept(bare) == before


def test_a_second_question_has_half_the_error_and_is_answered_where_that_is_certified(
    bare: Store, training, capsys
) -> None:
    race(bare)
    first = len(training.trained)
    capsys.readouterr()
    assert race(bare, "--k", "2") == 0
    told = capsys.readouterr()
    assert "asked another question before: this one has an error of 2.5 %" in told.err
    assert "(7.5 % together)" in told.err
    assert "certified, error at most 2.5 %" in told.out
    assert [one.k for one in kept(bare).questions] == [1, 2] and len(training.trained) > first
    assert race(bare) == 0
    assert "calibrated, error at most 5 %" in capsys.readouterr().out, "the first one keeps its error"
    assert [one.k for one in kept(bare).questions] == [1, 2]


def test_points_in_another_order_are_the_same_race(bare: Store, training) -> None:
    race(bare)
    count = len(training.trained)
    assert VERBS["race"](["-m", "loss=wgan,ls,ns", *TINY, f"store={bare.root}"]) == 0
    record = kept(bare)
    assert len(training.trained) == count and record.cells[record.claim.winner].name == "loss=ns"


def test_a_record_that_cannot_be_is_refused(bare: Store, training) -> None:
    race(bare, "--budget", "30")
    file = bare.sweep(bare.sweep_names()[0]).race_file
    good = file.read_text()
    file.write_text(good.replace('"cell": 2', '"cell": 7'))
    with pytest.raises(CorruptFile, match="a ticket of a cell that it lacks"):
        race(bare, "--budget", "30")
    file.write_text(good[:-40])
    with pytest.raises(CorruptFile, match="not valid JSON"):
        race(bare, "--budget", "30")


def test_a_scheduler_is_given_a_round_and_the_command_comes_back(bare: Store, training, capsys) -> None:
    training.attached = False
    assert race(bare) == 0
    assert len(training.trained) == 15 and "the same command continues the race" in capsys.readouterr().err
    while kept(bare).claim.state == WAITING:
        before = len(training.trained)
        race(bare)
        assert len(training.trained) > before or kept(bare).claim.state != WAITING
    assert kept(bare).claim.state == BEST


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["seed=1,2"], "leave seed and repeat out"),
        (["search=tpe"], "search=tpe cannot be raced: its trials depend on each other; legal: search=random"),
        (["search=qmc"], "search=qmc cannot be raced"),
        (["search=random", "search.pruner=median", "metrics.every=2"], "search.pruner ends trials by what others"),
        (["search=random", "search.seed=fixed"], "each trial needs a seed of its own"),
        (["search=random", "search.seeds=2"], "each ticket is one run"),
        (["search=random", "optim.lr=1e-4,2e-4"], "differ in what the search does not vary"),
        (["search=random", "reg=gp,none", "--matched"], "matched settings need the same ranges in every point"),
        (["--matched", "--by-cost"], "matched tickets need equal numbers"),
        (["--order", "--by-cost"], "the full order need equal numbers"),
        (["--order", "--top", "1"], "give one of within, top and order"),
        (["--top", "3"], "top=3 is no part of 3 cells; legal: 1 to 2"),
        (["--hours", "0"], "hours=0 is no budget"),
        (["metrics=none"], "a race needs a distance"),
        (["--k", "0"], "k=0 is no number of models"),
        (["--budget", "20"], "3 cells need 30 runs at least"),
        (["--within", "0.9"], "within=0.9 is no factor"),
        (["--replay", "x.csv"], "--replay trains nothing"),
    ],
)
def test_what_cannot_be_raced(bare: Store, training, arguments, said) -> None:
    with pytest.raises(UserError, match=said):
        race(bare, *arguments)
    assert not bare.runs.exists()


def test_what_a_race_has_found_is_confirmed_on_fresh_seeds(bare: Store, training, monkeypatch) -> None:
    race(bare)
    (name,) = bare.sweep_names()
    launched: list[Plan] = []

    def confirmed(plan, launcher):
        launched.append(plan)
        return 0

    monkeypatch.setattr(command, "launch_confirmation", confirmed)
    assert VERBS["confirm"]([name, f"store={bare.root}", "confirm.seeds=3"]) == 0
    (plan,) = launched
    record = kept(bare)
    best = [ticket.run for ticket in record.tickets if ticket.cell == record.claim.winner]
    assert [planned.id for planned in plan.runs] == best and plan.name == name and plan.stage == "confirm"
    assert plan.confirm["seeds"] == 3 and all(planned.need != TRAIN for planned in plan.runs)
    monkeypatch.setattr(confirmation, "last_distance", distance)
    again = confirmation.confirmation(plan).plan.runs
    seeds = {planned.config["seed"] for planned in again}
    assert len(again) == len(seeds) == 3 and {planned.config["loss"]["kind"] for planned in again} == {"ns"}
    assert not seeds & {bare.run(run).config()["seed"] for run in best}


def test_what_is_confirmed_of_an_undecided_race_is_what_is_left(bare: Store, training, monkeypatch) -> None:
    race(bare, "--budget", "30")
    launched: list[Plan] = []
    monkeypatch.setattr(command, "launch_confirmation", lambda plan, launcher: launched.append(plan) or 0)
    assert VERBS["confirm"]([bare.sweep_names()[0], f"store={bare.root}"]) == 0
    left = {0, 1, 2} - {one.cell for one in kept(bare).claim.out}
    assert len(launched[0].runs) == 10 * len(left) and len(left) > 1


def test_a_single_point_is_no_race(bare: Store, training) -> None:
    with pytest.raises(UserError, match="two cells or more"):
        VERBS["race"]([*TINY, f"store={bare.root}"])


def test_a_table_is_replayed(tmp_path: Path, capsys) -> None:
    rng = np.random.default_rng(6)
    rows = [f"{name},{ratio * np.exp(0.4 * rng.normal())},3600" for name, ratio in RATIOS.items() for _ in range(60)]
    file = tmp_path / "runs.csv"
    file.write_text("\n".join(["cell,fid,train_s", *rows]))
    assert VERBS["race"](["--replay", str(file), "--orders", "50"]) == 0
    first, second, third = capsys.readouterr().out.splitlines()
    assert first == "180 runs of 3 cells, in 50 random orders"
    assert second.startswith("the answer of all runs: 100.0%; another: 0.0% (s.e. 2.0%); undecided: 0.0%")
    assert "of the hours" in third and "with 20 workers" in third
