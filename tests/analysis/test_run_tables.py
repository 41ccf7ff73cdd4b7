"""A table of runs in place of a store: the same report; and two sources beside each other."""

import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from support import ROOT
from synthetic import PROTOCOL, add_run, config, grid

import analysis.compare
import analysis.report
from analysis.loading.runs import collect
from analysis.loading.table_files import opened
from analysis.tables.comparisons import confirm_table
from analysis.tables.two_sources import sentences, two_sources
from landscape.store import Store, run_table


@pytest.mark.slow
def test_the_report_of_a_table_has_the_tables_of_the_report_of_its_store(tmp_path):
    store = grid(tmp_path / "store", seeds=6, settings=2, failures=False)
    file = tmp_path / "runs.csv.gz"
    run_table.write(run_table.of_store(store), file)
    for source, out in ((store.root, "one"), (file, "other")):
        assert analysis.report.main([f"store={source}", "--out", str(tmp_path / out)]) == 0
    names = sorted(path.name for path in (tmp_path / "one" / "tables").iterdir())
    assert any(name.endswith("pairs.csv") for name in names)
    assert names == sorted(path.name for path in (tmp_path / "other" / "tables").iterdir())
    for name in ["runs.csv", "cells.csv", *(f"tables/{name}" for name in names)]:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes(), name
    one, other = (json.loads((tmp_path / out / "figures.json").read_text()) for out in ("one", "other"))
    pages = {name for name in one if name.startswith("data/")}  # of single runs, which show a configuration in full
    assert one.keys() == other.keys() and all(one[name] == other[name] for name in one.keys() - pages)


def cells(root, levels, seeds=range(8), **changes):
    """A store of cells whose distances are about `levels`, by loss."""
    store, rng = Store(root), np.random.default_rng(5)
    for loss, level in levels.items():
        for seed in seeds:
            add_run(store, [100.0, level * float(np.exp(rng.normal(0, 0.1)))], config(loss, seed=seed), **changes)
    return store


def compared(mine, theirs):
    return two_sources(collect(mine), collect(theirs)).set_index("cell")


def test_cells_stand_beside_each_other_and_only_true_differences_are_claimed(tmp_path):
    mine = cells(tmp_path / "mine", {"ns": 10.0, "ls": 20.0, "wgan": 30.0})
    theirs = cells(tmp_path / "theirs", {"ns": 10.0, "ls": 40.0, "hinge": 1.0}, range(100, 108))
    found = compared(mine, theirs)
    assert found.loc["LS GP", "said"] == "mine" and found.loc["NS GP", "said"] == ""
    assert found.loc["LS GP", "ratio"] == pytest.approx(0.5, abs=0.1) and found.loc["LS GP", "chance"] == 1
    assert found.loc["LS GP", "ratio_low"] < found.loc["LS GP", "ratio"] < found.loc["LS GP", "ratio_high"]
    assert found.loc["WGAN GP", "why"] == "only in mine" and found.loc["HINGE GP", "why"] == "only in theirs"
    turned = compared(theirs, mine)
    assert turned.loc["LS GP", "said"] == "theirs" and turned.loc["LS GP", "p"] == found.loc["LS GP", "p"]
    assert turned.loc["LS GP", "ratio"] == pytest.approx(1 / found.loc["LS GP", "ratio"])


def test_claims_are_corrected_for_the_number_of_cells(tmp_path):
    """A p that is below 5 % in a cell alone and not among many."""
    rng, several = np.random.default_rng(0), ("ns", "ls", "wgan", "hinge", "ml", "minimax")
    stores = [Store(tmp_path / name) for name in ("mine", "theirs")]
    for loss in several:
        for place, store in enumerate(stores):
            for seed in range(6):
                level = 10.0 * float(np.exp(rng.normal(0, 0.3) + (0.45 * place if loss == "ns" else 0)))
                add_run(store, [100.0, level], config(loss, seed=100 * place + seed))
    found = compared(*stores)
    assert 0.05 / 6 < found.loc["NS GP", "p"] < 0.05 and (found["said"] == "").all()


