"""Claims about pairs, families of cells and ranks: worked examples, brute force, symmetry, ties, and refusals."""

import json
from itertools import combinations, product
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.estimators import families, pairwise
from analysis.estimators.components import components
from analysis.estimators.effects import above_by_chance, critical, difference_of_medians, rank_sums, share_interval
from analysis.estimators.families import claims, compare_censored, differ, differ_matched, level_of, ranks
from analysis.estimators.normal_model import check, games_howell
from analysis.estimators.pairwise import alike_in_spread, compare, ordered_by
from analysis.estimators.top_share import expected_lowest, top, top_count
from analysis.html.sections import shown_table
from analysis.loading.filters import on_outcome
from analysis.tables.comparisons import agreement_table, confirm_table, middle_interval, spread_table
from analysis.tables.model_line import model_sentences
from analysis.tables.pairs import budgets_said, of_one_seed, pair_table, rank_table, samples
from landscape.config.axes import ADDED
from landscape.config.seeds import needed

A = np.array([3.0, 5.0, 8.0, np.inf, 4.0])
B = np.array([6.0, 7.0, 5.0, 9.0, 10.0])
X = np.array([3.0, 5.0, 8.0, np.inf, 4.0, 2.0, 1.0])
Y = np.array([6.0, 7.0, 5.0, 9.0, 10.0, 2.5, 1.5])


def score(x, y):
    return 1.0 if x < y else 0.5 if x == y else 0.0


def counted(a, b, k):
    return np.mean([score(min(s), min(t)) for s in combinations(a, k) for t in combinations(b, k)])


@pytest.mark.parametrize(
    ("k", "theta", "variance", "statistic", "p"),
    [(1, 0.66, 0.0432, 0.769800, 110 / 252), (2, 0.87, 0.0296889, 2.147359, 0.238095)],
)
def test_two_cells_meet_a_worked_example(k, theta, variance, statistic, p):
    pair = compare(A, B, k)
    assert pair[:4] == pytest.approx((theta, variance, statistic, p), abs=1e-6)
    turned = compare(B, A, k)
    assert (turned.theta, turned.statistic, turned.p) == pytest.approx((1 - theta, -pair.statistic, pair.p))
    assert (turned.lower, turned.upper) == pytest.approx((1 - pair.upper, 1 - pair.lower))


def test_at_k_1_the_statistic_is_brunner_and_munzels():
    finite = np.minimum(A, 99)
    assert compare(A, B).statistic == pytest.approx(stats.brunnermunzel(finite, B).statistic)


@pytest.mark.parametrize(("k", "p"), [(1, 36 / 128), (2, 8 / 128)])
def test_matched_cells_meet_a_worked_example(k, p):
    assert compare(X, Y, k, shared=7).p == pytest.approx(p)


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_theta_is_counted_over_all_subsets_and_its_variance_is_the_jackknifes(k):
    ties = np.array([2.0, 3.0, np.inf, np.inf, 1.0, 3.0])
    for a, b in ((A, B), (A, ties), (ties, A)):
        pair = compare(a, b, k)
        assert pair.theta == pytest.approx(counted(a, b, k), abs=1e-12)
        left_out = [[counted(np.delete(a, i), b, k) for i in range(len(a))]]
        left_out += [[counted(a, np.delete(b, i), k) for i in range(len(b))]]
        jackknife = sum((len(one) - 1) * np.var(one) for one in left_out)
        assert pair.variance == pytest.approx(jackknife, abs=1e-12)


