"""Costs are those of the processor where every run has them on record, in all tables, sentences and figures alike."""

import math
from dataclasses import replace

import matplotlib.figure
import pandas as pd
import pytest
from synthetic import add_run, config, looks_of

from analysis.estimators.early_stopping import replay_table, saved_table, saved_whole
from analysis.estimators.time_budget import timed
from analysis.figures.budget import hours_figure
from analysis.loading.measure import BY_DISTANCE
from analysis.loading.runs import load, load_rows
from analysis.report import make_report
from analysis.tables.early_stopping import early_stopping_tables
from analysis.tables.evaluation_cost import evaluation_sentences
from analysis.tables.runs_and_cells import cell_table
from landscape.config.identity import run_id
from landscape.store import STOPPED, Store

RULE = "stop.factor=3 stop.evaluations=2"
FACTOR = "the distance is above 3 times the best"


@pytest.fixture
def store(tmp_path) -> Store:
    """Runs on a CPU that was shared: by the clock four times the CPU seconds of training, as many of evaluation."""
    store = Store(tmp_path / "store")
    add(store, [100.0, 9.0, 50.0], 0, status=STOPPED, reason=FACTOR)
    add(store, [50.0, 180.0, 190.0, 200.0, 200.0], 1)
    add(store, [100.0, 9.0, 8.0, 7.0, 6.0], 2)
    add(store, [], 3, status="planned")
    return store


def add(store, fids, seed, **more):
    run = add_run(store, fids, config(seed=seed), **more)
    status = run.status()
    if fids:
        run.write_status(replace(status, train_busy_s=status.train_s / 4, eval_busy_s=status.eval_s))
    else:
        run.write_status(replace(status, train_s=None, eval_s=None, wasted_s=0.0))
    return run


def lacking(runs):
    """The same where an older program began one run."""
    return runs.assign(train_cpu_s=runs["train_cpu_s"].where(runs["seed"] != 1))


def test_a_run_that_did_not_begin_has_worked_nothing(store):
    runs = load(store).set_index("seed")
    assert runs.loc[3, ["train_cpu_s", "eval_cpu_s"]].tolist() == [0, 0]
    assert runs.loc[2, "train_cpu_s"] == pytest.approx(12.5)


def test_one_clock_for_every_cost(store):
    runs, rows = load(store), load_rows(store)
    wall = lacking(runs)
    for frame, train_s in ((runs, 12.5), (wall, 50.0)):
        whole = train_s + 2  # of a run that is let finish: five evaluations of 0.4 s
        left = train_s / 2 + 0.8
        (cell,) = cell_table(frame).to_dict("records")
        evaluated, trained = 13 * 0.4, 2.5 * train_s
        assert cell["eval_share"] == pytest.approx(evaluated / (evaluated + trained))
        table = saved_table(frame)
        assert table["saved_s"].sum() == pytest.approx(left)
        assert table["saved_share"].sum() == pytest.approx(left / (3 * whole))
        assert saved_whole(frame, table)["saved_share"] == pytest.approx(left / (3 * whole))
        replayed = replay_table(frame, rows, [RULE])
        assert replayed["share"].tolist() == [pytest.approx(left / (2 * whole))]
    assert cell_table(runs)["train_cpu_s"].item() == pytest.approx(31.25)
    assert cell_table(runs)["train_s"].item() == pytest.approx(125)
    assert "train_cpu_s" not in cell_table(wall)


def test_texts_and_axes_say_whose_time_it_is(store):
    runs, rows = load(store), load_rows(store)
    for frame, words, axis in ((runs, "of the CPU time", "CPU minutes"), (lacking(runs), "of the time", "minutes")):
        assert words in evaluation_sentences(frame)[0]
        said = early_stopping_tables(frame, rows)[1]
        assert ("of CPU time not spent" in said["saved"]) == (axis == "CPU minutes")
        assert any(f"{words};" in text for text in said["cost"])
        figure = hours_figure(timed(frame), looks_of(["NS GP"]), BY_DISTANCE, 0)
        assert isinstance(figure, matplotlib.figure.Figure)
        assert figure.axes[0].get_xlabel() == f"{axis}, one run at a time"
        assert figure.axes[0].get_title(loc="left") == f"{axis[0].upper()}{axis[1:]} of training"


def test_the_page_and_its_tables_show_one_clock(store, tmp_path):
    make_report(store, tmp_path / "out")
    page, cells = (tmp_path / "out" / "index.html").read_text(), pd.read_csv(tmp_path / "out" / "cells.csv")
    assert "31 s of CPU time in training" in page and "training, CPU time" in page and "CPU time saved" in page
    assert ">training<" not in page and "of the CPU time" in page
    assert cells["train_s"].item() == pytest.approx(125) and cells["train_cpu_s"].item() == pytest.approx(31.25)
    tex = (next((tmp_path / "out" / "tables").glob("*-cells.tex"))).read_text()
    assert "training, CPU time" in tex and "training &" not in tex
    run = store.run(run_id(config(seed=1)))
    run.write_status(replace(run.status(), train_busy_s=None, eval_busy_s=None))
    make_report(store, tmp_path / "out")
    page = (tmp_path / "out" / "index.html").read_text()
    assert "2 min 5 s of training" in page and "CPU time" not in page
    assert math.isnan(load(store).set_index("seed")["train_cpu_s"][1])
