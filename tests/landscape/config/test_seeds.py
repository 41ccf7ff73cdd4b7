"""Claims about how many seeds a comparison needs: the numbers of the statistics' sheet, and sentences that follow."""

import math

import pytest

from landscape.config.seeds import detectable_difference, min_seeds, power_summary, seeds_for


@pytest.mark.parametrize(
    ("cells", "few", "wanted"),
    [(2, 4, [18, 6, 4]), (4, 5, [22, 7, 5]), (6, 5, [24, 8, 5]), (8, 5, [26, 8, 5]), (12, 5, [28, 9, 6])],
)
def test_the_seeds_that_a_difference_needs(cells, few, wanted):
    assert min_seeds(cells) == few and [seeds_for(sd, cells) for sd in (1, 2, 3)] == wanted


def test_more_seeds_find_less_and_too_few_find_nothing():
    assert (
        math.isinf(detectable_difference(3, 6))
        and math.isinf(detectable_difference(4, 4))
        and math.isinf(detectable_difference(5, 13))
    )
    found = [detectable_difference(n, 6) for n in (5, 8, 10, 24)]
    assert found == sorted(found, reverse=True) and found[0] == pytest.approx(2.92, abs=0.01)
    assert detectable_difference(24, 6) == pytest.approx(1, abs=0.02)


def test_a_design_is_told_in_a_sentence():
    assert power_summary(6, 3) == (
        "6 cells of 3 seeds: no two can be told apart; 5 seeds detect a difference of 3 sd, 8 one of 2 sd (power 80 %)"
    )
    assert power_summary(2, 1).startswith("2 cells of 1 seed: they cannot be told apart; 4 seeds detect")
    assert power_summary(6, 5) == "6 cells of 5 seeds detect a difference of 2.9 sd (power 80 %); 8 detect one of 2 sd"
    assert power_summary(2, 24, "setting") == "2 cells of 24 settings detect a difference of 0.9 sd (power 80 %)"
    assert power_summary(1, 3) == ""
