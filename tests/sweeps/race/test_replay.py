"""Replays and simulated races: their errors and costs in short, the trap of counting runs as they end, tables."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from races_simulated import Cells, Touch, race, race_by_cost, scenes

from landscape.config.errors import UserError
from sweeps.race import thresholds
from sweeps.race.evidence import evidence_paths
from sweeps.race.question import Question
from sweeps.race.replay import Recorded, ends, read_table, replay


@pytest.mark.parametrize("name", scenes(8))
def test_races_name_the_best_cell_for_a_part_of_the_grid(name) -> None:
    """Eight cells at k = 1, 60 races a scene; at length `make bench-race`."""
    question = Question(8)
    seen = race(scenes(8)[name], {"S": question, "F": replace(question, certify=True)}, 60, seed=1)
    assert seen["S"].error <= 0.1 and seen["F"].error <= 0.05
    asked = {"paper": (0.34, 0.56), "wide": (0.22, 0.35)}.get(name)
    if asked:
        assert [seen[rule].share for rule in "SF"] == pytest.approx(asked, abs=0.06)
        assert seen["F"].certified == 1 - seen["F"].undecided
    if name == "all equal":
        assert seen["S"].undecided == 1


def test_a_factor_of_the_best_is_cheaper_than_the_best_in_a_close_race() -> None:
    strict, near = (race(scenes(8)["close"], {"S": Question(8, within=r)}, 40, seed=2)["S"] for r in (None, 1.2))
    assert near.share < strict.share - 0.2 and near.error <= 0.1


def test_two_cells_that_touch_are_what_the_calibrated_rule_is_guarded_against() -> None:
    seen = race(Touch(), {"S": Question(2), "F": Question(2, certify=True)}, 300, seed=3)
    assert seen["F"].error <= 0.02 < 0.1
    assert seen["S"].error <= 0.09


def test_counting_runs_as_they_end_fails_and_ticket_order_holds() -> None:
    """Two equal cells of 20 workers each. Good runs take a quarter of the time in one and four times as long in the
    other."""
    rng, races, tickets = np.random.default_rng(4), 100, 120
    values = rng.random((races, 2, tickets))
    hours = np.where(values < 0.5, [[[0.25], [4.0]]], 1.0)
    order = np.array([[np.argsort(ends(cell, 20), kind="stable") for cell in one] for one in hours])
    looks, bar = range(10, tickets + 1, 5), thresholds.v(2)

    def named(runs):
        first, second = runs[:, 0], runs[:, 1]
        most = [evidence_paths(a, b, looks, [0.5], 0.0).max(axis=(0, 2)) for a, b in ((first, second), (second, first))]
        return float((np.maximum(*most) >= bar).mean())

    assert named(np.take_along_axis(values, order, axis=2)) > 0.85
    assert named(values) <= 0.03


def test_workers_take_up_runs_in_order() -> None:
    assert ends([3, 1, 1, 2], workers=2) == [3, 1, 2, 4]
    assert ends([3, 1], workers=9, begin=1.0) == [4, 2]


def recorded(ratios=(1.0, 1.6, 2.0, 3.0), n=60):
    rng = np.random.default_rng(5)
    return [Recorded(f"c{i}", r * np.exp(0.4 * rng.normal(size=n)), np.full(n, 2.0)) for i, r in enumerate(ratios)]


def test_a_table_is_raced_in_many_orders() -> None:
    table, question = recorded(), Question(4, budget=240)
    seen = replay(table, question, orders=200, workers=10)
    assert seen.right > 0.9 and seen.wrong <= 0.05 and seen.right + seen.wrong + seen.undecided == pytest.approx(1)
    assert seen.runs == pytest.approx(seen.hours) and seen.runs < 0.7
    assert seen.clock >= seen.hours, "workers wait for the end of a round"
    again = replay(table, question, orders=200, workers=10)
    assert again == seen


def test_the_best_m_the_order_and_a_budget_of_hours_are_replayed() -> None:
    table = recorded((1.0, 2.0, 4.0, 9.0), n=80)
    best = replay(table, Question(4, budget=320), orders=100, workers=10)
    for more in ({"top": 2}, {"order": True}):
        seen = replay(table, Question(4, budget=320, **more), orders=100, workers=10)
        assert seen.right > 0.95 and seen.wrong <= 0.03 and seen.runs >= best.runs
    short = replay(table, Question(4, budget=320, order=True, hours=100), orders=100, workers=10)
    assert short.hours * 640 <= 100 and short.undecided > seen.undecided
    with pytest.raises(UserError, match="leave matched and by-cost out"):
        replay(table, Question(4, matched=True), 10, 10)


@pytest.mark.parametrize("alike", [0.0, 0.9])
def test_matched_races_keep_their_error_however_alike_their_runs_are(alike) -> None:
    """Two tied for the best of three; at length `make bench-race`."""
    scene = Cells((1.0, 1.0, 1.6), alike=alike)
    seen = race(scene, {"V": Question(3, matched=True, budget=180)}, 60, seed=7)["V"]
    assert seen.error <= 0.05 and seen.undecided >= 0.95


@pytest.mark.parametrize("more", [{"top": 2}, {"order": True}])
def test_pairs_that_stand_are_right_where_cells_are_tied(more) -> None:
    """Four equal cells, and two tied ones among four."""
    for name in ("all equal", "two tied"):
        seen = race(scenes(4)[name], {"S": Question(4, **more)}, 100, seed=8)["S"]
        assert seen.error <= 0.1


def test_leader_and_challenger_keep_their_error_and_find_the_best() -> None:
    tied, _ = race_by_cost(scenes(3)["all equal"], Question(3, by_cost=True, budget=180), 20, seed=9)
    assert tied.error <= 0.05
    apart, hours = race_by_cost(Cells((1.0, 2.0, 3.0)), Question(3, by_cost=True), 20, seed=9)
    assert apart.error == 0 and apart.undecided == 0 and apart.share < 0.4 and hours < 0.6


def test_hours_follow_the_cells_that_stay() -> None:
    dear = [cell._replace(hours=cell.hours * (5 if cell.name == "c3" else 1)) for cell in recorded()]
    seen = replay(dear, Question(4, budget=240), orders=100, workers=10)
    assert seen.hours < seen.runs, "the dearest cell leaves first"


def test_a_table_with_few_runs_is_refused() -> None:
    with pytest.raises(UserError, match="cell c0 has 9 runs in the table; a race needs 10 of each at least"):
        replay(recorded(n=9), Question(4), 10, 4)


def test_tables_are_read(tmp_path) -> None:
    file = tmp_path / "runs.csv"
    rows: list[tuple] = [
        ("a", 3.0, "done", 60.0, None),
        ("a", 9.0, "diverged", 30.0, None),
        ("b", 2.0, "done", 60.0, None),
    ]
    rows += [("b", None, "failed", 5.0, None), ("b", 1.0, "running", 5.0, None), ("b", 1.0, "done", 5.0, "tpe")]
    pd.DataFrame(rows, columns=["cell", "fid_classifier", "status", "train_s", "sampler"]).to_csv(file, index=False)
    a, b = read_table(file)
    assert (a.name, *a.distances) == ("a", 3.0, np.inf) and list(a.hours * 60) == [1.0, 0.5]
    assert (b.name, *b.distances) == ("b", 2.0, np.inf)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cell,loss\na,1\n", "lacks a distance"),
        ("loss,fid\na,1\n", "lacks the column cell"),
        ("cell,fid\na,1\na,2\n", "has 1 cells"),
        ("cell,fid,protocol\na,1,x\nb,2,y\n", "under 2 protocols"),
        ("", "cannot be read"),
    ],
)
def test_a_table_that_is_none(tmp_path, text, said) -> None:
    file = tmp_path / "runs.csv"
    file.write_text(text)
    with pytest.raises(UserError, match=said):
        read_table(file)
    with pytest.raises(UserError, match="cannot be read"):
        read_table(tmp_path / "none.csv")


def test_a_decided_race_is_of_the_best() -> None:
    assert replay(recorded((1.0, 9.0)), Question(2), 50, 4).right == 1.0
