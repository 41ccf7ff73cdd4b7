"""`report --score`: cells compared by another score, in its own direction and units; the default page as it was."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from synthetic import PROTOCOL, add_row, add_run, config, looks_of

from analysis.estimators.time_budget import timed
from analysis.estimators.tuning_curves import budgets, median_best_band
from analysis.figures.budget import hours_figure
from analysis.figures.panels import band_figure, budget_figure, distribution_figure
from analysis.figures.render import FigureRenderer
from analysis.loading import protocols
from analysis.loading.cells import unit_values
from analysis.loading.measure import BY_DISTANCE, Measure, judged, measure_of
from analysis.loading.runs import Collected, collect
from analysis.report import main
from analysis.tables.comparisons import confirm_table, spread_table
from analysis.tables.model_line import model_sentences
from analysis.tables.pairs import pair_table, rank_table
from landscape.scores import COLUMNS
from landscape.store import DIVERGED, STOPPED, Store

IS = Measure("IS", COLUMNS["is"])
CELLS = {"NS GP": ("gp", "none", 20.0, 3.0), "NS SN": ("none", "sn", 40.0, 7.0)}  # the better by FID is the worse by IS
LOOKS = looks_of(CELLS)


def made(root: Path, seeds: int = 6) -> Store:
    """Two cells of one setting whose order by IS is the reverse of that by the distance; KID lies around zero."""
    store = Store(root)
    for penalty, norm, fid, score in CELLS.values():
        for seed in range(seeds):
            run = add_run(store, [110.0, fid + seed], config("ns", penalty, norm, seed))
            add_row(run, 0, 110.0, given={"is": 1.5, "kid": 0.5})
            add_row(run, 250, fid + seed, given={"is": score + 0.1 * seed, "kid": 0.001 * (seed - 2)})
    return store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return made(tmp_path_factory.mktemp("scores") / "store")


def by(score: str | None, found: Collected) -> pd.DataFrame:
    ((_, name, runs),) = protocols.sections(found.runs)
    return judged(runs, found.rows[found.rows["protocol"] == name], score, PROTOCOL)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """What figures were asked for, by file: no test here needs their pictures."""
    asked: dict[str, Any] = {}

    def submit(self: FigureRenderer, stem: str, draw: Callable[..., Any], *arguments: Any, **options: Any) -> None:
        asked[Path(stem).name] = arguments
        self.made[stem] = "", True

    monkeypatch.setattr(FigureRenderer, "submit", submit)
    yield asked


def test_the_order_by_is_is_claimed_the_other_way_round(store: Store) -> None:
    found = collect(store)
    of_distance, of_is = pair_table(by(None, found), [1]), pair_table(by("is", found), [1], measure=IS)
    assert of_distance[["a", "b", "said"]].to_numpy().tolist() == [["NS GP", "NS SN", "a"]]
    assert of_is[["a", "b", "said"]].to_numpy().tolist() == [["NS GP", "NS SN", "b"]]
    assert of_distance["ratio"][0] == pytest.approx(20 / 40, rel=0.1) and "difference" not in of_distance
    low, middle, high = of_is[["difference_low", "difference", "difference_high"]].to_numpy(float)[0]
    assert middle == pytest.approx(-4) and -4.6 < low < middle < high < -3.4 and "ratio" not in of_is
    assert rank_table(of_is).set_index("cell")["highest"].to_dict() == {"NS GP": 2, "NS SN": 1}
    (said,) = model_sentences(by("is", found), of_is, measure=IS)
    assert "A model of normal IS (" in said and "log" not in said
    spread = spread_table(by("is", found), IS).set_index("cell")
    assert spread.loc["NS SN", "median"] == pytest.approx(7.25)
    assert spread.loc["NS SN", "seeds_sd"] == pytest.approx(np.std(0.1 * np.arange(6), ddof=1))


def test_a_diverged_run_is_the_worst_whatever_the_direction(tmp_path: Path) -> None:
    store = made(tmp_path, seeds=5)
    lost = add_run(store, [110.0, 15.0], config("ns", "gp", "none", 5), DIVERGED)
    add_row(lost, 0, 110.0, given={"is": 1.5})
    add_row(lost, 250, 15.0, given={"is": 9.9})
    add_run(store, [110.0, 15.0], config("ns", "none", "sn", 5), STOPPED)
    for score in (None, "is", "ms_ssim", "diversity"):
        runs = by(score, collect(store))
        assert np.isinf(runs.loc[runs["id"] == lost.id, "worth"]).all(), score
        assert runs["worth"].idxmax() == runs.index[runs["id"] == lost.id][0]
    units = unit_values(by("is", collect(store)))
    assert units["diverged"].sum() == 1 and units.loc[units["diverged"], "capped"].tolist() == [-1.5]
    stopped = units[units["least"] < units["worth"]]
    assert stopped[["cell", "least", "worth"]].to_numpy().tolist() == [["NS SN", -np.inf, np.inf]], "anything at all"
    assert set(unit_values(by(None, collect(store)))["least"].nsmallest(1)) == {0.0}, "a distance is not below zero"


def test_a_median_between_anything_and_a_diverged_seed_is_anything(tmp_path: Path) -> None:
    store = Store(tmp_path)
    add_run(store, [110.0, 20.0], config(seed=0), STOPPED)
    add_run(store, [110.0, None], config(seed=1), DIVERGED)
    add_run(store, [110.0, 30.0], config(seed=0, optim__lr_d=1e-4))
    (unit,) = unit_values(by("is", collect(store)), "setting").query("worth == inf").to_dict("records")
    assert unit["least"] == -np.inf and not unit["diverged"]


def test_a_cell_that_lacks_the_score_in_part_waits(tmp_path: Path, drawn: dict[str, Any]) -> None:
    store = made(tmp_path / "store", seeds=5)
    add_run(store, [], config("ns", "gp", "none", 7))
    bare = add_run(store, [110.0, 21.0], config("ns", "gp", "none", 8))
    add_row(bare, 250, 21.0, given={"kid": 0.004})
    found = collect(store)
    assert protocols.partly_scored(found.runs, by("is", found)) == {}
    assert protocols.partly_scored(found.runs, by("kid", found)) == {}
    plain = add_run(store, [110.0, 22.0], config("ns", "gp", "none", 9))
    found = collect(store)
    assert found.runs.loc[found.runs["id"] == plain.id, "kid"].isna().all()
    assert protocols.partly_scored(found.runs, by("kid", found)) == {"NS GP": (6, 7)}
    assert main(["--score", "kid", f"store={store.root}", "--out", str(tmp_path / "out")]) == 0
    page = (tmp_path / "out" / "index.html").read_text()
    assert "only some runs are scored by KID under this protocol: NS GP (6 of 7)" in page
    assert set(drawn["01-digits-budget"][0]["cell"]) == {"NS SN"}


def test_the_page_by_is(store: Store, tmp_path: Path, drawn: dict[str, Any]) -> None:
    out = tmp_path / "out"
    assert main(["--score", "IS", f"store={store.root}", "--out", str(out)]) == 0
    page = (out / "index.html").read_text()
    assert "<b>Compared by IS</b> (higher is better)" in page and "--score IS</code>" in page
    assert "one curve per cell; higher is better" in page and "is above the best of k runs of B" in page
    assert "B is better" in page and "A is better" not in page and "difference of IS, A minus B" in page
    assert "The paper's figures</h2>" not in page and not any("study" in stem for stem in drawn)
    (curves,) = re.findall(r'<script type="application/json">(.*?)</script>', page)
    lines = {line["label"]: line for line in json.loads(curves)["run"]["median"]}
    assert lines["NS GP"]["y"] == [3.3, 3.4, 3.4, 3.5, 3.5, 3.5] and lines["NS SN"]["y"][-1] == 7.5
    assert "b.line.y[b.i] - a.line.y[a.i]" in page and "logy: false" in page and 'yname: "IS"' in page
    best = pd.read_csv(out / "tables" / "01-digits-best.csv")
    assert best["is"].tolist() == [3.5, 7.5] and best["paper"].isna().all()
    # The tables of cells and runs are those of the page by the distance, and runs.csv can be read again.
    assert main([f"store={store.root}", "--out", str(tmp_path / "plain")]) == 0
    for name in ("runs.csv", "cells.csv"):
        assert (out / name).read_bytes() == (tmp_path / "plain" / name).read_bytes()
    again = tmp_path / "again"
    assert main(["--score", "is", "--csv", str(out / "runs.csv"), "--out", str(again)]) == 0
    claims = [pd.read_csv(one / "tables" / "01-digits-pairs.csv")["said"].tolist() for one in (out, again)]
    assert claims == [["b"], ["b"]]


def test_without_a_score_the_page_is_that_of_the_distance(store: Store, tmp_path: Path, drawn: dict[str, Any]) -> None:
    pages = []
    for number, asked in enumerate(([], ["--score", "fid"], ["--score", "fd_classifier"])):
        out = tmp_path / str(number)
        assert main([*asked, f"store={store.root}", "--out", str(out)]) == 0
        page = re.sub(r"Written \d.*? UTC", "", (out / "index.html").read_text())
        pages.append(re.sub(r"<code>python -m analysis.report.*?</code>", "", page))
    assert pages[0] == pages[1] == pages[2] and "Compared by" not in pages[0]
    assert "A is better" in pages[0] and "least[i] > 0 ? `[${digits(least[i])}, ${digits(most[i])}]`" in pages[0]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("fidelity", "is no score"),
        ("is_std", "has no direction"),
        ("d_accuracy", "has no direction"),
        ("spectrum", "has no direction"),
        ("modes", "no run here has it"),
        ("fd_imagenet", "no run here has it"),
    ],
)
def test_what_cells_cannot_be_compared_by_is_refused(
    name: str, why: str, store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--score", name, f"store={store.root}", "--out", str(tmp_path / "out")]) == 2
    (sentence,) = capsys.readouterr().err.strip().splitlines()
    assert f"--score {name}" in sentence and why in sentence
    assert sentence.endswith("give one of fid, fd_classifier, is, kid, ms_ssim, diversity")
    assert not (tmp_path / "out").exists()


def test_figures_are_in_the_scores_own_units_on_linear_axes(store: Store) -> None:
    found = collect(store)
    runs = by("is", found)
    units = unit_values(runs)
    figures = [
        budget_figure(units, {}, LOOKS, IS, "run", 1.5),
        band_figure(units, {}, LOOKS, IS, "run"),
        distribution_figure(units, LOOKS, IS, 1.5),
        hours_figure(timed(runs.assign(train_s=3600.0 * np.arange(1, 13))), LOOKS, IS, 0),
    ]
    for figure in figures:
        assert isinstance(figure, Figure)
        for ax in figure.axes:
            shown = [y for line in ax.lines if line.get_transform() == ax.transData for y in np.array(line.get_ydata())]
            assert ax.get_yscale() == "linear" and np.nanmin(shown) > 1 and np.nanmax(shown) <= 7.5
            assert "log" not in ax.get_ylabel()
    budget, band = figures[0].axes[0], figures[1].axes[1]  # type: ignore[union-attr]
    assert all((np.diff(np.array(line.get_ydata())) >= 0).all() for line in budget.lines[:2]), "the best rises"
    # A bound on the worse side alone: gray from there up to the better end.
    worth = units.loc[units["cell"] == "NS SN", "worth"].to_numpy(float)
    found_band = median_best_band(worth, budgets(6), best=IS.best)
    assert not found_band.bounded.any() and found_band.bounded_above.any()
    bar = band.patches[0]
    ends = sorted((bar.get_y(), bar.get_y() + bar.get_height()))  # type: ignore[attr-defined]
    assert ends[0] == pytest.approx(-found_band.upper[found_band.bounded_above][0]) and ends[1] == pytest.approx(
        band.get_ylim()[1]
    )


def test_confirmed_values_are_means_where_logs_make_no_sense(store: Store) -> None:
    found = collect(store)
    found.runs["stage"] = "confirm"
    kid = measure_of("kid", PROTOCOL)
    row = confirm_table(by("kid", found), measure=kid).set_index("cell").loc["NS GP"].to_dict()
    assert row["mean"] == row["middle"] == pytest.approx(0.0005) and row["middle_low"] < 0 < row["middle_high"]
    row = confirm_table(by("is", found), measure=IS).set_index("cell").loc["NS SN"].to_dict()
    assert row["mean"] == pytest.approx(7.25) and row["middle_low"] < 7.25 < row["middle_high"] < 7.6
    assert confirm_table(by(None, found)).set_index("cell")["middle"].to_dict()["NS GP"] < 22.5, "a geometric mean"


def test_a_measure_goes_both_ways() -> None:
    support = Measure("support size", COLUMNS["support"])
    own = np.array([10.0, 1000.0])
    for measure in (BY_DISTANCE, IS, support, Measure("KID", COLUMNS["kid"])):
        worth = measure.own(own)
        assert measure.own(worth).tolist() == own.tolist()
        assert measure.unscaled(measure.scaled(worth)) == pytest.approx(own)
        assert measure.scaled(np.array([np.inf])) == np.inf, "a diverged run"
        better = worth[1] < worth[0]
        assert better == measure.higher == (measure.scaled(worth)[1] < measure.scaled(worth)[0])
    assert support.unscaled(np.array(np.diff(support.scaled(support.own(own))))) == pytest.approx(100), "a ratio"
    assert (BY_DISTANCE.best, support.best, IS.best) == (0, -np.inf, -np.inf)
    assert BY_DISTANCE.axis("log scale") == "distance, log scale" and IS.axis("log scale") == "IS"