@pytest.mark.parametrize("k", [1, 2])
def test_p_is_counted_over_all_exchanges_of_labels(k):
    def share(statistics):
        seen, slack = statistics[0], 1e-9
        return 2 * min(np.mean(statistics >= seen - slack), np.mean(statistics <= seen + slack))

    values, every = np.r_[A, B], set(range(10))
    apart = [compare(values[list(s)], values[sorted(every - set(s))], k).statistic for s in combinations(range(10), 5)]
    assert compare(A, B, k).p == pytest.approx(min(1, share(np.array(apart))))
    swapped = [np.array(swap) for swap in product((False, True), repeat=4)]  # the fifth of each is shared by none
    some = [
        compare(
            np.r_[np.where(swap, B[:4], A[:4]), last[0]], np.r_[np.where(swap, A[:4], B[:4]), last[1]], k, 4
        ).statistic
        for last in ((A[4], B[4]), (B[4], A[4]))
        for swap in swapped
    ]
    assert compare(A, B, k, shared=4).p == pytest.approx(min(1, share(np.array(some))))


def test_cells_that_all_diverged_are_equal_and_nonsense_is_refused():
    pair = compare(np.full(5, np.inf), np.full(5, np.inf))
    assert (pair.theta, pair.p) == (0.5, 1.0) and pair.lower < 0.5 < pair.upper
    for a, k, shared in ((np.array([1.0, np.nan]), 1, 0), (A, 5, 0), (A, 0, 0), (np.array([1.0]), 1, 0), (A, 1, 6)):
        with pytest.raises(ValueError):
            compare(a, B, k, shared)


def test_random_permutations_agree_with_all_of_them_and_reach_small_levels(monkeypatch):
    rng = np.random.default_rng(4)
    a, b = rng.normal(0, 1, 9), rng.normal(1.1, 1, 9)  # 48,620 arrangements: drawn
    drawn = compare(a, b).p
    monkeypatch.setattr(pairwise, "ALL", 50_000)
    assert drawn == pytest.approx(compare(a, b).p, abs=0.01) and 0 < drawn < 0.2
    monkeypatch.undo()
    far = compare(np.arange(20.0), np.arange(100.0, 120), level=0.05 / 780)
    assert far.p < 0.05 / 780, "a family of 40 cells asks for this"


def test_what_the_least_numbers_of_runs_are():
    assert [needed(k) for k in (2, 3, 5, 10)] == [11, 16, 27, 54]
    assert ordered_by(3, 3, 1, 0.05) == "3 runs per cell" and ordered_by(4, 20, 1, 0.05) == "4 runs against 20"
    assert not ordered_by(4, 4, 1, 0.05) and not ordered_by(5, 20, 1, 0.05) and not ordered_by(11, 11, 2, 0.05)
    assert ordered_by(26, 40, 5, 0.05) == "k = 5 needs 27 runs per cell"


def test_with_few_runs_better_needs_spreads_that_are_alike():
    tight, wide = np.exp(0.1 * np.arange(5)), np.exp(np.arange(5.0))
    assert not alike_in_spread(tight, 100 * wide) and alike_in_spread(tight, 100 * np.exp(0.3 * np.arange(5)))
    assert alike_in_spread(np.r_[tight, tight], np.r_[wide, wide]), "nine runs need no such guard"
    assert alike_in_spread(np.array([1, np.inf, np.inf]), wide), "one finite run has no spread"
    claim = claims([tight, 100 * wide])[0, 1]
    assert claim.said == "differ" and claim.pair.theta == 1


FOUR = [np.exp(np.arange(start, start + 5)) for start in (1.0, 11.0, 11.5, 21.0)]


def test_four_cells_meet_a_worked_example():
    found = claims(FOUR)
    assert {pair for pair, claim in found.items() if claim.said == "better"} == set(combinations(range(4), 2)) - {
        (1, 2)
    }
    better = np.zeros((4, 4), bool)
    for (i, j), claim in found.items():
        better[i, j] = claim.said == "better"
    lowest, highest = ranks(better)
    assert list(zip(lowest, highest, strict=True)) == [(1, 1), (2, 3), (2, 3), (4, 4)]
    sums, sizes = np.array([[stats.rankdata(np.concatenate(FOUR)).reshape(4, 5).sum(1)]])[0], np.full(4, 5)
    np.testing.assert_allclose(families._spreads(sums, sizes).ravel(), [565, 19.3649], atol=1e-4)


