"""Claims about pairs, ranks and the top few: exact counts over subsets, symmetry, ties, and when nothing is claimed."""

from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.estimators.pairwise import beats, beats_matched, interval, ranks, resolvable
from analysis.estimators.top_share import expected_lowest, top, top_count
from analysis.tables.comparisons import agreement_table, confirm_table, pair_table, rank_table, spread_table

A = np.array([1.0, 3.0, 3.0, np.inf, 5.0])
B = np.array([2.0, 3.0, np.inf, np.inf, 1.0])


def score(x, y):
    return 1.0 if x < y else 0.5 if x == y else 0.0


@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_the_chance_is_counted_over_all_subsets_ties_and_diverged_runs_included(k):
    apart = [score(min(s), min(t)) for s in combinations(A, k) for t in combinations(B, k)]
    matched = [score(min(A[list(s)]), min(B[list(s)])) for s in combinations(range(5), k)]
    assert beats(A, B, k) == pytest.approx(np.mean(apart), abs=1e-12)
    assert beats_matched(A, B, k) == pytest.approx(np.mean(matched), abs=1e-12)


@pytest.mark.parametrize("estimate", [beats, beats_matched])
def test_turning_the_pair_round_turns_the_chance_round(estimate):
    for k in (1, 2, 4):
        assert estimate(A, B, k) + estimate(B, A, k) == pytest.approx(1)
        assert estimate(A, A, k) == pytest.approx(0.5)
    assert estimate(np.full(4, np.inf), np.full(4, np.inf), 2) == 0.5


def test_matching_sees_what_settings_in_common_hide():
    hard = np.arange(1.0, 21)  # the same settings are hard for both; A is a little better on each
    assert beats_matched(hard, hard + 0.1, 1) == 1 and beats(hard, hard + 0.1, 1) == pytest.approx(0.525)


def test_the_interval_brackets_narrows_with_n_and_says_nothing_with_few():
    assert interval(0.7, 3, 1, 0.05)[0] < 0.5 < interval(0.7, 3, 1, 0.05)[1]
    widths = [np.subtract(*interval(0.7, n, 1, 0.05)[::-1]) for n in (10, 100, 1000)]
    assert widths == sorted(widths, reverse=True)
    low, high = interval(0.7, 100, 1, 0.05)
    assert low < 0.7 < high and interval(0.3, 100, 1, 0.05) == pytest.approx((1 - high, 1 - low))
    assert interval(1.0, 100, 1, 0.05)[1] == 1 and interval(1.0, 100, 1, 0.05)[0] == pytest.approx(0.025**0.01)
    assert interval(0.9, 50, 10, 0.05)[0] < interval(0.9, 50, 1, 0.05)[0], "large budgets leave fewer draws"


