"""Claims about bounds on a distribution function: the chance they hold with is exact, and agrees with opda's."""

import numpy as np
import pytest
from opda.nonparametric import EmpiricalDistribution
from scipy import stats

from analysis.estimators.bands import EXACT_UP_TO, bounds, holds, quantiles


def test_one_draw_has_the_interval_of_a_uniform():
    lower, upper = bounds(1, 0.9)
    np.testing.assert_allclose(lower, [0, 0.05])
    np.testing.assert_allclose(upper, [0.95, 1])


def test_the_chance_that_two_ordered_draws_stay_within_is_known():
    # All of (u1 <= u2) with u1 in [a, b], u2 in [c, d], by area: 2 * integral over u1 of the length left for u2.
    a, b, c, d = 0.1, 0.7, 0.4, 0.9
    area = 2 * ((c - a) * (d - c) + (b - c) * (d - c) - (b - c) ** 2 / 2)
    assert holds(np.array([a, c]), np.array([b, d])) == pytest.approx(area, abs=1e-12)


@pytest.mark.parametrize("n", [3, 20])
def test_the_chance_agrees_with_simulated_draws(n):
    lower, upper = quantiles(n, 0.03)
    draws = np.sort(np.random.default_rng(0).random((200_000, n)), axis=1)
    share = ((draws >= lower) & (draws <= upper)).all(axis=1).mean()
    assert holds(lower, upper) == pytest.approx(share, abs=0.004)  # four standard errors


def test_without_upper_bounds_it_is_the_one_sided_statistic_of_kolmogorov():
    n, reach = 15, 0.2
    lower = np.clip(np.arange(1, n + 1) / n - reach, 0, 1)
    one_sided = 1 - stats.ksone(n).sf(reach)
    assert holds(lower, np.ones(n)) == pytest.approx(one_sided, abs=1e-10)


@pytest.mark.parametrize("n", [2, 30])
def test_the_bounds_are_those_that_opda_simulates(n):
    lower, upper = bounds(n, 0.95)
    assert holds(lower[1:], upper[:-1]) == pytest.approx(0.95, abs=1e-8)
    values = np.arange(1.0, n + 1)
    bands = EmpiricalDistribution.confidence_bands(
        values, 0.95, a=0.0, generator=np.random.default_rng(0), method="ld_equal_tailed", n_jobs=1
    )
    np.testing.assert_allclose(bands[0].cdf(values), lower[1:], atol=2e-3)
    np.testing.assert_allclose(bands[2].cdf(values - 0.5), upper[:-1], atol=2e-3)


def test_large_samples_have_bounds_of_even_width_and_nonsense_is_refused():
    n = EXACT_UP_TO + 1
    lower, upper = bounds(n, 0.95)
    assert (upper - lower).max() == pytest.approx(2 * np.sqrt(np.log(40) / (2 * n)))
    for n, confidence in ((0, 0.95), (5, 1.0), (5, 0.0)):
        with pytest.raises(ValueError):
            bounds(n, confidence)
