"""Races: elimination, what is counted, what is claimed, and the ways of looking at runs that fail."""

import math

import numpy as np
import pytest

from landscape.config.errors import UserError
from sweeps.race import thresholds
from sweeps.race.answer import answer, sentence, smallest_factor
from sweeps.race.elimination import BEST, BUDGET, WAITING, WITHIN, all_evidence, eliminate
from sweeps.race.evidence import evidence, level
from sweeps.race.question import Question
from sweeps.race.tickets import counted

INF = math.inf
NAMES = ("a", "b", "c", "d")


def cells(seed=0, ratios=(1.0, 1.3, 2.0, 3.0), n=240, spread=0.4):
    rng = np.random.default_rng(seed)
    return [list(ratio * np.exp(spread * rng.normal(size=n))) for ratio in ratios]


def test_the_best_cell_is_found_and_the_worst_ones_leave_first() -> None:
    question = Question(4)
    found = answer(question, cells())
    assert (found.state, found.winner) == (BEST, 0)
    assert [one.cell for one in found.out][-1] == 1
    rounds = [one.round for one in sorted(found.out, key=lambda one: one.cell)]
    assert rounds == sorted(rounds, reverse=True)
    assert found.spent == 5 * (sum(rounds) + max(rounds)) < question.budget
    for one in found.out:
        n, runs = 5 * one.round, cells()
        mine = evidence(runs[one.by][:n], runs[one.cell][:n], 0.5)
        assert mine >= question.bar and (one.kind == "certified") == (mine >= question.certificate)
        assert evidence(runs[one.by][: n - 5], runs[one.cell][: n - 5], 0.5) < question.bar or n == 10


def test_a_certified_race_takes_longer_and_says_so() -> None:
    fast, sure = (answer(Question(4, certify=certify), cells()) for certify in (False, True))
    assert (fast.kind, sure.kind) == ("calibrated", "certified") and fast.spent < sure.spent
    assert "a is the best cell for one model; certified, error at most 5 %" in sentence(Question(4), sure, NAMES)
    assert all(one.kind == "certified" for one in sure.out)


def test_a_race_goes_on_from_what_has_ended_and_asks_for_the_tickets_of_its_next_round() -> None:
    question, runs = Question(4), cells()
    done = answer(question, runs)
    have = [0, 0, 0, 0]
    looks = 0
    while True:
        found = answer(question, [run[:n] for run, n in zip(runs, have, strict=True)])
        if found.ended:
            break
        looks += 1
        assert found.state == WAITING and found.winner is None
        assert all(n == h for i, (n, h) in enumerate(zip(found.wanted, have, strict=True)) if i not in found.alive)
        have = list(found.wanted)
    assert found == done._replace(wanted=found.wanted), "the same answer as from all tickets at once"
    assert looks == done.rounds and sum(have) == done.spent, "and no run more than that was asked for"


def test_a_round_counts_when_all_of_its_tickets_have_ended() -> None:
    question, runs = Question(4), cells()
    short = [run[:10] for run in runs]
    assert answer(question, short).rounds == 2
    short[1] = runs[1][:9]
    found = answer(question, short)
    assert found.rounds == 1 and found.state == WAITING and found.wanted == (10, 10, 10, 10)


def test_tickets_count_up_to_the_first_that_has_not_ended() -> None:
    assert counted([3.0, INF, math.nan, None, 1.0]) == [3.0, INF, INF]
    assert counted([]) == []


def test_runs_that_crash_are_infinite_and_lose() -> None:
    good, bad = cells(ratios=(1.0, 1.0))
    found = answer(Question(2), [[INF] * 240, bad])
    assert (found.state, found.winner) == (BEST, 1) and found.quantiles[0] == INF
    assert answer(Question(2), [[INF] * 240, [INF] * 240]).state == BUDGET, "two that always crash are not told apart"
    assert answer(Question(2), [good, good]).state == BUDGET