def test_a_family_needs_the_test_of_all_cells_and_each_set_of_them():
    assert level_of(6, 6) == level_of(5, 6) == 0.05 and level_of(2, 6) == pytest.approx(0.05 / 3)
    assert level_of(2, 3) == level_of(2, 2) == 0.05
    assert differ(FOUR) == 1 / (1 + families.DRAWS) and differ([FOUR[0], FOUR[0], FOUR[0]]) == 1
    # The same rank for every column of a row: as far apart as rows within columns can be.
    table = np.exp(np.arange(3)[:, None] + 10 * np.arange(6))
    assert differ_matched(table) < 0.001 and differ(list(table)) > 0.5, "settings differ by more than cells do"
    alike = np.linspace(-1, 1, 5)  # of equal spread, so that nothing but the procedure can stand in the way
    twelve = [np.exp(alike + 0.01 * i + 8 * (i == 0)) for i in range(12)]
    said = {pair for pair, claim in claims(twelve).items() if claim.said == "better"}
    assert said == {(0, j) for j in range(1, 12)}, "five runs a cell tell one of twelve from all others"
    three = claims([cell[:3] for cell in FOUR])
    assert not any(claim.said for claim in three.values()) and {c.why for c in three.values()} == {"3 runs per cell"}


def test_beyond_twelve_cells_and_k_1_it_is_holms():
    cells = [np.exp(np.random.default_rng(i).normal(20 * (i == 0), 1, 12)) for i in range(13)]
    said = {pair for pair, claim in claims(cells).items() if claim.said}
    assert said == {(0, j) for j in range(1, 13)}
    assert not any(claim.said for claim in claims([cell[:5] for cell in cells]).values())
    pair = claims([cells[0], cells[1]], k=2)[0, 1]
    assert pair.said == "better" and not pair.why
    assert claims([cells[0], cells[1]], k=2, chosen_of=5)[0, 1].why == "k = 2 needs 18 runs per cell"


def test_cells_that_share_settings_are_compared_within_them_as_far_as_they_do():
    rng = np.random.default_rng(0)
    hard = rng.normal(0, 3, 12)
    a, b = np.exp(hard), np.exp(hard + 1)  # b is worse on every setting, by less than settings differ
    names = [f"s{i}" for i in range(12)]
    order = rng.permutation(12)
    matched = claims([a, b[order]], keys=[names, [names[i] for i in order]])[0, 1]
    assert matched.said == "better" and matched.shared == 12 and not claims([a, b])[0, 1].said
    half = claims([a, b], keys=[names, [*names[:6], *"uvwxyz"]])[0, 1]
    assert half.shared == 6 and half.pair.theta == matched.pair.theta, "all runs count, shared or not"
    few = claims([a[:5], b[:5]], keys=[names[:5], names[:5]])[0, 1]
    assert few.shared == 0, "five pairs can never say anything"


