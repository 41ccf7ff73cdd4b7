"""The evidence of a pair and its thresholds: a fair bet by enumeration, the formula spelled out, ties and infinite
runs, tables."""

import csv
import math
from itertools import product

import numpy as np
import pytest
from scipy import stats

from sweeps.race import thresholds
from sweeps.race.evidence import BETS, UNEQUAL_BETS, evidence, evidence_paths, level, log_evidence, table
from sweeps.race.matched import bets_of_pairs, matched_evidence
from sweeps.race.thresholds import FIRST, KS, MOST_CELLS, MOST_PAIRED, MOST_ROUNDS

INF = math.inf
A = (3.0, 5.0, 8.0, INF, 4.0)
B = (6.0, 7.0, 5.0, 9.0, 10.0)


def spelled_out(a, b, p):
    """The sheet's formula, in loops."""

    def at(x):
        below, upto = sum(v < x for v in a), sum(v <= x for v in b)
        return math.log(
            sum(
                w
                * math.exp(d * below - e * upto)
                * (1 - p + p * math.exp(d)) ** -len(a)
                * (1 - p + p * math.exp(-e)) ** -len(b)
                for d, e, w in BETS
            )
        )

    return min(at(x) for x in (-INF, *b))


def test_the_stakes_add_up_and_the_bet_is_fair() -> None:
    assert sum(share for *_, share in BETS) == pytest.approx(1)
    for k, (n_a, n_b) in product((1, 3, 10), ((4, 7), (10, 10))):
        p = level(k)
        chance = stats.binom.pmf(np.arange(n_a + 1), n_a, p)[:, None] * stats.binom.pmf(np.arange(n_b + 1), n_b, p)
        won = np.exp(log_evidence(np.arange(n_a + 1)[:, None], np.arange(n_b + 1), n_a, n_b, p))
        assert (chance * won).sum() == pytest.approx(1), "what is expected of a fair bet is the stake"


def test_the_quantile_is_the_median_of_the_best_of_k() -> None:
    assert [round(level(k), 3) for k in (1, 3, 5, 10)] == [0.5, 0.206, 0.129, 0.067]


@pytest.mark.parametrize("k", KS)
def test_evidence_is_the_formula_with_ties_and_infinite_runs(k) -> None:
    rng = np.random.default_rng(k)
    for a, b in (
        (A, B),
        (B, A),
        (A, A),
        ((INF,) * 6, B),
        (B, (INF,) * 6),
        (rng.integers(0, 4, 9), rng.integers(1, 5, 7)),
    ):
        assert evidence(a, b, level(k)) == pytest.approx(spelled_out(a, b, level(k)))


def test_a_vector() -> None:
    assert [round(evidence(A, B, level(k)), 6) for k in (1, 3, 5)] == [-0.587195, -0.046367, -0.088616]


def test_only_the_order_of_runs_counts_and_equal_cells_have_no_evidence() -> None:
    assert evidence(A, B, 0.5) == evidence(np.log(A), np.log(B), 0.5)
    assert evidence([1.0] * 40, [1.0] * 40, 0.5) < 0, "ties are no evidence"
    assert evidence([INF] * 40, [INF] * 40, 0.5) < 0
    assert evidence([1.0] * 20, [INF] * 20, 0.5) > 5 > 0 > evidence([INF] * 20, [1.0] * 20, 0.5)


def test_many_pairs_and_looks_at_once_are_each_pair_at_each_look() -> None:
    rng, looks, levels = np.random.default_rng(1), (10, 15, 30), [level(1), level(5)]
    whole = np.exp(rng.normal(size=(2, 300, 30)))
    with_ties = np.where(rng.random(whole.shape) < 0.2, INF, np.round(whole * [[[1]], [[1.4]]], 1))
    for a, b in (whole, with_ties):
        found = evidence_paths(a, b, looks, levels)
        for pair, (i, p), (j, n) in product((0, 255, 256, 299), enumerate(levels), enumerate(looks)):
            assert found[i, pair, j] == pytest.approx(evidence(a[pair, :n], b[pair, :n], p))
        some = evidence_paths(a, b, looks, levels, 0.2)
        assert 0 < np.isfinite(some).mean() < 0.5
        assert np.array_equal(some, np.where(found >= 0.2, found, -INF))


def test_bets_on_unlike_numbers_of_runs_are_fair() -> None:
    assert sum(share for *_, share in UNEQUAL_BETS) == pytest.approx(1)
    for p, n_a, n_b in ((0.5, 4, 12), (level(5), 20, 10)):
        chance = stats.binom.pmf(np.arange(n_a + 1), n_a, p)[:, None] * stats.binom.pmf(np.arange(n_b + 1), n_b, p)
        won = np.exp(log_evidence(np.arange(n_a + 1)[:, None], np.arange(n_b + 1), n_a, n_b, p, UNEQUAL_BETS))
        assert (chance * won).sum() == pytest.approx(1)


def joined(p: float, together: float) -> np.ndarray:
    """The law of (A below x, B up to x), each with chance p, with so large a share of pairs alike."""
    alike = together * np.diag([1 - p, p])
    return alike + (1 - together) * np.outer([1 - p, p], [1 - p, p])


