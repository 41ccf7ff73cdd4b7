"""What an answer costs, on the page: which runs are its pilot, what the curves say, and when there are none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from synthetic import add_run, config

from analysis.estimators.answer_cost import CALIBRATED, CERTIFIED, EQUAL, WAYS, Pilot, cost_curves
from analysis.figures.answer_cost import cost_figure
from analysis.loading.runs import load
from analysis.report import make_report
from analysis.tables.answer_cost import COMMAND, pilot_of
from landscape.store import DIVERGED, DONE, Store

HOUR = (0.05 * 500 + 0.4 * 3) / 3600  # of a run of `store`, training and evaluation


def store(root: Path, *seeds: int, rates: int = 1, lost: int = 0) -> Store:
    """A cell for each number of seeds, at twice the distance of the one before; `lost` runs of the last diverged."""
    made, rng = Store(root), np.random.default_rng(5)
    for place, (loss, count) in enumerate(zip(("ns", "wgan", "ls"), seeds, strict=False)):
        for rate in range(rates):
            for seed in range(count):
                frozen = config(loss, seed=seed, optim__lr_d=1e-3 / (rate + 1))
                end = 10.0 * 2**place * float(np.exp(rng.normal(0, 0.25)))
                gone = place == len(seeds) - 1 and seed < lost
                add_run(made, [120.0, 60.0, None if gone else end], frozen, DIVERGED if gone else DONE)
    return made


def pilot(ratio: float, cells: int = 3, hours: tuple[float, ...] | None = None) -> Pilot:
    rng = np.random.default_rng(1)
    distances = tuple(ratio ** (place > 0) * np.exp(rng.normal(0, 0.3, 12)) for place in range(cells))
    return Pilot(tuple("abcdefg"[:cells]), distances, hours, "run", "hours")


def test_the_pilot_is_the_runs_that_are_compared_with_what_they_took(tmp_path: Path) -> None:
    found = pilot_of(load(store(tmp_path, 5, 6, 4, lost=0)))
    assert isinstance(found, Pilot) and found.cells == ("NS GP", "WGAN GP")  # of the third there are too few
    assert [len(one) for one in found.distances] == [5, 6] and (found.unit, found.clock) == ("run", "hours")
    assert found.hours == pytest.approx((HOUR, HOUR))


def test_a_setting_costs_all_of_its_seeds_and_a_diverged_run_is_infinite(tmp_path: Path) -> None:
    found = pilot_of(load(store(tmp_path / "settings", 2, 2, rates=5)))
    assert isinstance(found, Pilot) and found.unit == "setting" and [len(one) for one in found.distances] == [5, 5]
    assert found.hours == pytest.approx((2 * HOUR, 2 * HOUR))
    lost = pilot_of(load(store(tmp_path / "lost", 5, 6, lost=2)))
    assert isinstance(lost, Pilot) and np.isinf(lost.distances[1]).sum() == 2


def test_hours_that_are_not_on_record_for_all_are_not_made_up(tmp_path: Path) -> None:
    runs = load(store(tmp_path, 5, 5))
    runs.loc[runs.index[:5], "train_s"] = np.nan
    found = pilot_of(runs)
    assert isinstance(found, Pilot) and found.hours is None


def test_where_there_is_no_pilot_a_sentence_names_the_command(tmp_path: Path) -> None:
    runs = load(store(tmp_path, 5, 4))
    few = pilot_of(runs)
    assert isinstance(few, str) and COMMAND in few and "5 runs a cell" in few
    many = pd.concat([runs[runs["cell"] == "NS GP"].assign(cell=f"NS {i}") for i in range(13)], ignore_index=True)
    told = pilot_of(many)
    assert isinstance(told, str) and COMMAND in told and "more than 12 cells" in told
    assert pilot_of(runs[runs["cell"] == "NS GP"]) == ""


def test_a_chance_rises_with_what_is_spent_and_near_cells_cost_more() -> None:
    far, near = (cost_curves(pilot(ratio, hours=(1.0, 1.0, 4.0)), 0) for ratio in (3.0, 1.3))
    assert {*far["by"]} == {EQUAL, CALIBRATED, CERTIFIED} and {*far["unit"]} == {"runs", "hours"}
    for _, curve in far.groupby(["by", "unit"]):
        assert (np.diff(curve["spent"]) > 0).all() and (np.diff(curve["chance"]) > 0).all()
        assert 0.8 < curve["chance"].iloc[-1] <= 1
    at = far[far["by"] == EQUAL].set_index("unit")
    runs, hours = (at.loc[unit, "spent"].to_numpy() for unit in ("runs", "hours"))
    assert hours == pytest.approx(2 * runs)  # three runs take six hours

    def chance(curves: pd.DataFrame, way: str, runs: int) -> float:
        mine = curves[(curves["by"] == way) & (curves["unit"] == "runs") & (curves["spent"] <= runs)]
        return float(mine["chance"].max()) if len(mine) else 0.0

    assert chance(far, CALIBRATED, 45) > chance(far, CERTIFIED, 45)
    assert all(chance(far, way, 60) > chance(near, way, 60) for way in WAYS)
    pd.testing.assert_frame_equal(far, cost_curves(pilot(3.0, hours=(1.0, 1.0, 4.0)), 0))


def test_its_panels_are_what_is_on_record() -> None:
    drawn = cost_figure(pilot(3.0, hours=(0.1, 0.1, 0.1)), 0)
    assert drawn is not None
    assert [ax.get_xlabel() for ax in drawn[0].axes] == ["runs in all, log scale", "hours in all, log scale"]
    assert {text.get_text() for text in drawn[0].axes[0].texts} == {*WAYS, "these"}
    alone = cost_figure(pilot(3.0), 0)
    assert alone is not None and len(alone[0].axes) == 1 and {*alone[1]["unit"]} == {"runs"}


@pytest.mark.slow
def test_the_page_has_the_figure_with_its_numbers_and_a_second_page_the_same(tmp_path: Path) -> None:
    made = store(tmp_path / "store", 6, 6)
    for _ in range(2):  # drawn, then taken from the older page
        make_report(made, tmp_path / "out")
        page = (tmp_path / "out" / "index.html").read_text()
        assert "<b>What the answer costs</b>" in page and 'href="tables/01-digits-cost.csv"' in page
        table = pd.read_csv(tmp_path / "out" / "tables" / "01-digits-cost.csv")
        assert {*table["by"]} == {*WAYS} and (tmp_path / "out" / "figures" / "01-digits-cost.png").is_file()
    make_report(made, tmp_path / "other")
    one, two = ((tmp_path / name / "tables" / "01-digits-cost.csv").read_bytes() for name in ("out", "other"))
    assert one == two


def test_a_page_of_few_runs_says_how_to_ask(tmp_path: Path) -> None:
    make_report(store(tmp_path / "store", 4, 4), tmp_path / "out")
    page = (tmp_path / "out" / "index.html").read_text()
    assert "What the answer costs</b>" not in page and COMMAND in page
    assert not [*(tmp_path / "out" / "tables").glob("*-cost.csv")]
