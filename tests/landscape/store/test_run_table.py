"""A store as a table: what it holds and leaves out, that it comes back the same, and that nothing forged gets in."""

import gzip
import json
from dataclasses import replace

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from synthetic import add_row, add_run, add_sweep, change_meta, config, searched

from analysis.loading.runs import collect
from landscape.config.errors import CorruptFile, UserError
from landscape.store import Store, run_table
from sweeps.__main__ import VERBS, main
from sweeps.race.replay import read_table


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A search with its trials, a diverged, a failed and a running run, and a sweep with what is nobody's business."""
    root = tmp_path_factory.mktemp("table") / "store"
    made = searched(root)
    for seed, state in enumerate(("done", "done", "diverged", "failed", "running")):
        add_run(made, [118.0, 30.0, None if state == "diverged" else 20.0], config("ls", "none", "sn", seed), state)
    secret = ["loss=ns", "launcher.setup=[touch owned]", "search.storage=postgresql://me:pass@host/db", f"store={root}"]
    add_sweep(made, "small-1", secret, made.run_ids()[:4])
    run = made.run(made.run_ids()[0])
    change_meta(run, overrides=["loss=ns", "data.path=/home/me"], machines=[{"host": "my-box", "cpu": "a CPU"}])
    run.write_status(replace(run.status(), warnings=[f"{root}/runs is slow"]))
    return made


@pytest.fixture(scope="module")
def table(store):
    return run_table.of_store(store)


@pytest.fixture
def file(table, tmp_path):
    run_table.write(table, tmp_path / "runs.csv.gz")
    return tmp_path / "runs.csv.gz"


def forged(file, change):
    """The file with its frame changed by `change`."""
    frame = pd.read_csv(file, dtype=str, keep_default_na=False)
    change(frame)
    frame.to_csv(file, index=False, lineterminator="\n")
    return file


def in_json(frame, row, column, change):
    part = json.loads(frame.loc[row, column])
    change(part)
    frame.loc[row, column] = json.dumps(part)


def test_what_is_read_from_the_copy_is_what_is_read_from_the_store(store, file, tmp_path):
    copy = Store(tmp_path / "copy")
    table = run_table.read(file)
    assert run_table.put(table, copy) == (len(table.runs), 0) and table.left_out == 0
    mine, theirs = collect(store), collect(copy)
    ended = mine.runs["status"] != "running"
    assert (~ended).sum() == 1  # it has not ended, and is not in the table
    assert_frame_equal(mine.runs[ended].reset_index(drop=True), theirs.runs)
    kept = mine.rows["status"] != "running"
    assert_frame_equal(mine.rows[kept].reset_index(drop=True), theirs.rows)
    assert_frame_equal(mine.trials, theirs.trials)
    assert mine.protocols == theirs.protocols and theirs.problems == []
    assert [one.runs for one in mine.sweeps] == [one.runs for one in theirs.sweeps]
    assert run_table.of_store(copy).digest == table.digest
    assert run_table.put(table, copy) == (0, len(table.runs))  # again


@pytest.mark.parametrize("format", ["csv", "csv.gz", "parquet"])
def test_every_format_holds_the_same(table, tmp_path, format):
    if format == "parquet":
        pytest.importorskip("pyarrow")
    file = tmp_path / f"runs-{table.digest[:12]}.{format}"
    run_table.write(table, file)
    assert run_table.read(file).digest == table.digest
    first = file.read_bytes()
    run_table.write(table, file)
    assert format == "parquet" or file.read_bytes() == first


def test_parquet_without_pyarrow_names_the_extra(table, tmp_path, monkeypatch):
    def lacks(*_, **__):
        raise ImportError("pyarrow")

    monkeypatch.setattr(pd.DataFrame, "to_parquet", lacks)
    with pytest.raises(UserError, match=r"gan-landscape\[parquet\]"):
        run_table.write(table, tmp_path / "runs.parquet")


def test_nothing_of_the_machine_or_the_person_is_in_it(store, file):
    text = gzip.decompress(file.read_bytes()).decode()
    for private in (str(store.root), "my-box", "/home/me", "pass@host", "touch owned", "launcher."):
        assert private not in text, private
    assert "a CPU" in text and "store/runs is slow" in text


def test_the_readable_columns_say_what_the_records_say(table):
    frame = table.frame()
    run = frame[(frame["record"] == "run") & (frame["status"] == "done")].iloc[0]
    rows = json.loads(run["metrics"])
    assert run["fd_classifier"] == rows[-1]["fd_classifier"] and run["step"] == rows[-1]["step"]
    assert json.loads(run["config"])["optim"]["lr_d"] == run["lr_d"]
    assert frame.loc[frame["status"] == "diverged", "fd_classifier"].isna().all()
    assert set(frame["stage"].dropna()) == {"grid", "search", "confirm"}


