"""Claims about cells pooled over n_dis: they are one, labelled so everywhere, and nothing else of a run changes."""

import numpy as np
import pandas as pd
import pytest
from synthetic import add_run, config, looks_of

import analysis
from analysis.figures.paper_layout import paper_figures
from analysis.loading.cells import unit_values
from analysis.loading.pooling import pool_cells
from analysis.report import main
from analysis.tables.pairs import samples
from landscape.store import Store

POOLED = "WGAN GP (n_dis 1, 5)"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """NS GP at n_dis 1, WGAN GP at 1 and 5, LS GP at 5: four learning rates each."""
    store, rng = Store(tmp_path_factory.mktemp("pool")), np.random.default_rng(0)
    for loss, counts in (("ns", (1,)), ("wgan", (1, 5)), ("ls", (5,))):
        for n_dis in counts:
            for place in range(4):
                rate = 1e-4 * 2**place
                changes = {"optim__lr_d": rate, "optim__lr_g": rate, "optim__n_dis": n_dis}
                add_run(store, [100.0, 50.0, float(rng.uniform(5, 30))], config(loss, "gp", **changes))
    return store


@pytest.fixture(scope="module")
def found(store):
    return pool_cells(analysis.collect(store))


def test_cells_that_differ_in_n_dis_alone_are_one_and_say_so(store, found):
    assert found.runs["cell"].value_counts().to_dict() == {POOLED: 8, "NS GP": 4, "LS GP 5": 4}
    assert set(found.rows["cell"]) == set(found.runs["cell"])
    plain = analysis.collect(store).runs
    pd.testing.assert_frame_equal(found.runs.drop(columns="cell"), plain.drop(columns="cell"))
    assert len(unit_values(found.runs, "setting").query("cell == @POOLED")) == 8, "a setting has one n_dis"


def test_a_pooled_cell_looks_as_the_one_it_is_made_of():
    assert looks_of([POOLED])[POOLED] == looks_of(["WGAN GP"])["WGAN GP"]
    assert looks_of([f"resnet19 {POOLED}"]) == {
        f"resnet19 {POOLED}": looks_of(["resnet19 WGAN GP"])["resnet19 WGAN GP"]
    }


def test_a_pooled_cell_is_matched_on_n_dis_as_far_as_it_is_shared(store, found):
    kept = samples(analysis.load(store))
    assert set(kept["NS GP"].keys) == set(kept["WGAN GP 5"].keys), "n_dis is of the cell"
    pooled = samples(found.runs)
    assert len(pooled[POOLED].keys) == 8 and set(pooled["NS GP"].keys) < set(pooled[POOLED].keys)
    assert not set(pooled["NS GP"].keys) & set(pooled["LS GP 5"].keys)


def test_the_studys_figures_have_a_pooled_cell_once(found):
    (figure,) = paper_figures(found.runs, pooled=True)
    assert list(figure.cells) == ["NS GP", POOLED, "LS GP 5"] and "n_dis" not in figure.cells[POOLED]
    (apart,) = paper_figures(found.runs)
    assert list(apart.cells) == ["NS GP", "WGAN GP 5", "LS GP 5"]
    of_ns = found.runs.assign(loss="ns", norm=found.runs["loss"].map({"ns": "sn", "wgan": "none", "ls": "ln"}))
    of_ns["penalty"] = of_ns["penalty"].where(of_ns["norm"] == "none", "none")
    regularization = paper_figures(of_ns, pooled=True)[0]
    assert "GP (n_dis 1, 5)" in regularization.cells and "GP 5" not in regularization.cells


def test_the_report_pools_on_demand_in_tables_and_figures(store, tmp_path, capsys):
    out = tmp_path / "out"
    assert main([f"store={store.root}", "--out", str(out), "--pool", "n_dis"]) == 0
    page = (out / "index.html").read_text()
    assert "Pooled over n_dis" in page and POOLED in page and "WGAN GP 5" not in page
    cells = pd.read_csv(out / "cells.csv").set_index("cell")
    assert cells.loc[POOLED, "runs"] == 8 and "n_dis" in cells.loc[POOLED, "varied"]
    best = (out / "tables" / "01-digits-best.tex").read_text()
    assert "n\\_dis" in best
    assert POOLED in (out / "figures" / "01-digits-budget.svg").read_text()
    assert POOLED in (out / "figures" / "study-loss.svg").read_text()
    assert POOLED in "".join(file.read_text() for file in (out / "data").iterdir())
    assert main([f"store={store.root}", "--out", str(out)]) == 0
    assert POOLED not in "".join(file.read_text() for file in (out / "data").iterdir())
    page = (out / "index.html").read_text()
    assert "Pooled" not in page and POOLED not in page and "WGAN GP 5" in page
    assert "n\\_dis" not in (out / "tables" / "01-digits-best.tex").read_text(), "the label says it"


def test_nothing_else_is_pooled_over(store, tmp_path, capsys):
    assert main([f"store={store.root}", "--out", str(tmp_path), "--pool", "loss"]) == 2
    assert "invalid choice: 'loss'" in capsys.readouterr().err
