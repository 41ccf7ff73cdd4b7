"""Claims about cells, units and protocols: what is grouped, what a unit is worth, and what may share a table."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from synthetic import PROTOCOL, add_row, add_run, config

import analysis
from analysis.estimators.tuning_curves import median_best
from analysis.loading.cells import cell_order, equal_seeds, independent, label_cells, unit_values, varied
from analysis.loading.protocols import (
    UNKNOWN,
    TwoProtocols,
    describe_floor,
    describe_protocol,
    differing,
    distance_label,
    one_protocol,
    partly_scored,
    sections,
)
from landscape.config.axes import cell_label
from landscape.store import Store
from landscape.store.protocols import EvalProtocol, defining

TRAIN = replace(PROTOCOL, real="train")
DONE_RUNS: dict[str, Any] = {"stage": "grid", "status": "done", "superseded": None}  # columns


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


@pytest.mark.parametrize(
    ("facts", "label"),
    [
        (("ns", "gp", "none", 1), "NS GP"),
        (("ns", "none", "sn", 1), "NS SN"),
        (("wgan", "gp", "none", 5), "WGAN GP 5"),
        (("ls", "none", "none", 1), "LS W/O"),
        (("ns", "gp", "sn", 1), "NS GP+SN"),
    ],
)
def test_a_cell_is_called_as_in_the_study(facts, label):
    assert cell_label(dict(zip(("loss", "penalty", "norm", "n_dis"), facts, strict=True))) == label


def frame(*rows):
    """Runs of one cell: (setting, seed, worth, step-0 score)."""
    names = ["setting", "seed", "worth", "fid_start"]
    return pd.DataFrame(rows, columns=names).assign(cell="NS GP", **DONE_RUNS)


def test_a_setting_is_the_median_of_its_seeds_and_diverges_with_half_of_them():
    units = unit_values(
        frame(("a", 0, 3.0, 90), ("a", 1, 1.0, 90), ("a", 2, 8.0, 90), ("b", 0, 2.0, 90), ("b", 1, np.inf, 90)),
        "setting",
    )
    assert units["worth"].tolist() == [3, math.inf] and units["capped"].tolist() == [3, 46]
    assert units["diverged"].tolist() == [False, True]


def test_a_diverged_run_is_capped_at_its_own_start():
    units = unit_values(frame(("a", 0, np.inf, 90), ("a", 1, np.inf, 95), ("a", 2, 7.0, 91)))
    assert units["capped"].tolist() == [90, 95, 7] and units["diverged"].tolist() == [True, True, False]


def test_a_missing_start_stays_missing():
    units = unit_values(frame(("a", 0, np.inf, np.nan), ("a", 1, 5.0, 91)), "setting")
    assert math.isnan(units["capped"][0])


def test_repeats_of_one_seed_count_once():
    assert unit_values(frame(("a", 0, 3.0, 90), ("a", 0, 5.0, 90), ("a", 1, 9.0, 90)))["worth"].tolist() == [4, 9]


@pytest.mark.slow
def test_a_cell_of_one_seed_a_setting_looks_no_better_than_an_equal_one_of_five():
    """Settings of sd 0.5, seeds of 0.5 (logarithms), 24 settings, 300 pairs of equal cells: by all seeds the first
    seemed better by 13, 17 and 24 % at k = 5, 10, 24."""
    rng, ks, better = np.random.default_rng(0), np.array([5, 10, 24]), {"all": [], "equal": []}
    for _ in range(300):
        rows = [
            (cell, f"{cell}{i}", seed, np.exp(level + rng.normal(0, 0.5)), 90)
            for cell, seeds in (("one", 1), ("five", 5))
            for i, level in enumerate(rng.normal(0, 0.5, 24))
            for seed in range(seeds)
        ]
        runs = pd.DataFrame(rows, columns=["cell", "setting", "seed", "worth", "fid_start"]).assign(**DONE_RUNS)
        for name, taken in (("all", runs), ("equal", equal_seeds(runs))):
            values = dict(iter(unit_values(taken, "setting").groupby("cell")["worth"]))
            one, five = (np.log(median_best(values[cell].to_numpy(), ks)) for cell in ("one", "five"))
            better[name].append(one - five)
    seemed, error = np.mean(better["all"], 0), np.std(better["equal"], 0) / np.sqrt(300)
    assert (seemed < -0.08).all() and (abs(np.mean(better["equal"], 0)) < 2.6 * error).all()


def test_equal_seeds_are_the_first_that_every_setting_of_several_has():
    rows = [("A", "a", 0), ("A", "a", 2), ("A", "b", 3), ("A", "b", 1), ("A", "b", 4), ("B", "c", 0)]
    rows += [("B", "c", seed) for seed in (1, 2)]
    runs = pd.DataFrame(rows, columns=["cell", "setting", "seed"]).assign(worth=1.0, **DONE_RUNS)
    kept = [tuple(row) for row in equal_seeds(runs)[["setting", "seed"]].to_numpy()]
    assert kept == [("a", 0), ("a", 2), ("b", 3), ("b", 1), ("c", 0), ("c", 1), ("c", 2)], (
        "a cell of one setting has all"
    )


def test_runs_without_a_result_are_left_out_and_an_unknown_unit_is_refused():
    assert unit_values(frame(("a", 0, np.nan, 90))).empty and unit_values(frame(("a", 0, np.nan, 90)), "setting").empty
    with pytest.raises(ValueError, match="run, setting"):
        unit_values(frame(), "seed")


def test_seeds_of_several_settings_are_no_independent_draws():
    assert independent(frame(("a", 0, 1.0, 9), ("a", 1, 2.0, 9)))
    assert independent(frame(("a", 0, 1.0, 9), ("b", 0, 2.0, 9)))
    assert not independent(frame(("a", 0, 1.0, 9), ("a", 1, 2.0, 9), ("b", 0, 2.0, 9)))


def test_cells_are_ordered_by_name_and_architectures_are_told_where_there_are_several(store):
    for loss, penalty in (("wgan", "gp"), ("ns", "none"), ("ns", "gp")):
        add_run(store, [9.0], config(loss, penalty))
    runs = analysis.load(store)
    assert cell_order(runs) == ["NS W/O", "NS GP", "WGAN GP"] and set(label_cells(runs)["cell"]) == set(runs["cell"])
    add_run(store, [9.0], config(arch__kind="resnet19", optim__lr_d=2e-3))
    runs = label_cells(analysis.load(store))
    assert cell_order(runs)[0] == "resnet19 NS GP" and varied(runs) == ["lr_d", "strength"]


def test_two_protocols_in_one_table_are_refused_with_the_keys_that_differ(store):
    run = add_run(store, [100.0, 20.0], config())
    add_row(run, 250, 19.0, TRAIN)
    found = analysis.collect(store)
    with pytest.raises(TwoProtocols, match=r"differ in real$"):
        one_protocol(found.runs, found.protocols)
    with pytest.raises(TwoProtocols):
        one_protocol(found.rows)
    assert one_protocol(found.rows[found.rows["protocol"] == TRAIN.id]) == TRAIN.id


def test_two_data_sets_in_one_table_are_refused(store):
    add_run(store, [9.0], config())
    add_run(store, [9.0], config(data__kind="cifar10", seed=1))
    with pytest.raises(TwoProtocols, match="cifar10, digits"):
        one_protocol(analysis.load(store))


def test_what_a_protocol_says_of_itself_sets_none_apart():
    assert differing(["a", "b"], {"a": PROTOCOL, "b": replace(PROTOCOL, accuracy=0.5, floor={}, floor_noisy={})}) == []
    assert differing(["a", "b"], {"a": PROTOCOL, "b": EvalProtocol()}) == sorted(
        key for key, value in defining(PROTOCOL).items() if value is not None
    )


def test_only_inceptions_distance_is_called_plain_fid():
    assert distance_label(EvalProtocol(extractor="inception")) == "FID"
    assert distance_label(PROTOCOL) == "FD (classifier)" and "classifier" in describe_protocol(PROTOCOL)
    assert distance_label(UNKNOWN) != "FID" and describe_protocol(UNKNOWN).endswith("cannot be read.")


def test_the_floor_is_said_as_far_as_it_is_known():
    known = "898 held-out real images score FD (classifier) 0.25, IS 9.12, MS-SSIM 0.210."
    assert describe_floor(PROTOCOL) == known
    assert describe_floor(EvalProtocol(floor={"is": 9.0})) == "Held-out real images score IS 9.00."
    assert describe_floor(UNKNOWN) == describe_floor(EvalProtocol(floor={"fid": "low"})) == ""


def test_each_protocol_has_its_section_and_unscored_runs_are_in_every_one(store):
    add_row(add_run(store, [100.0, 20.0], config()), 250, 19.0, TRAIN)
    add_run(store, [], config(seed=1), "planned")
    parts = sections(analysis.load(store))
    assert [name for _, name, _ in parts] == sorted([PROTOCOL.id, TRAIN.id])
    for _, name, runs in parts:
        assert one_protocol(runs) == name and len(runs) == 2


def test_a_diverged_run_counts_under_a_later_protocol_once_its_cell_is_scored(store):
    scored = [add_run(store, [100.0, 20.0 + seed], config(seed=seed)) for seed in range(2)]
    add_run(store, [100.0, None], config(seed=9), "diverged")
    add_run(store, [100.0, 30.0], config(seed=8), "stopped")
    add_row(scored[0], 250, 19.0, TRAIN)
    part = {name: runs for _, name, runs in sections(analysis.load(store))}[TRAIN.id]
    assert partly_scored(analysis.load(store), part) == {"NS GP": (2, 3)}, "the diverged one counts as scored"
    assert len(part) == 1, "half a cell is scored: counting all its diverged runs would weigh them double"
    add_row(scored[1], 250, 20.0, TRAIN)
    part = {name: runs for _, name, runs in sections(analysis.load(store))}[TRAIN.id]
    assert partly_scored(analysis.load(store), part) == {}
    assert sorted(part["worth"].dropna()) == [19, 20, math.inf] and part["id"].is_unique
    (stopped,) = part[part["status"] == "stopped"].to_dict("records")
    assert np.isnan([stopped[key] for key in ("fid", "fid_last", "worth", "is")]).all(), "it may have come to anything"
    assert one_protocol(part) == TRAIN.id
    assert math.isnan(unit_values(part)["capped"].max(skipna=False)), "its step-0 score is of the other protocol"