def test_an_order_is_resolvable_where_always_winning_would_show_it():
    for n, pairs in ((126, 28), (30, 28), (20, 1)):
        k = resolvable(n, pairs, 0.95)
        assert k >= 1 and interval(1.0, k * (n // k), k, 0.05 / pairs)[0] >= 0.5
    assert resolvable(3, 15, 0.95) == 0 and resolvable(50, 0, 0.95) == 0


def test_ranks_follow_from_the_pairs_that_are_sure():
    lower, upper = np.full((3, 3), 0.2), np.full((3, 3), 0.8)
    lower[0, 2], upper[2, 0] = 0.6, 0.4  # only that the first beats the last is sure
    lowest, highest = ranks(lower, upper)
    assert lowest.tolist() == [1, 1, 2] and highest.tolist() == [2, 3, 3]


def frame(values, **changes):
    """Runs of a grid: `values[cell]` is a table of settings by seeds."""
    rows = [
        {
            "cell": cell,
            "loss": cell,
            "setting": f"{cell}-{i}",
            "seed": seed,
            "lr_d": float(i),
            "worth": float(value),
            "id": f"{cell}-{i}-{seed}",
        }
        for cell, table in values.items()
        for i, row in enumerate(table)
        for seed, value in enumerate(row)
    ]
    made = pd.DataFrame(rows)
    made["fid"] = made["worth"].where(np.isfinite(made["worth"]))
    made["status"] = np.where(np.isfinite(made["worth"]), "done", "diverged")
    constant: dict[str, Any] = {"arch": "a", "penalty": "gp", "norm": "none", "n_dis": 1, "repeat": 0, "stage": "grid"}
    constant |= {"sampler": None, "superseded": None}
    constant |= {"lr_g": 1.0, "beta1": 0.5, "beta2": 0.9, "width": 1.0, "batch_size": 64, "steps": 10, "strength": 1.0}
    return made.assign(**(constant | changes))


def grids(n=40, seeds=2, seed=0):
    rng = np.random.default_rng(seed)
    hard = rng.normal(3, 1, (n, 1))
    better, worse = (np.exp(hard + shift + rng.normal(0, 0.1, (n, seeds))) for shift in (0.0, 1.0))
    return {"A": better, "B": worse}


def test_a_clear_order_on_a_grid_is_claimed_and_few_seeds_claim_none():
    table = pair_table(frame(grids()), [1], np.random.default_rng(0))
    assert table["taken"].tolist() == ["matched"] and table["n"].tolist() == [40] and table["said"].tolist() == ["a"]
    assert rank_table(table)["rank"].tolist() == [1, 2] and rank_table(table)["highest"].tolist() == [1, 2]
    few = pair_table(frame({"A": [[1, 2, 3]], "B": [[7, 8, 9]], "C": [[70, 80, 90]]}), [1], np.random.default_rng(0))
    assert few["n"].tolist() == [3, 3, 3] and few["chance"].tolist() == [1, 1, 1] and not few["said"].any()
    assert rank_table(few)[["lowest", "highest"]].to_numpy().tolist() == [[1, 3]] * 3


def test_cells_without_settings_in_common_are_taken_apart_and_searched_or_stopped_runs_left_out():
    values = grids()
    runs = frame(values)
    runs.loc[runs["cell"] == "B", "lr_d"] += 0.5
    assert pair_table(runs, [1], np.random.default_rng(0))["taken"].tolist() == ["apart"]
    assert pair_table(runs.assign(sampler="gp"), [1], np.random.default_rng(0)).empty
    assert pair_table(runs.assign(status="stopped"), [1], np.random.default_rng(0)).empty
    assert len(pair_table(runs.assign(sampler="random"), [1], np.random.default_rng(0))) == 1


def test_repeats_of_a_seed_count_once_and_equal_generators_give_equal_tables():
    runs = frame(grids(seeds=3))
    again = pd.concat([runs, runs.assign(repeat=1, id=runs["id"] + "r")])
    first, second = (pair_table(one, [1, 3], np.random.default_rng(7)) for one in (runs, again))
    pd.testing.assert_frame_equal(first, second)


def test_a_budget_beyond_n_is_not_in_the_table():
    assert pair_table(frame(grids(n=4)), [1, 5], np.random.default_rng(0))["k"].tolist() == [1]


def test_spread_tells_seeds_from_settings_from_repeats():
    runs = frame({"A": [[1.0, 3.0], [11.0, 13.0], [5.0, np.inf]]})
    runs = pd.concat([runs, runs.iloc[:1].assign(repeat=1, worth=2.0, fid=2.0, id="r")])
    row = spread_table(runs).iloc[0]
    assert row["seed_settings"] == 2 and row["repeated"] == 1 and row["split"] == 1
    assert row["seeds_sd"] == pytest.approx(np.sqrt(((1.5**2 / 2) + 2) / 2))  # seeds 1.5, 3 and 11, 13
    assert row["repeats_sd"] == pytest.approx(np.std([1, 2], ddof=1))
    assert row["between"] == pytest.approx(np.std([2.25, 12, 5], ddof=1))


def test_scores_agree_within_and_between_cells_apart_and_diverged_runs_are_counted_out():
    base = np.arange(1.0, 7)
    runs = frame({cell: (base + 10 * i)[:, None] for i, cell in enumerate("ABCD")})
    # Within a cell, a lower distance goes with a higher IS; between cells it is the other way round.
    runs["is"] = 100 - runs["fid"] + 20 * (runs["fid"] // 10)
    runs.loc[0, ["fid", "is", "worth", "status"]] = [np.nan, np.nan, np.inf, "diverged"]
    row = agreement_table(runs.assign(is_std=0.1, kid=np.nan, ms_ssim=np.nan)).iloc[0]
    assert row["within"] == pytest.approx(-1) and row["across"] == pytest.approx(1)
    assert row["diverged"] == 1 and row["runs"] == 23 and row["within_cells"] == 4


def test_diagnostics_are_set_beside_fid_and_is_and_not_beside_one_another():
    runs = frame({"A": np.arange(1.0, 9)[:, None]})
    runs = runs.assign(log_condition=runs["fid"] ** 2, geometry=-runs["fid"], is_std=0.1)
    table = agreement_table(runs.assign(**{"is": -runs["fid"]}))
    assert list(zip(table["one"], table["other"], table["overall"].round(9), strict=True)) == [
        ("fid", "is", -1.0),
        ("fid", "log_condition", 1.0),
        ("fid", "geometry", -1.0),
        ("is", "log_condition", -1.0),
        ("is", "geometry", 1.0),
    ]


def test_what_confirms_has_its_own_table_and_no_mean_where_a_seed_diverged():
    runs = frame({"A": [[4.0, 5.0, 6.0]], "B": [[4.0, np.inf, 6.0]]}, stage="confirm")
    table = confirm_table(runs).set_index("cell")
    assert table.loc["A", ["n", "mean", "sd"]].tolist() == [3, 5, 1]
    assert table.loc["A", "mean_high"] - 5 == pytest.approx(4.302652729911275 / np.sqrt(3))  # Student's t, 2 df
    assert np.isnan(table["mean"]["B"]) and table.loc["B", "lost"] == 1
    assert confirm_table(frame({"A": [[4.0]]})).empty


def test_the_top_five_per_cent_is_rounded_up_and_diverged_runs_count():
    assert [top_count(n) for n in (1, 20, 21, 60, 126, 150, 210)] == [1, 1, 2, 3, 7, 8, 11]
    assert top(np.r_[np.arange(30.0, 0, -1), np.full(30, np.inf)]).tolist() == [1, 2, 3]


def test_the_expected_lowest_of_fewer_runs_is_their_average_over_subsets():
    values = np.array([4.0, 1.0, 7.0, 2.0, np.inf])
    for n, count in ((3, 2), (2, 1), (5, 4)):
        by_hand = np.mean([np.sort(s)[:count] for s in combinations(values, n)], axis=0)
        np.testing.assert_allclose(expected_lowest(values, n, count), by_hand)
    assert expected_lowest(values, 3, 3)[-1] == np.inf
    with pytest.raises(ValueError):
        expected_lowest(values, 6, 1)
