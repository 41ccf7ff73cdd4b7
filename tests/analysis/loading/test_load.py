"""Claims about the frames: one row a run and protocol, last against best, and what a corrupt file costs."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import synthetic
from synthetic import PROTOCOL, add_row, add_run, config

import analysis
from analysis.loading import cache
from analysis.loading.runs import ROW_COLUMNS, RUN_COLUMNS
from landscape.config import axes
from landscape.store import Store
from landscape.store.metrics_row import MetricsRow


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def only(store, **changes):
    frame = analysis.load(store)
    assert len(frame) == 1
    return frame.iloc[0]


def test_an_empty_store_gives_empty_frames_with_all_columns(store):
    assert list(analysis.load(store).columns) == list(RUN_COLUMNS) and analysis.load(store).empty
    assert list(analysis.load_rows(store).columns) == list(ROW_COLUMNS)


def test_every_column_is_documented():
    for column in RUN_COLUMNS:
        assert column in analysis.load.__doc__, column


def test_the_score_is_the_last_evaluation_and_the_best_stands_apart(store):
    add_run(store, [100.0, 20.0, 30.0], config())
    row = only(store)
    assert (row["fid"], row["fid_last"], row["fid_best"], row["fid_start"], row["worth"]) == (30, 30, 20, 100, 30)
    assert row["diversity"] == pytest.approx(1 - row["ms_ssim"]) and row["evaluations"] == 3


def test_an_unfinished_run_has_no_score(store):
    add_run(store, [100.0, 20.0], config(), "running")
    row = only(store)
    assert math.isnan(row["fid"]) and math.isnan(row["worth"]) and math.isnan(row["is"]) and row["fid_last"] == 20


def test_a_diverged_run_has_no_score_and_is_worth_infinity(store):
    add_run(store, [100.0, 20.0, None], config(), "diverged", "loss_d is not finite")
    row = only(store)
    assert math.isnan(row["fid"]) and row["worth"] == math.inf and row["fid_start"] == 100
    assert row["reason"] == "loss_d is not finite" and row["why"] == "the features are not finite"


def test_a_finished_run_whose_last_distance_is_not_finite_counts_as_lost(store):
    add_run(store, [100.0, None], config())
    assert only(store)["worth"] == math.inf


def test_a_score_that_was_not_asked_for_is_unknown_not_lost(store):
    run = add_run(store, [], config())
    run.protocol_file("p").write_text("{}")
    run.append_row(MetricsRow(step=1000, protocol="p", more={"is": 3.0}))
    row = only(store)
    assert math.isnan(row["worth"]) and row["is"] == 3


def test_a_score_added_later_joins_the_evaluation_of_its_step(store):
    run = add_run(store, [100.0, 20.0], config())
    run.append_row(MetricsRow(step=250, protocol=PROTOCOL.id, more={"ms_ssim": 0.5}))
    row = only(store)
    assert (row["fid"], row["ms_ssim"], row["evaluations"]) == (20, 0.5, 2)
    assert len(analysis.load_rows(store)) == 2


def test_a_run_under_two_protocols_has_two_rows_and_one_without_any_has_one(store):
    run = add_run(store, [100.0, 20.0], config())
    add_row(run, 250, 19.0, replace(PROTOCOL, real="train"))
    add_run(store, [], config(seed=1), "planned")
    frame = analysis.load(store)
    assert len(frame) == 3 and frame["id"].nunique() == 2
    assert sorted(frame["fid"].dropna()) == [19, 20] and frame["protocol"].isna().sum() == 1


def test_a_setting_is_all_but_seed_and_repeat(store):
    for seed, repeat, rate in ((0, 0, 1e-3), (1, 0, 1e-3), (0, 1, 1e-3), (0, 0, 2e-3)):
        add_run(store, [9.0], config(seed=seed, repeat=repeat, optim__lr_d=rate))
    frame = analysis.load(store)
    assert frame.groupby("lr_d")["setting"].nunique().tolist() == [1, 1] and frame["setting"].nunique() == 2


def test_a_torn_last_line_is_passed_over(store):
    run = add_run(store, [100.0, 20.0], config())
    with run.metrics_file.open("a") as file:
        file.write('{"step": 500, "prot')
    assert only(store)["fid"] == 20 and analysis.load(store).attrs["problems"] == []


CORRUPT = {
    "config.yaml": ["{", "- 1\n", "loss: {kind: ns}\n", "\x00"],
    "status.json": ["{", "[]", '{"status": "happy"}', '{"status": "done", "train_s": "long"}'],
    "meta.json": ["{", "[1]", '{"machines": [1]}'],
    "metrics.jsonl": [
        "{\n",
        "3\n",
        '{"step": 1}\n',
        '{"step": "one", "protocol": "p"}\n',
        '{"step": 1, "protocol": "p", "fid": "x"}\n',
    ],
}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in CORRUPT.items() for text in texts])
def test_a_corrupt_file_is_named_and_left_alone_and_the_rest_is_loaded(store, name, text):
    add_run(store, [100.0, 20.0], config())
    broken = add_run(store, [100.0, 30.0], config(seed=1)).path / name
    broken.write_text(text)
    frame = analysis.load(store)
    assert [str(broken) in problem for problem in frame.attrs["problems"]] == [True]
    assert broken.read_text() == text
    assert 20 in set(frame["fid"])
    assert len(frame) == (1 if name == "config.yaml" else 2)


@pytest.mark.parametrize("name", ["config.yaml", "status.json", "meta.json"])
def test_a_missing_file_is_named(store, name):
    file = add_run(store, [9.0], config()).path / name
    file.unlink()
    assert analysis.load(store).attrs["problems"] == [f"{file} is missing"]


def test_a_missing_protocol_is_named_and_its_scores_stay(store):
    run = add_run(store, [9.0], config())
    run.protocol_file(PROTOCOL.id).unlink()
    found = analysis.collect(store)
    assert found.runs["fid"].tolist() == [9] and len(found.problems) == 1 and found.protocols == {}


def test_a_grid_is_loaded_whole(tmp_path):
    frame = analysis.load(synthetic.grid(tmp_path))
    assert frame["status"].value_counts().to_dict() == {"done": 17, "diverged": 1, "failed": 1, "running": 1}
    assert set(frame["cell"]) == {"NS GP", "NS SN", "WGAN GP", "WGAN SN", "LS GP", "LS SN"}


@pytest.mark.parametrize("change", [{"sharing": "many"}, {"sharing": [1]}, {"code": "x"}])
def test_a_machine_that_is_none_is_named(tmp_path, change):
    store = Store(tmp_path)
    run = add_run(store, [100.0, 9.0], config())
    synthetic.change_meta(run, machines=[synthetic.META["machines"][0] | change])
    assert str(run.meta_file) in analysis.load(store).attrs["problems"][0]


@pytest.mark.parametrize(("counts", "expected"), [([1, 1], 1), ([None, 1], 0), ([1, 4], 4), ([None, 3], 3)])
def test_a_run_had_its_device_to_itself_if_that_is_on_record_for_all_machines(tmp_path, counts, expected):
    store = Store(tmp_path)
    run = add_run(store, [100.0, 9.0], config())
    machine = synthetic.META["machines"][0]
    synthetic.change_meta(run, machines=[machine | {"sharing": count} for count in counts])
    assert analysis.load(store).iloc[0]["sharing"] == expected


def test_what_was_read_before_there_was_an_axis_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, copy = cache._code(), tmp_path / "axes.py"
    copy.write_text(Path(axes.__file__).read_text() + "# one more\n")
    monkeypatch.setattr(axes, "__file__", str(copy))
    cache._code.cache_clear()
    assert cache._code() != before
    monkeypatch.undo()
    cache._code.cache_clear()
    assert cache._code() == before