def frame(values, **changes):
    """Runs of a grid: `values[cell]` is a table of settings by seeds."""
    rows = [
        {
            "cell": cell,
            "loss": cell,
            "setting": f"{cell}-{i}",
            "seed": seed,
            "optim": "adam",
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
    constant |= {"sampler": None, "superseded": None, "data": "digits", "protocol": "p"}
    constant |= {axis.name: axis.plain for axis in ADDED} | {"strength_g": 1.0}
    constant |= {"lr_g": 1.0, "beta1": 0.5, "beta2": 0.9, "width": 1.0, "batch_size": 64, "steps": 10, "strength": 1.0}
    return made.assign(**(constant | changes))


def grids(n=40, seeds=2, seed=0):
    rng = np.random.default_rng(seed)
    hard = rng.normal(3, 1, (n, 1))
    better, worse = (np.exp(hard + shift + rng.normal(0, 0.1, (n, seeds))) for shift in (0.0, 1.0))
    return {"A": better, "B": worse}


def test_a_clear_order_on_a_grid_is_claimed_and_three_seeds_claim_none():
    table = pair_table(frame(grids()), [1])
    assert table["taken"].tolist() == ["matched"] and table["n"].tolist() == [40] and table["said"].tolist() == ["a"]
    assert rank_table(table)[["lowest", "highest"]].to_numpy().tolist() == [[1, 1], [2, 2]]
    few = pair_table(frame({"A": [[1, 2, 3]], "B": [[7, 8, 9]], "C": [[70, 80, 90]]}), [1])
    assert few["n"].tolist() == [3, 3, 3] and few["chance"].tolist() == [1, 1, 1] and not few["said"].any()
    assert set(few["why"]) == {"3 runs per cell"} and rank_table(few).empty, "no ranks where nothing is told apart"


def test_five_seeds_against_five_are_told_apart():
    table = pair_table(frame({"A": [[20, 21, 22, 22.5, 23]], "B": [[40, 41, 42, 42.5, 43]]}), [1])
    assert table.loc[0, ["taken", "n", "said", "p"]].tolist() == ["apart", 5, "a", pytest.approx(2 / 252)]
    assert table["lower"].iloc[0] >= 0.5


def test_cells_without_settings_in_common_are_taken_apart_and_searched_runs_left_out():
    values = grids()
    runs = frame(values)
    runs.loc[runs["cell"] == "B", "lr_d"] += 0.5
    some = pair_table(runs, [1])
    assert some["taken"].tolist() == ["apart"]
    runs.loc[runs["cell"] == "B", "lr_d"] += 10.5
    assert pair_table(runs, [1])["taken"].tolist() == ["29 of 40 matched"]
    assert pair_table(runs.assign(sampler="gp"), [1]).empty
    assert len(pair_table(runs.assign(sampler="random"), [1])) == 1


def test_claims_are_shown_in_words_and_ranks_as_what_they_leave_open():
    cells = {"A": [[20, 21, 22, 22.5, 23]], "B": [[40, 41, 42, 42.5, 43]], "C": [[40.5, 41.5, 42.2, 42.7, 43]]}
    table = pair_table(frame(cells | {"D": [[20, 21, 22]]}), [1])
    rows = shown_table("pairs", table, "FID").set_index(["a", "b"])
    told = rows["said"]
    assert rows.loc[("A", "B"), "ratio"] == "0.52 (0.48 to 0.56)" and rows.loc[("A", "D"), "ratio"] == ""
    assert told["A", "B"] == "A is better" and told["B", "C"] == "none claimed"
    assert told["A", "D"] == "none possible: 3 runs against 5"
    assert shown_table("ranks", rank_table(table), "FID")["rank at k = 1"].tolist() == [
        "1 to 2",
        "2 to 4",
        "2 to 4",
        "1 to 4",
    ]


def test_settings_count_with_equally_many_seeds():
    rng = np.random.default_rng(0)
    values = {"A": np.exp(rng.normal(0, 1, (12, 1))), "B": np.exp(rng.normal(0, 1, (12, 5)))}
    taken = samples(frame(values))
    np.testing.assert_array_equal(taken["B"].values, values["B"][:, 0][np.argsort([f"B-{i}" for i in range(12)])])
    both = samples(frame({"A": values["B"][:, :3], "B": values["B"]}))
    assert sorted(both["B"].values) == sorted(np.median(values["B"][:, :3], axis=1))


def test_repeats_of_a_seed_count_once():
    runs = frame(grids(seeds=3))
    again = pd.concat([runs, runs.assign(repeat=1, id=runs["id"] + "r")])
    pd.testing.assert_frame_equal(pair_table(runs, [1, 3]), pair_table(again, [1, 3]))


def test_cells_of_other_steps_or_of_seeds_against_settings_are_not_ordered():
    values = {"A": [[20, 21, 22, 22.5, 23]], "B": [[40, 41, 42, 42.5, 43]]}
    runs = frame(values)
    runs.loc[runs["cell"] == "A", "steps"] = 1000
    table = pair_table(runs, [1])
    assert not table["said"].any() and table["why"].tolist() == ["1,000 against 10 steps"]
    runs["steps"] = runs["steps"].where(runs["cell"] == "B")
    assert pair_table(runs, [1])["why"].tolist() == ["unknown against 10 steps"], "as a CSV may leave it"
    table = pair_table(frame({"A": values["A"], "B": [[40], [41], [42], [42.5], [43]]}), [1])
    assert not table["said"].any() and table["why"].tolist() == ["seeds against settings"]


def test_settings_of_one_seed_are_told():
    runs = frame({"A": np.ones((6, 1)), "B": np.ones((6, 2)), "C": [[1, 2, 3]]})
    assert of_one_seed(runs) == {0: ["A", "B"]}, "B is taken with the first of its two, for A has one"
    assert of_one_seed(runs[runs["cell"] != "A"]) == {}


def test_each_claim_on_settings_of_one_seed_is_for_that_seed():
    values = {cell: level + np.arange(12.0)[:, None] / 100 for cell, level in (("A", 20), ("B", 40))}
    values["C"] = np.repeat(values["B"] + 40, 2, axis=1)
    table = pair_table(frame(values), [1])
    assert table["for_seed"].tolist() == ["0", "0", "0"]
    assert shown_table("pairs", table, "FID")["said"].tolist() == ["A is better, for seed 0"] * 3
    several = pair_table(frame({"A": values["C"] - 60, "C": values["C"]}), [1])
    assert several["for_seed"].tolist() == [""] and shown_table("pairs", several, "FID")["said"].tolist() == [
        "A is better"
    ]


def lines(**keys):
    """A configuration as `Collected.configs` has it."""
    flat = {"data.size": 8, "data.content": "ab", "latent.dim": 128, "train.ema": None, "optim.lr_d": 1e-3}
    flat |= {"reg.strength": 1, "reg.norm": None, "arch.kind": "sndcgan", "store": "here", "metrics.every": 10}
    return "\n".join(f"{k}: {json.dumps(v)}" for k, v in (flat | keys).items())


def test_what_else_differs_between_two_cells_stands_at_their_comparison():
    runs = frame({"A": [[20, 21, 22, 22.5, 23]], "B": [[40, 41, 42, 42.5, 43]], "C": [[60, 61, 62, 62.5, 63]]})
    runs.loc[runs["cell"] == "B", "penalty"] = "none"
    other = {"latent.dim": 8, "train.ema": 0.999, "reg.strength": None, "store": "there", "metrics.every": 5}
    configs = {run: lines(**other if cell == "B" else {}) for run, cell in zip(runs["id"], runs["cell"], strict=True)}
    table = pair_table(runs, [1], configs=configs)
    assert table["differ"].tolist() == [
        "latent.dim 128 against 8; train.ema null against 0.999",
        "",
        "latent.dim 8 against 128; train.ema 0.999 against null",
    ], "of the penalty's own keys none, for it was asked for"
    assert table["said"].all() and "latent.dim" in shown_table("pairs", table, "FID")["differ"].iloc[0]
    assert "differ" not in shown_table("pairs", pair_table(runs, [1]), "FID"), "where no configurations are at hand"


def test_what_a_search_drew_is_no_difference_of_design_and_what_one_alone_drew_is():
    runs = frame({cell: level + np.arange(8.0)[:, None] / 100 for cell, level in (("A", 20), ("B", 40), ("C", 60))})
    runs["stage"] = np.where(runs["cell"] == "C", "grid", "search")
    configs = {run: lines(**{} if "C" in run else {"optim.lr_d": i + 1}) for i, run in enumerate(runs["id"])}
    assert pair_table(runs, [1], configs=configs)["differ"].tolist() == [
        *("", "optim.lr_d searched against 0.001", "optim.lr_d searched against 0.001")
    ]


@pytest.mark.parametrize(
    ("key", "why"), [("data.size", "images of side 8 against 16"), ("data.content", "different images")]
)
def test_cells_of_other_images_are_not_compared(key, why):
    runs = frame({"A": [[20, 21, 22, 22.5, 23]], "B": [[40, 41, 42, 42.5, 43]]})
    configs = {run: lines(**{key: 16} if "B" in run else {}) for run in runs["id"]}
    table = pair_table(runs, [1], configs=configs)
    assert not table["said"].any() and table["why"].tolist() == [why]


def test_cells_that_share_a_part_of_their_settings_are_compared_by_all_of_them():
    """A wins in the twelve settings that both have and loses in the twelve of its own: no order. Of cells that share
    one seed all eight are compared."""
    both, own = np.linspace(20, 22, 12), np.linspace(40, 42, 12)
    runs = frame({"A": np.r_[both, own + 20][:, None], "B": np.r_[both + 20, own][:, None]})
    late = (runs["cell"] == "B") & (runs["lr_d"] >= 12)
    runs.loc[late, "lr_d"] += 100
    row = pair_table(runs, [1]).iloc[0]
    assert (row["taken"], row["n"], row["said"]) == ("12 of 24 matched", 24, "") and 0.2 < row["chance"] < 0.8
    seeds = frame({"A": [np.arange(20.0, 28)], "B": [np.arange(40.0, 48)]})
    seeds.loc[seeds["cell"] == "B", "seed"] += 7
    assert pair_table(seeds, [1])[["taken", "n", "said"]].to_numpy().tolist() == [["1 of 8 matched", 8, "a"]]


def test_conditions_on_outcomes_are_known():
    told = [on_outcome(one) for one in ("status=done", "fid<20", "loss=ns,wgan", "seed=0", "worth>1", "steps=10")]
    assert told == [True, True, False, False, True, False]


def test_stopped_runs_meet_a_worked_example():
    low, high, whole = np.array([1, 2, 3, 4, 2.0]), np.array([1, 2, 3, 4, np.inf]), np.arange(6.0, 11)
    pair = compare_censored((low, high), (whole, whole))
    assert above_by_chance(20, 5, 5) > 0.05 >= above_by_chance(23, 5, 5), "U = 20, and 23 are needed"
    assert pair.p > 0.05 and pair.lower < 0.5
    turned = compare_censored((whole, whole), (low, high))
    assert (turned.p, turned.lower, turned.upper) == pytest.approx((pair.p, 1 - pair.upper, 1 - pair.lower))
    nothing_stopped = compare_censored((low, low), (whole, whole))
    assert nothing_stopped.p == pytest.approx(max(compare(low, whole).p, above_by_chance(25, 5, 5)))


def test_a_rule_that_stops_one_cells_worst_runs_makes_it_no_better():
    """Half of A's runs end at 20 and half at 100, where a rule stops them; all of B's end at 24."""
    values = {"A": [[20 + i / 100 if i % 2 else 100 + i] for i in range(24)], "B": [[24 + i / 100] for i in range(24)]}
    runs = frame(values)
    runs.loc[(runs["worth"] > 50), "status"] = "stopped"
    table = pair_table(runs, [1, 2])
    assert table["n"].tolist() == [24, 24] and not table["said"].any()
    assert table["lower"].iloc[0] < 0.5 < table["upper"].iloc[0] and table["why"].tolist() == ["", "stopped runs"]
    runs.loc[runs["cell"] == "A", "worth"] /= 1000
    runs.loc[runs["setting"] != "A-0", "status"] = "done"
    assert pair_table(runs, [1])["said"].tolist() == ["a"], "one stopped run of 24 could not turn it round"


def test_no_filling_of_stopped_runs_is_claimed_to_be_otherwise():
    rng = np.random.default_rng(1)
    false = 0
    for _ in range(150):
        a, b = np.exp(rng.normal(size=(2, 12)))
        cut = a > np.quantile(a, 0.75)  # a rule that stops the worst quarter of A alone
        low, high = np.where(cut, 0.0, a), np.where(cut, np.inf, a)
        false += bool(claims([low, b], highest=[high, b])[0, 1].said)
    assert false <= 0.05 * 150


def test_the_ratio_of_medians_meets_a_worked_example_and_covers():
    logs = difference_of_medians(np.log(A), np.log(B))
    assert logs is not None and np.exp(np.array(logs)) == pytest.approx((0.8, 0.4, np.inf))
    shifted = difference_of_medians(B, B[:4] + 2)
    assert shifted == difference_of_medians(B - 100, B[:4] - 98), "of values that may be negative"
    assert [critical(n, m, 0.025) for n, m in ((4, 4), (5, 5), (10, 10), (20, 20), (5, 20), (3, 3))] == [
        *(0, 2, 23, 127, 20),
        -1,
    ]
    assert difference_of_medians(A[:3], B[:3]) is None and difference_of_medians(np.r_[-np.inf, A], B) is None
    rng, hits = np.random.default_rng(0), np.zeros(2)
    for _ in range(200):
        for at, (n, m, spread) in enumerate(((5, 5, 1.0), (5, 20, 4.0))):
            found = difference_of_medians(1 + spread * rng.normal(size=n), rng.normal(size=m))
            hits[at] += found.lower <= 1 <= found.upper
    assert hits[0] / 200 >= 0.95 - 0.04 and hits[1] / 200 >= 0.92 - 0.05, "with unequal n by the test of pairs"
    assert rank_sums(3, 4).sum() == pytest.approx(1)
    assert rank_sums(3, 3)[:3] == pytest.approx([1 / 20, 1 / 20, 2 / 20])


def test_shares_have_wilsons_interval():
    assert share_interval(1, 5) == pytest.approx((0.036, 0.624), abs=5e-4)
    assert share_interval(0, 5) == pytest.approx((0, 0.434), abs=5e-4)


def test_a_budget_beyond_the_runs_is_not_in_the_table_nor_chosen():
    assert pair_table(frame(grids(n=4)), [1, 5])["k"].tolist() == [1]
    assert budgets_said(frame(grids(n=10))) == [1] and budgets_said(frame(grids(n=40))) == [1, 5]


def test_spread_tells_seeds_from_settings_from_repeats():
    runs = frame({"A": np.exp([[1.0, 3.0], [11.0, 13.0], [5.0, np.inf]])})
    runs = pd.concat([runs, runs.iloc[:1].assign(repeat=1, worth=np.exp(2.0), fid=np.exp(2.0), id="r")])
    row = spread_table(runs).iloc[0]
    assert row["seed_settings"] == 2 and row["repeated"] == 1 and row["split"] == 1
    assert row["repeats_sd"] == pytest.approx(np.std([1, 2], ddof=1))
    assert row["seeds_low"] < row["seeds_sd"] < row["seeds_high"] and row["seeds_sd"] == pytest.approx(1.3, abs=0.15)
    assert row["between"] == pytest.approx(np.std([2.25, 12, 5], ddof=1), abs=0.3)
    one = spread_table(frame({"A": np.exp([[1.0, 2.0, 3.0]]), "B": np.exp([[1.0], [2.0]])})).set_index("cell")
    assert one.loc["A", "seeds_sd"] == pytest.approx(1) and np.isnan(one["between"]["A"])
    assert np.isnan(one["between"]["B"]) and np.isnan(one["seeds_sd"]["B"]) and one["together"]["B"] > 0.7
    assert str(shown_table("spread", spread_table(runs), "FID")["seeds_sd"][0]).startswith("1.")


def test_variance_components_meet_a_worked_example_and_tell_seeds_alone_from_settings():
    values, cell = np.array([1, 2, 2, 4, 5, 5, 3, 3, 4, 7, 6, 8.0]), np.repeat([0, 1], 6)
    found = components(values, np.tile(np.repeat([0, 1, 2], 2), 2), cell)
    assert (found.settings.variance, found.seeds.variance) == pytest.approx((3.2240, 1.1875), abs=1e-4)
    assert components(values, np.arange(12)) is None and components(values[:3], np.zeros(3, int)) is None
    rng, settings, hits = np.random.default_rng(0), np.repeat(np.arange(6), 3), []
    for planted in (0.0, 1.0):
        for _ in range(12):
            made = components(planted * rng.normal(size=6)[settings] + rng.normal(size=18), settings)
            hits.append(made.settings.lower <= planted <= made.settings.upper and made.seeds.lower <= 1)
            assert planted or made.settings.lower == 0, "no effect of settings: its spread is not told from none"
    assert sum(hits) >= 21


def test_the_model_line_meets_a_worked_example_says_what_it_assumes_and_stands_aside_for_diverged_runs():
    cells = [np.arange(1, 6.0), np.arange(2, 7.0), np.array([4, 5, 6, 7, 9.0])]
    found = games_howell(cells)
    assert (found[0, 1], found[0, 2]) == pytest.approx((0.5973, 0.0505), abs=5e-5)
    runs = frame({name: np.exp(one / 5)[None] for name, one in zip("ABC", (*cells[:2], cells[2] + 1), strict=True)})
    (said,) = model_sentences(runs, pair_table(runs, [1]))
    assert said.startswith("A model of normal log distances") and "Check of its assumptions: p = " in said
    heavy = [np.random.default_rng(i).standard_t(1, 40) for i in range(3)]
    assert check(heavy).normal < 0.01 and check([heavy[0], 10 * heavy[0]]).alike < 0.01 < check(cells).alike
    runs.loc[0, ["worth", "status"]] = [np.inf, "diverged"]
    assert model_sentences(runs, pair_table(runs, [1])) == [
        "Share of diverged runs, with 95 % intervals: A 1 of 5 seeds (4 % to 62 %)."
    ]
    few = frame({"A": [[1, 2, 3]], "B": [[7, 8, 9]]})
    assert model_sentences(few, pair_table(few, [1])) == []


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
    table: Any = confirm_table(runs).set_index("cell")
    assert table.loc["A", ["n", "mean", "sd"]].tolist() == [3, 5, 1]
    logs = np.log([4.0, 5.0, 6.0])
    reach = 4.302652729911275 * logs.std(ddof=1) / np.sqrt(3)  # Student's t, 2 df
    assert table.loc["A", "middle"] == pytest.approx(120 ** (1 / 3))
    assert table.loc["A", "middle_high"] == pytest.approx(120 ** (1 / 3) * np.exp(reach))
    assert table.loc["A", "middle_low"] > 0
    assert np.isnan(table["mean"]["B"]) and table.loc["B", "lost"] == 1
    assert confirm_table(frame({"A": [[4.0]]})).empty


def test_the_interval_of_what_was_confirmed_covers_where_scores_are_skewed():
    rng, hits = np.random.default_rng(0), np.zeros(2)
    for _ in range(500):
        values = np.exp(rng.normal(size=5))
        _, low, high = middle_interval(values)
        half = 2.7764451 * values.std(ddof=1) / np.sqrt(5)
        hits += low <= 1 <= high, abs(values.mean() - np.exp(0.5)) <= half
    assert hits[0] >= 0.93 * 500 > hits[1], "Student's interval for the mean does not"


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