FORGERIES = {
    "a better score in the readable column": (
        lambda f: f.__setitem__("fd_classifier", f["fd_classifier"].where(f.index != 0, "1.0")),
        "its records say",
    ),
    "another learning rate under the id": (
        lambda f: in_json(f, 0, "config", lambda c: c["optim"].update(lr_d=0.5, lr_g=0.5)),
        "its configuration has the id",
    ),
    "another data set under the id": (
        lambda f: in_json(f, 0, "config", lambda c: c["data"].update(content="cd" * 32)),
        "its configuration has the id",
    ),
    "scores under an easier protocol": (
        lambda f: in_json(f, 0, "protocols", lambda p: next(iter(p.values())).update(n_fake=10)),
        "has the id",
    ),
    "a row of a protocol that is not there": (
        lambda f: in_json(f, 0, "metrics", lambda rows: rows[-1].update(protocol="abc")),
        "it lacks protocol abc",
    ),
    "an id that leaves the store": (lambda f: f.__setitem__("id", ["../../x", *f["id"][1:]]), "not an id"),
    "a run that is said to have another state": (
        lambda f: in_json(f, 0, "state", lambda s: s.update(status="running")),
        "it has not ended",
    ),
    "a run twice": (lambda f: f.__setitem__("id", [f["id"][1], *f["id"][1:]]), "its configuration has the id"),
    "no records": (lambda f: f.pop("config"), "it lacks the column config"),
    "text in place of a record": (lambda f: f.__setitem__("meta", "{"), "is not valid JSON"),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_what_does_not_match_is_refused_and_nothing_is_added(file, tmp_path, forgery):
    change, why = FORGERIES[forgery]
    plain = file.with_name("runs.csv")
    plain.write_bytes(gzip.decompress(file.read_bytes()))
    assert main(["import", str(forged(plain, change)), f"store={tmp_path / 'copy'}"]) == 2
    with pytest.raises(CorruptFile, match=why):
        run_table.read(plain)
    assert not (tmp_path / "copy").exists()


def test_a_file_is_named_by_its_content(table, tmp_path):
    other = tmp_path / f"runs-{'0' * 12}.csv"
    run_table.write(table, other)
    with pytest.raises(CorruptFile, match="not what its name says"):
        run_table.read(other)


def test_shell_lines_of_a_stranger_are_not_taken_over(table, tmp_path):
    """A plan that was put into the table by hand, with what `retry` would run."""
    plan = {"command": ["loss=ns", "launcher.setup=[touch owned]"], "runs": [], "launcher": {"kind": "slurm"}}
    bad = replace(table, rows=(*table.runs, run_table.Records("sweep", "bad", {"plan": plan})))
    run_table.write(bad, tmp_path / "bad.csv")
    copy = Store(tmp_path / "copy")
    run_table.put(run_table.read(tmp_path / "bad.csv"), copy)
    kept = copy.sweep("bad").plan()
    assert list(kept.command) == ["loss=ns"] and kept.launcher is None


def test_export_and_import_from_the_command_line(store, table, tmp_path, capsys):
    out = tmp_path / "out"
    assert VERBS["export"]([f"store={store.root}", "--out", str(out), "--name", "mine", "--format", "csv"]) == 0
    file, sheet = out / f"mine-{table.digest[:12]}.csv", out / f"mine-{table.digest[:12]}.md"
    assert "1 run had not ended" in capsys.readouterr().out
    told = sheet.read_text()
    assert table.digest in told and "| digits | sndcgan | LS SN | 4 | 1 | 4 | 1,000 | 1 diverged, 1 failed |" in told
    assert all(f"`{name}`" in told for name in run_table.RECORDS)
    assert VERBS["import"]([str(file), f"store={tmp_path / 'copy'}"]) == 0
    assert f"{len(table.runs)} runs added" in capsys.readouterr().out
    assert VERBS["status"]([f"store={tmp_path / 'copy'}"]) == 0


def test_a_sweep_is_exported_alone(store, tmp_path):
    assert VERBS["export"](["small-1", f"store={store.root}", "--out", str(tmp_path)]) == 0
    found = run_table.read(next(tmp_path.glob("small-1-*.csv.gz")))
    assert len(found.runs) == 4 and [row.id for row in found.rows if row.kind == "sweep"] == ["small-1"]


def test_nothing_to_export_is_said(tmp_path):
    with pytest.raises(UserError, match=r"no run in .* has ended"):
        VERBS["export"]([f"store={tmp_path}"])


def test_a_table_can_be_replayed(tmp_path):
    """Runs of a sampler that learns, confirmations and sweeps are left out; distances of any extractor are read."""
    made = Store(tmp_path / "store")
    for loss, level in (("ns", 10.0), ("ls", 20.0)):
        for seed in range(12):
            add_run(made, [100.0, level + seed], config(loss, seed=seed))
    run_table.write(run_table.of_store(made), tmp_path / "runs.csv.gz")
    cells = read_table(tmp_path / "runs.csv.gz")
    assert [cell.name for cell in cells] == ["LS GP", "NS GP"] and sorted(cells[1].distances)[0] == 10.0


def test_a_store_of_an_older_version_can_be_shared(tmp_path):
    """Scores that were added later are rows of the same step."""
    made = Store(tmp_path / "store")
    run = add_run(made, [100.0, 20.0], config())
    add_row(run, 1000, 20.0)
    run_table.write(run_table.of_store(made), tmp_path / "runs.csv")
    assert len(run_table.read(tmp_path / "runs.csv").runs) == 1