@pytest.mark.parametrize("together", [0.0, 0.6, 1.0])
def test_the_additive_bet_is_fair_however_the_runs_of_a_pair_depend(together) -> None:
    """Of three matched pairs, all outcomes; each bet by itself cannot lose all."""
    for p in (0.5, level(3), level(10)):
        law, expected = joined(p, together), 0.0
        for outcome in product(product((0, 1), repeat=2), repeat=3):
            a = [0.0 if low else 2.0 for low, _ in outcome]
            b = [1.0 if low else 2.0 for _, low in outcome]
            chance = math.prod(law[i, j] for i, j in outcome)
            at_x = additive(a, b, p, 1.0)
            assert at_x > -math.inf and matched_evidence(a, b, p) <= at_x + 1e-12
            expected += chance * math.exp(at_x)
        assert expected == pytest.approx(1), "what is expected of a fair bet is the stake"


def additive(a, b, p, x):
    """The sheet's formula at one x, in loops."""
    return math.log(
        sum(
            share * math.prod(1 + on_a * ((v < x) - p) - on_b * ((w <= x) - p) for v, w in zip(a, b, strict=True))
            for on_a, on_b, share in bets_of_pairs(p)
        )
    )


@pytest.mark.parametrize("k", KS)
def test_matched_evidence_is_the_least_over_all_x(k) -> None:
    rng, p = np.random.default_rng(k), level(k)
    for a, b in ((A, B), (A, A), ((INF,) * 5, B), (B, (INF,) * 5), (rng.integers(0, 4, 9), rng.integers(1, 5, 9))):
        every = sorted({-INF, *map(float, a), *map(float, b), INF, *(float(v) + 0.5 for v in (*a, *b))})
        assert matched_evidence(a, b, p) == pytest.approx(min(additive(a, b, p, x) for x in every))


def test_matched_pairs_tell_more_the_more_alike_they_are() -> None:
    rng = np.random.default_rng(3)
    shared, own = rng.normal(size=120), rng.normal(size=(2, 120))
    found = []
    for rho in (0.0, 0.9):
        a, b = np.sqrt(rho) * shared + np.sqrt(1 - rho) * own
        found.append(matched_evidence(a, b + 0.5, 0.5))
    assert found[1] > found[0] + 2


def test_v_is_villes_and_the_union() -> None:
    assert [round(thresholds.v(n), 2) for n in (2, 8)] == [3.69, 5.08]
    assert round(thresholds.v_pairs(8), 2) == 7.02


def test_the_tables_are_whole_and_rise_with_cells_and_rounds() -> None:
    with thresholds.FILE.open() as f:
        assert int(f.readline().split()[1]) >= 20_000, "draws"
        head, *rows = csv.reader(f)
    assert head == ["rule", "cells", "k", *map(str, range(FIRST, MOST_ROUNDS + 1))]
    most = {"F": MOST_CELLS, "F-pairs": MOST_CELLS, "S": MOST_CELLS, "S-pairs": MOST_PAIRED}
    assert len(rows) == len(KS) * sum(cells - 1 for cells in most.values())
    for rule, k in product(most, KS):
        mine = np.array([row[3:] for row in rows if row[0] == rule and row[2] == str(k)], float)
        assert mine.shape == (most[rule] - 1, MOST_ROUNDS - FIRST + 1)
        assert (np.diff(mine, axis=0) >= 0).all() and (np.diff(mine, axis=1) >= 0).all()
    for cells, k, rounds in product((2, 5, 12), KS, (2, 20, 48)):
        calibrated, certified = thresholds.s(cells, k, rounds), thresholds.f(cells, k, rounds)
        assert calibrated <= certified
        assert certified <= thresholds.f_pairs(cells, k, rounds) and certified < thresholds.v(cells)
        assert calibrated <= thresholds.s_pairs(cells, k, rounds) <= thresholds.f_pairs(cells, k, rounds)
    assert thresholds.s_pairs(12, 1, 48) == thresholds.f_pairs(12, 1, 48), "certified where it was not drawn"


@pytest.mark.parametrize("k", KS)
def test_one_look_at_two_cells_is_as_enumerated(k) -> None:
    """Of two tied cells at ten runs each, the law of the larger bet is known to the last digit."""
    p, n = level(k), 10
    chance = stats.binom.pmf(np.arange(n + 1), n, p)
    larger = np.maximum(table(n, p), table(n, p).T)
    bar, both = thresholds.f(2, k, FIRST), chance[:, None] * chance
    assert both[larger >= bar].sum() <= 0.05 + 0.005, "five per cent, and the error of the draws"
    assert both[larger >= larger[larger < bar].max()].sum() >= 0.05 - 0.005, "and no less than that could be asked"


@pytest.mark.parametrize(
    ("rule", "cells", "rounds", "known"),
    [
        (thresholds.s, 8, 48, {1: 2.03, 3: 1.96, 5: 1.85, 10: 1.57}),
        (thresholds.s, 4, 48, {1: 1.69, 3: 1.55, 5: 1.53, 10: 1.38}),
        (thresholds.f, 2, 24, {1: 2.68, 3: 2.64, 5: 2.67, 10: 2.51}),
        (thresholds.f_pairs, 8, 48, {1: 5.14, 3: 4.96, 5: 4.81, 10: 4.56}),
        (thresholds.s_pairs, 8, 48, {1: 3.24, 5: 2.87}),
    ],
)
def test_they_are_those_of_the_first_study_within_its_error(rule, cells, rounds, known) -> None:
    assert {k: rule(cells, k, rounds) for k in known} == pytest.approx(known, abs=0.2)
