"""What stands first: the sentence that may be claimed, and the cells best first, on the page and in the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from synthetic import PROTOCOL, add_row, add_run, config

from analysis.loading import protocols
from analysis.loading.measure import judged, measure_of
from analysis.loading.runs import collect
from analysis.report import main
from analysis.tables.comparisons import spread_table
from analysis.tables.pairs import could_be_told, pair_table, rank_table
from analysis.tables.standings import answer, as_lines, shown_standings, standing_table
from landscape.store import DIVERGED, FAILED, Store

CELLS = {"NS GP": ("ns", "gp", "none"), "NS SN": ("ns", "none", "sn"), "WGAN GP": ("wgan", "gp", "none")}
FAR = {"NS GP": (10, 11, 10.5, 10.2, 10.8), "NS SN": (20, 21, 20.5, 20.2, 20.8), "WGAN GP": (40, 41, 40.5, 40.2, 40.8)}


def made(root: Path, scores: Mapping[str, tuple[float, ...]]) -> Store:
    """A store of these final distances by cell, a seed each; a better cell has the higher IS."""
    store = Store(root / "store")
    for label, values in scores.items():
        for seed, value in enumerate(values):
            run = add_run(store, [110.0, value], config(*CELLS[label], seed), picture=True)
            add_row(run, 250, value, given={"is": 9 - value / 10})
    return store


def section(store: Store, score: str | None = None) -> pd.DataFrame:
    found = collect(store)
    ((_, name, runs),) = protocols.sections(found.runs)
    return judged(runs, found.rows[found.rows["protocol"] == name], score, PROTOCOL)


def said(runs: pd.DataFrame) -> list[str]:
    pairs = pair_table(runs, [1])
    return answer([*CELLS], pairs, rank_table(pairs), could_be_told(runs), "5 %", [])


def test_one_cell_is_the_best_or_one_of_those_that_none_beats(tmp_path: Path) -> None:
    assert said(section(made(tmp_path / "far", FAR))) == ["NS GP is the best of 3 cells (error 5 %)."]
    mixed = FAR | {"NS SN": (10.1, 10.9, 10.4, 10.3, 10.7)}
    assert said(section(made(tmp_path / "near", mixed))) == [
        "The best of 3 cells is NS GP or NS SN; 1 is beaten (error 5 %)."
    ]


def test_where_nothing_is_claimed_it_is_said_with_what_would_be_enough(tmp_path: Path) -> None:
    alike = {label: (10.0 + i, 20.0 - i, 15.0 + i, 12.0, 18.0 - i) for i, label in enumerate(CELLS)}
    first, second = said(section(made(tmp_path / "alike", alike)))
    assert first == "No two of 3 cells can be told apart at an error of 5 %; the order below may be chance."
    assert "5 seeds" in second
    first, second = said(section(made(tmp_path / "few", {label: values[:2] for label, values in FAR.items()})))
    assert first.startswith("Nothing is claimed")
    assert "detect a difference" in second


def test_of_one_cell_or_of_runs_picked_by_outcome_nothing_is_claimed(tmp_path: Path) -> None:
    runs = section(made(tmp_path, FAR))
    pairs = pair_table(runs, [1])
    assert answer(["NS GP"], pairs[:0], rank_table(pairs[:0]), "", "5 %", []) == [
        "There is one cell, and nothing to compare it with."
    ]
    (sentence,) = answer([*CELLS], pairs, rank_table(pairs), "", "5 %", ["status=done"])
    assert sentence == "Nothing is claimed, because the runs were filtered by outcome (status=done)."


def test_cells_stand_best_first_with_their_failures_and_partly_scored_ones_last(tmp_path: Path) -> None:
    store = made(tmp_path, FAR)
    add_run(store, [110.0, 30.0, None], config("ns", "gp", "none", 5), DIVERGED)
    add_run(store, [110.0], config("ns", "gp", "none", 6), FAILED, reason="no disk")
    runs, measure = section(store), measure_of(None, PROTOCOL)
    table = standing_table(runs, spread_table(runs, measure), [], measure)
    assert list(table["cell"]) == ["NS GP", "NS SN", "WGAN GP"]
    assert list(table["lost"]) == [2, 0, 0]
    assert list(table["results"]) == [6, 5, 5]
    assert table["score_best"][0] == 10
    assert np.isclose(table["seeds_sd"][1], np.std(np.log(FAR["NS SN"]), ddof=1))
    partly = standing_table(runs, spread_table(runs, measure), ["NS GP"], measure)
    assert list(partly["cell"]) == ["NS SN", "WGAN GP", "NS GP"]
    assert list(shown_standings(partly, measure)["score_median"]) == ["20.5", "40.5", ""]


def test_by_a_score_of_which_more_is_better_the_highest_stands_first(tmp_path: Path) -> None:
    runs, measure = section(made(tmp_path, FAR), "is"), measure_of("is", PROTOCOL)
    table = standing_table(runs, spread_table(runs, measure), [], measure)
    assert list(table["cell"]) == ["NS GP", "NS SN", "WGAN GP"]
    assert table["score_median"].round(2).tolist() == [7.95, 6.95, 4.95]
    assert table["score_best"].round(2).tolist() == [8.0, 7.0, 5.0]


def test_a_long_table_ends_with_how_much_is_left_out() -> None:
    lines = as_lines(["cell", "n"], [[f"cell {i}", ""] for i in range(25)])
    assert lines[1] == "cell 0   -"
    assert lines[-1] == "and 5 more, on the page"
    assert len(lines) == 22


def test_the_answer_is_the_first_thing_on_the_page_and_in_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store, out = made(tmp_path, FAR), tmp_path / "report"
    real = store.real_images(PROTOCOL.id)
    real.parent.mkdir(parents=True)
    Image.new("L", (71, 71)).save(real)
    assert main([f"store={store.root}", f"--out={out}"]) == 0
    page = (out / "index.html").read_text()
    stations = ("NS GP is the best of 3 cells (error 5 %).", "best first", "Real images", "<h3>Budget</h3>")
    places = [page.index(text) for text in (*stations, 'id="studies"', "<h3>Cells</h3>")]
    assert places == sorted(places)
    assert (out / "samples" / f"real-{PROTOCOL.id}.png").is_file()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == stations[0]
    assert [line.split("  ")[0] for line in lines[1:5]] == ["cell", *FAR]
    assert "runs (15 done)" in lines[-1]