def test_other_protocols_are_not_compared_and_the_keys_are_named(tmp_path):
    mine = cells(tmp_path / "mine", {"ns": 10.0})
    theirs = cells(tmp_path / "theirs", {"ns": 10.0}, protocol=replace(PROTOCOL, n_fake=500, real="train"))
    found = compared(mine, theirs)
    assert found.loc["NS GP", "why"] == "protocols differ: n_fake 899 against 500, real test against train"
    assert found["p"].isna().all()


def test_other_steps_are_not_compared(tmp_path):
    mine, theirs = (Store(tmp_path / name) for name in ("mine", "theirs"))
    for store, steps in ((mine, 1000), (theirs, 2000)):
        for seed in range(6):
            add_run(store, [100.0, 10.0 + seed], config("ns", seed=seed, train__steps=steps))
    assert compared(mine, theirs).loc["NS GP", "why"] == "1,000 against 2,000 steps"


def test_runs_that_both_have_are_counted_and_matched(tmp_path):
    """The same runs trained again by somebody else, one of them to another score."""
    mine = cells(tmp_path / "mine", {"ns": 10.0})
    theirs = cells(tmp_path / "theirs", {"ns": 10.0})
    run = theirs.run(theirs.run_ids()[0])
    run.metrics_file.write_text(run.metrics_file.read_text().replace('"fd_classifier": 1', '"fd_classifier": 2'))
    found = compared(mine, theirs)
    assert (found.loc["NS GP", "both"], found.loc["NS GP", "equal"], found.loc["NS GP", "said"]) == (8, 7, "")
    assert "8 runs are in both; 7 of them" in " ".join(sentences(found.reset_index()))


def test_the_command_takes_stores_and_tables(tmp_path, capsys):
    mine = cells(tmp_path / "mine", {"ns": 10.0, "ls": 20.0})
    theirs = cells(tmp_path / "theirs", {"ns": 10.0, "ls": 40.0}, range(100, 108))
    file, out = tmp_path / "theirs.csv", tmp_path / "out.csv"
    run_table.write(run_table.of_store(theirs), file)
    assert analysis.compare.main([str(mine.root), str(file), "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "mine is better" in said and "none claimed" in said and "2 of 2 rows are compared" in said
    assert set(pd.read_csv(out)["cell"]) == {"LS GP", "NS GP"}
    assert analysis.compare.main([str(mine.root), str(tmp_path / "nowhere")]) == 2
    assert "there is no store and no table at" in capsys.readouterr().err


def test_a_table_that_was_changed_is_refused_by_the_report(tmp_path, capsys):
    store = cells(tmp_path / "store", {"ns": 10.0, "ls": 20.0})
    file = tmp_path / "runs.csv"
    run_table.write(run_table.of_store(store), file)
    file.write_text(file.read_text().replace('""lr_d"":0.001', '""lr_d"":0.002'))
    assert analysis.report.main([f"store={file}", "--out", str(tmp_path / "out")]) == 2
    assert "its configuration has the id" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_a_store_stays_what_it_is(tmp_path):
    with opened(tmp_path) as found:
        assert found.root == tmp_path


def test_the_small_study_is_in_its_table_as_its_document_has_it():
    """The confirmed values of docs/small-study.md, computed again from the table beside it."""
    file, text = (
        next((ROOT / "docs" / "studies").glob("small-*.csv.gz")),
        (ROOT / "docs" / "small-study.md").read_text(),
    )
    assert f"make report STORE=docs/studies/{file.name}" in text and file.stat().st_size < 500_000
    said = {
        cell: (mean, sd) for cell, mean, sd in re.findall(r"^\| ([^|]+) \|.*\*\*([\d.]+) ± ([\d.]+)\*\*", text, re.M)
    }
    with opened(file) as store:
        runs = collect(store).runs
    final = runs[(runs["stage"] == "confirm") & (runs["protocol"] != runs["protocol"].mode()[0])]
    found = confirm_table(final).set_index("cell")
    assert len(runs["id"].unique()) == 451 and set(said) == set(found.index)
    for cell, (mean, sd) in said.items():
        for value, told in ((found.loc[cell, "mean"], mean), (found.loc[cell, "sd"], sd)):
            assert float(told) == pytest.approx(value, abs=0.5 if "." not in told else 0.05), cell
