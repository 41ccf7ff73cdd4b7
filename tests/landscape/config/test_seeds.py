"""Claims about how many seeds a comparison needs: the numbers of the statistics' sheet, and sentences that follow."""

import math

import pytest

from landscape.config.seeds import findable, least, seeds_for, what_can_be_told


@pytest.mark.parametrize(
    ("cells", "few", "wanted"),
    [(2, 4, [18, 6, 4]), (4, 5, [22, 7, 5]), (6, 5, [24, 8, 5]), (8, 5, [26, 8, 5]), (12, 5, [28, 9, 6])],
)
def test_the_seeds_that_a_difference_needs(cells, few, wanted):
    assert least(cells) == few and [seeds_for(sd, cells) for sd in (1, 2, 3)] == wanted


def test_more_seeds_find_less_and_too_few_find_nothing():
    assert math.isinf(findable(3, 6)) and math.isinf(findable(4, 4)) and math.isinf(findable(5, 13))
    found = [findable(n, 6) for n in (5, 8, 10, 24)]
    assert found == sorted(found, reverse=True) and found[0] == pytest.approx(2.92, abs=0.01)
    assert findable(24, 6) == pytest.approx(1, abs=0.02)


def test_a_design_is_told_in_a_sentence():
    assert what_can_be_told(6, 3) == (
        "6 cells of 3 seeds: no two can be told apart; 5 seeds find a difference of 3 sd, 8 one of 2 sd, "
        "with a chance of 80 %"
    )
    assert what_can_be_told(2, 1).startswith("2 cells of 1 seed: they cannot be told apart; 4 seeds find")
    assert (
        what_can_be_told(6, 5)
        == "6 cells of 5 seeds find a difference of 2.9 sd with a chance of 80 %; 8 find one of 2 sd"
    )
    assert (
        what_can_be_told(2, 24, "setting") == "2 cells of 24 settings find a difference of 0.9 sd with a chance of 80 %"
    )
    assert what_can_be_told(1, 3) == ""
