"""Claims about the table of diagnostics: there where measured, medians of those measured, the real images' last."""

import pytest
from synthetic import PROTOCOL, add_run, config

import analysis
from analysis.report import make_report
from analysis.tables.diagnostics import HEADERS, REAL, describe_cost, diagnostic_table
from landscape.scores import CURVES, DIAGNOSTICS
from landscape.store import Store
from landscape.store.metrics_row import MetricsRow
from landscape.store.protocols import EvalProtocol

NAME = PROTOCOL.id


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def measured(store, seed, **scores):
    """A run of one evaluation whose diagnostics came in a later row of the same step."""
    run = add_run(store, [20.0], config(seed=seed))
    run.append_row(MetricsRow(step=0, protocol=NAME, more=scores))
    return run


def test_medians_are_over_the_runs_that_were_asked_and_only_their_columns_are_shown(store):
    measured(store, 0, prd_f8=0.2, support=None, why={"support": "no duplicate among 9 samples"})
    measured(store, 1, prd_f8=0.4)
    add_run(store, [30.0], config(seed=2))
    table = diagnostic_table(analysis.load(store), EvalProtocol())
    assert list(table.columns) == ["cell", "prd_f8"] and table["prd_f8"].tolist() == [pytest.approx(0.3)]


def test_real_images_stand_below_the_cells(store):
    measured(store, 0, prd_f8=0.2, d_acc_fake=0.5)
    floor = {"n": 500, "prd_f8": 0.98, "fid": 0.4, "mrlt": [1.0]}
    table = diagnostic_table(analysis.load(store), EvalProtocol(floor=floor)).set_index("cell")
    assert table.loc[REAL, "prd_f8"] == 0.98 and list(table.columns) == ["prd_f8", "d_acc_fake"]


def test_runs_without_diagnostics_have_no_table_and_the_report_none(store, tmp_path):
    add_run(store, [20.0], config())
    assert diagnostic_table(analysis.load(store), EvalProtocol(floor={"prd_f8": 1.0})).empty
    make_report(store, tmp_path / "a")
    assert "Diagnostics" not in (tmp_path / "a" / "index.html").read_text()
    measured(store, 1, prd_f8=0.25, cost={"prd": 0.7, "fid": 0.001})
    make_report(store, tmp_path / "b")
    page = (tmp_path / "b" / "index.html").read_text()
    assert "Diagnostics" in page and "recall (PRD F8)" in page and "0.25" in page and "prd 0.7 s" in page


def test_a_conditioning_that_was_measured_has_a_figure(store, tmp_path):
    for seed, kappa in enumerate((5.0, 6.0, 9.0)):
        measured(store, seed, log_condition=kappa)
    make_report(store, tmp_path / "report")
    page = (tmp_path / "report" / "index.html").read_text()
    assert "Conditioning of the generator" in page and "-conditioning.png" in page
    assert (tmp_path / "report" / "figures" / "01-digits-conditioning.svg").is_file()


def test_curves_are_lists_and_one_that_is_none_costs_the_file(store):
    run = measured(store, 0, spectrum=[1.0, -2.0], cost={"conditioning": 3.0})
    rows = analysis.load_rows(store)
    assert rows["spectrum"].iloc[0] == [1.0, -2.0] and rows["cost"].iloc[0] == {"conditioning": 3.0}
    run.append_row(MetricsRow(step=5, protocol=NAME, more={"mrlt": ["a"]}))
    frame = analysis.load(store)
    assert len(frame.attrs["problems"]) == 1 and "metrics.jsonl" in frame.attrs["problems"][0]


def test_cost_is_the_median_of_evaluations(store):
    for seed, seconds in enumerate((1.0, 2.0, 9.0)):
        measured(store, seed, cost={"prd": seconds, "is": 0.0001})
    assert describe_cost(analysis.load_rows(store)) == "Median cost of an evaluation: prd 2 s."


def test_every_diagnostic_has_a_head_and_a_name_in_the_scores():
    assert set(HEADERS) == {"cell", *DIAGNOSTICS} and not set(CURVES) & set(DIAGNOSTICS)
