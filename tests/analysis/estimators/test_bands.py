"""Claims about bounds on quantiles up to one half: the chance that they hold is exact, and what they say of draws."""

import numpy as np
import pytest
from scipy import stats

from analysis.estimators.bands import SOLVED, holds, level, quantiles, ranks, solve
from analysis.estimators.tuning_curves import budgets, median_best_band


def test_one_draw_bounds_the_median_from_above_alone():
    assert solve(1, 0.95) == pytest.approx(0.05)
    assert [int(one) for one in np.ravel(ranks(1, np.array([0.5]), 0.9))] == [0, 2]


def test_the_chance_that_two_ordered_draws_stay_within_is_known():
    # All of (u1 <= u2) with u1 in [a, b], u2 in [c, d], by area: 2 * integral over u1 of the length left for u2.
    a, b, c, d = 0.1, 0.7, 0.4, 0.9
    area = 2 * ((c - a) * (d - c) + (b - c) * (d - c) - (b - c) ** 2 / 2)
    assert holds(np.array([a, c]), np.array([b, d])) == pytest.approx(area, abs=1e-12)


@pytest.mark.parametrize("n", [3, 20])
def test_the_chance_agrees_with_simulated_draws(n):
    lower, upper = quantiles(n, 0.015)
    draws = np.sort(np.random.default_rng(0).random((200_000, n)), axis=1)
    share = ((draws >= lower) & (draws <= upper)).all(axis=1).mean()
    assert holds(lower, upper) == pytest.approx(share, abs=0.004)  # four standard errors


def test_without_upper_bounds_it_is_the_one_sided_statistic_of_kolmogorov():
    n, reach = 15, 0.2
    lower = np.clip(np.arange(1, n + 1) / n - reach, 0, 1)
    one_sided = 1 - stats.ksone(n).sf(reach)
    assert holds(lower, np.ones(n)) == pytest.approx(one_sided, abs=1e-10)


def test_the_band_of_24_draws_meets_a_worked_example():
    assert solve(24, 0.95) == pytest.approx(0.004165, abs=5e-7)
    first, last = ranks(24, -np.expm1(-np.log(2) / np.array([1, 2, 5, 10])), 0.95)
    assert first.tolist() == [6, 2, 0, 0] and last.tolist() == [19, 14, 9, 7]


@pytest.mark.parametrize(
    ("n", "local"), [(5, 0.012939), (10, 0.007380), (20, 0.004712), (50, 0.002959), (200, 0.001751)]
)
def test_local_levels_are_solved_for(n, local):
    assert solve(n, 0.95) == pytest.approx(local, rel=5e-4)


@pytest.mark.parametrize("n", [101, 150, 301])
def test_between_solved_levels_the_confidence_is_kept(n):
    lower, upper = quantiles(n, level(n, 0.95))
    assert 0.9495 <= holds(np.minimum(lower, 0.5), np.where(upper <= 0.5, upper, 1.0)) <= 0.951


def test_bands_narrow_with_every_run_more_also_beyond_300_and_what_is_solved():
    below = [ranks(n, np.array([0.5]), 0.95) for n in (299, 300, 301, 302)]
    widths = [int(last[0] - first[0]) for first, last in below]
    assert max(widths) - min(widths) <= 2
    lowest = [int(ranks(n, np.array([0.5 / n]), 0.95)[1][0]) for n in (300, 301)]
    assert lowest[0] == lowest[1], "one run more does not move the best of all by ranks"
    levels = [level(n, 0.95) for n in range(100, 6000, 97)]
    assert levels == sorted(levels, reverse=True) and level(1000, 0.95) == pytest.approx(SOLVED[1000])


def test_the_band_covers_quantiles_up_to_one_half_as_often_as_it_says_and_whole_budgets_a_little_more():
    rng, n, trials = np.random.default_rng(0), 30, 1500
    ks, draws = budgets(n), rng.random((trials, n))
    ordered, (lower, upper) = np.sort(draws, axis=1), quantiles(n, level(n, 0.95))
    every = ((ordered >= np.minimum(lower, 0.5)) & ((ordered <= upper) | (upper > 0.5))).all(axis=1).mean()
    assert every == pytest.approx(0.95, abs=2.6 * np.sqrt(0.95 * 0.05 / trials))
    truth = -np.expm1(-np.log(2) / ks)
    bands = [median_best_band(values, ks) for values in draws]
    at_whole_k = np.mean([((band.lower <= truth) & (truth <= band.upper)).all() for band in bands])
    assert every <= at_whole_k < 0.99


def test_nonsense_is_refused():
    for n, p, confidence in ((0, 0.5, 0.95), (5, 0.5, 1.0), (5, 0.5, 0.0), (5, 0.6, 0.95)):
        with pytest.raises(ValueError):
            ranks(n, np.array([p]), confidence)


def test_a_band_over_a_cell_with_stopped_runs_holds_whatever_these_would_have_come_to():
    rng, ks = np.random.default_rng(0), budgets(24)
    p = -np.expm1(-np.log(2) / ks)
    hits = np.zeros(2)
    for _ in range(200):
        values = rng.exponential(size=24)
        kept = values <= np.median(values)  # a rule stops the worse half
        bands = (
            median_best_band(values[kept], ks[:12]),
            median_best_band(np.where(kept, values, np.inf), ks, least=np.where(kept, values, 0.0)),
        )
        for at, band in enumerate(bands):
            true = -np.log1p(-p[: len(band.ks)])
            hits[at] += bool(((band.lower <= true) & (true <= band.upper)).all())
    assert hits[0] < 0.7 * 200, "those that were let finish are a selection"
    assert hits[1] >= 0.93 * 200