def test_a_race_ends_with_its_budget_and_says_what_is_known() -> None:
    question = Question(4, budget=160)
    found = answer(question, cells(ratios=(1.0, 1.01, 3.0, 9.0)))
    assert found.state == BUDGET and found.winner is None and set(found.alive) == {0, 1}
    assert found.spent <= 160 < found.spent + 10 or found.rounds == question.rounds
    text = sentence(question, found, NAMES)
    assert text.startswith("undecided for one model between a, b: the budget is spent")
    calibrated, certified = found.factors
    assert (calibrated.kind, certified.kind) == ("calibrated", "certified")
    assert 1 < calibrated.factor < certified.factor < 2
    assert (0, 3) in found.pairs and not {(0, 1), (1, 0)} & set(found.pairs)


def test_the_smallest_factor_is_where_the_evidence_is_enough() -> None:
    a, b = (sorted(cell[:40]) for cell in cells(ratios=(1.0, 1.05)))
    for p, bar in ((0.5, 1.9), (level(3), 1.9), (0.5, 4.0)):
        r = smallest_factor(a, b, p, bar)
        over, under = (evidence(a, np.multiply(b, r * by), p) for by in (1 + 1e-9, 1 - 1e-9))
        assert over >= bar > under
    assert smallest_factor([INF] * 40, b, 0.5, 1.9) == INF
    assert smallest_factor(a, [INF] * 40, 0.5, 1.9) == 0


def test_a_cell_within_the_factor_is_enough() -> None:
    runs = cells(ratios=(1.0, 1.02, 2.0, 3.0))
    strict, near = (answer(Question(4, within=within), runs) for within in (None, 1.2))
    assert near.state == WITHIN and near.winner in (0, 1) and near.spent < strict.spent
    text = sentence(Question(4, within=1.2), near, NAMES)
    assert "is within a factor 1.2 of the best cell for one model" in text
    factor = next(one for one in near.factors if one.kind == near.kind)
    assert factor.factor <= 1.2


def test_many_races_at_once_are_each_race() -> None:
    values = np.array([cells(seed) for seed in range(6)])
    question = Question(4, k=3)
    course = eliminate(question, all_evidence(values, 3, None, question.rounds))
    for number in range(6):
        one = answer(question, values[number])
        assert (course.state[number], course.spent[number]) == (one.state, one.spent)
        assert course.winner[number] == (-1 if one.winner is None else one.winner)


def test_where_no_table_reaches_v_alone_holds() -> None:
    for question in (Question(4, k=4), Question(13), Question(4, error=0.01), Question(4, asked=2)):
        assert question.bar == question.certificate == thresholds.v(question.cells, question.error / question.asked)
        assert question.certificate_of_pairs > question.certificate
    assert answer(Question(4, error=0.01), cells()).kind == "certified"


def test_rounds_follow_from_the_budget() -> None:
    assert [Question(n).rounds for n in (2, 4, 8)] == [24, 46, 48]
    assert Question(8, budget=160).rounds == 8


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"cells": 1}, "two cells or more"),
        ({"cells": 4, "k": 0}, "k=0 is no number of models"),
        ({"cells": 4, "within": 1.0}, "within=1 is no factor"),
        ({"cells": 4, "error": 1.0}, "error=1 is no chance of error"),
        ({"cells": 4, "budget": 39}, "4 cells need 40 runs at least"),
    ],
)
def test_what_cannot_be_asked(given, said) -> None:
    with pytest.raises(UserError, match=said):
        Question(**given)


def test_a_bootstrap_that_peeks_fails() -> None:
    """Two equal cells, stopped at the first look at which a bootstrap has one median below the other with 95 %: that
    comes in more than a third of the races. A race names one in at most 5 %."""
    rng, races, resamples = np.random.default_rng(2), 80, 200
    values = np.exp(rng.normal(size=(races, 2, 120)))
    claimed = np.zeros(races, bool)
    for n in range(10, 121, 5):
        picks = rng.integers(0, n, size=(2, races, resamples, n))
        medians = [np.median(values[np.arange(races)[:, None, None], cell, picks[cell]], axis=2) for cell in (0, 1)]
        better = (medians[0] < medians[1]).mean(axis=1)
        claimed |= (better <= 0.05) | (better >= 0.95)
    assert claimed.mean() > 0.25
    question = Question(2, certify=True)
    course = eliminate(question, all_evidence(values, 1, None, question.rounds))
    assert (course.state == BEST).mean() <= 0.05
