"""Claims about the estimators: closed forms, invariances, what divergence does, and where a band says something."""

from itertools import combinations
from math import comb

import numpy as np
import pytest

from analysis.estimators.tuning_curves import (
    budgets,
    chance_all_fail,
    mean_best,
    median_best,
    median_best_band,
    median_rank,
)

FIDS = np.array([12.0, 5.0, 30.0, 8.0, 8.0, 21.0])
KS = budgets(len(FIDS))


def test_the_mean_of_the_best_of_k_is_the_average_over_all_subsets():
    by_hand = [np.mean([min(subset) for subset in combinations(FIDS, k)]) for k in KS]
    np.testing.assert_allclose(mean_best(FIDS, KS), by_hand)


def test_the_mean_of_the_best_of_k_agrees_with_the_closed_form():
    n, ordered = len(FIDS), np.sort(FIDS)
    closed = [sum(x * comb(n - i, k - 1) / comb(n, k) for i, x in enumerate(ordered, 1)) for k in KS.tolist()]
    np.testing.assert_allclose(mean_best(FIDS, KS), closed)


def test_the_mean_goes_on_where_binomial_coefficients_overflow():
    values = np.random.default_rng(0).lognormal(3, 1, 1500)
    ks = budgets(len(values))
    found = mean_best(values, ks)
    assert found[0] == pytest.approx(values.mean()) and found[-1] == pytest.approx(values.min())
    assert (np.diff(found) < 0).all()
    n, k, ordered = 1500, int(ks[100]), np.sort(values)
    exact = sum(x * (comb(n - i, k - 1) / comb(n, k)) for i, x in enumerate(ordered, 1) if n - i >= k - 1)
    assert found[100] == pytest.approx(exact)


def test_the_median_of_the_best_of_one_is_the_median_and_known_on_a_small_list():
    assert median_best(np.array([3.0, 1.0, 2.0]), np.array([1]))[0] == 2
    # P(best of k <= the lowest of 4) = 1 - (3/4)^k first passes one half at k = 3.
    np.testing.assert_array_equal(median_best(np.array([4.0, 1.0, 3.0, 2.0]), budgets(4)), [2, 2, 1, 1])


def test_the_median_of_the_best_of_one_is_the_lower_middle_for_every_even_n_and_the_table_says_the_same():
    for n in range(2, 202, 2):
        assert median_best(np.arange(1.0, n + 1), np.array([1]))[0] == n / 2, n
    assert median_rank(10**6, 10**3) == 693, "no floating-point sum decides"


@pytest.mark.parametrize("curve", [mean_best, median_best])
def test_the_order_of_runs_does_not_matter_and_more_runs_never_cost(curve):
    np.testing.assert_allclose(curve(FIDS[::-1], KS), curve(FIDS, KS))
    assert (np.diff(curve(FIDS, KS)) <= 0).all()
    np.testing.assert_allclose(curve(3 * FIDS, KS), 3 * curve(FIDS, KS))


@pytest.mark.parametrize("curve", [mean_best, median_best])
def test_a_further_run_worse_than_all_never_lowers_the_curve(curve):
    assert (curve(np.append(FIDS, 1e4), KS) >= curve(FIDS, KS)).all()


def test_a_diverged_run_is_worth_infinity_to_the_median_and_no_number_to_the_mean():
    curve = median_best(np.array([5.0, np.inf, np.inf, np.inf]), budgets(4))
    np.testing.assert_array_equal(curve, [np.inf, np.inf, 5, 5])
    with pytest.raises(ValueError, match="finite"):
        mean_best(np.array([5.0, np.inf]), budgets(2))


@pytest.mark.parametrize("lost", [0, 1, 4])
@pytest.mark.parametrize("n", [5, 30, 350])
def test_the_band_brackets_the_curve_and_falls_with_k(n, lost):
    values = np.random.default_rng(n).lognormal(3, 0.7, n)
    values[:lost] = np.inf
    band = median_best_band(values, budgets(n))
    np.testing.assert_array_equal(band.point, median_best(values, budgets(n)))
    assert (band.lower <= band.point).all() and (band.point <= band.upper).all() and (band.lower >= 0).all()
    for curve in (band.lower, band.point, band.upper):
        assert (curve[1:] <= curve[:-1]).all()
    assert not (band.bounded & ~band.bounded_above).any()


def test_few_runs_bound_nothing_and_many_do():
    assert not median_best_band(np.array([5.0, 9.0]), budgets(2)).bounded_above.any()
    band = median_best_band(np.random.default_rng(0).lognormal(3, 0.5, 40), budgets(40))
    assert band.bounded_above.all() and band.bounded[:3].all()
    assert not band.bounded[-1], "the lowest of a few draws cannot be bounded from below by as many"


def test_runs_that_all_diverged_have_a_curve_of_infinities():
    band = median_best_band(np.full(6, np.inf), budgets(6))
    assert np.isinf(band.point).all() and not band.bounded_above.any()
    np.testing.assert_array_equal(chance_all_fail(6, 6, budgets(6)), np.ones(6))


def test_equal_calls_give_equal_bands():
    first, second = (median_best_band(FIDS, KS) for _ in range(2))
    np.testing.assert_array_equal(first.upper, second.upper)


@pytest.mark.parametrize("diverging", [0.0, 0.4])
def test_the_band_covers_the_true_curve_at_least_as_often_as_it_says(diverging):
    rng, ks, trials = np.random.default_rng(1), budgets(6), 150
    tail = 0.5 ** (1 / ks)  # the best of k is above its median with chance 1/2: one run is with this chance
    with np.errstate(divide="ignore", invalid="ignore"):
        truth = np.where(tail > diverging, -np.log((tail - diverging) / (1 - diverging)), np.inf)
    hits = 0
    for _ in range(trials):
        values = np.where(rng.random(6) < diverging, np.inf, rng.exponential(size=6))
        band = median_best_band(values, ks, 0.8)
        hits += bool(((band.lower <= truth) & (truth <= band.upper)).all())
    assert hits / trials >= 0.8


def test_the_chance_that_all_fail_counts_subsets():
    for failed in range(7):
        lost = np.arange(6) < failed
        by_hand = [np.mean([all(subset) for subset in combinations(lost, k)]) for k in KS]
        np.testing.assert_allclose(chance_all_fail(failed, 6, KS), by_hand, atol=1e-12)


def test_nothing_is_said_beyond_n_nor_of_what_is_no_distance():
    for curve in (mean_best, median_best, median_best_band):
        for values, ks in ((FIDS, [7]), (FIDS, [0]), ([], [1]), ([np.nan], [1]), ([-1.0], [1])):
            with pytest.raises(ValueError):
                curve(np.array(values), np.array(ks))
    with pytest.raises(ValueError):
        chance_all_fail(2, 6, np.array([7]))
    assert budgets(3).tolist() == [1, 2, 3] and budgets(5000)[-1] == 5000 and len(budgets(5000)) <= 200
