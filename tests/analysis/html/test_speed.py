"""Claims about what makes a second report quick: nothing that has changed, or that is damaged, is taken from before."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import synthetic
from matplotlib.figure import Figure
from synthetic import add_row, add_run, config

from analysis import load
from analysis.figures.render import FigureRenderer
from analysis.loading.cache import read_records
from analysis.loading.read_run import read_record
from analysis.report import make_report


@pytest.fixture
def store(tmp_path):
    store = synthetic.grid(tmp_path / "store", seeds=2)
    load(store)
    return store


def kept(store):
    return store.cached("report", "records", ".jsonl")


def reread(store):
    problems = []
    found = [read_record(run, problems) for run in store.run_folders()]
    return sorted((record for record in found if record), key=lambda record: record.id), problems


def same(store):
    """Whether what is read with the cache is what is read without it."""
    problems = []
    with_cache, (without, sentences) = read_records(store, problems), reread(store)
    both = [[vars(record) | {"file_stats": None} for record in records] for records in (with_cache, without)]
    return repr(both[0]) == repr(both[1]) and problems == sentences


def test_runs_as_they_were_come_from_the_cache_and_no_file_of_theirs_is_read(store, monkeypatch):
    before = load(store)
    monkeypatch.setattr(
        "analysis.loading.cache.read_record", lambda run, problems: pytest.fail(f"{run.id} was read again")
    )
    pd.testing.assert_frame_equal(load(store), before)


def test_a_changed_a_new_and_a_removed_run_are_seen(store):
    changed, gone, *_ = store.run_folders()
    add_row(changed, 9999, 1.25)
    new = add_run(store, [50.0, 2.5], config(seed=55))
    for file in sorted(gone.path.rglob("*"), reverse=True):
        file.rmdir() if file.is_dir() else file.unlink()
    gone.path.rmdir()
    runs = load(store).set_index("id")
    assert runs.loc[changed.id, "fid_last"] == 1.25 and runs.loc[new.id, "fid"] == 2.5 and gone.id not in runs.index
    assert same(store)


def test_a_file_of_equal_size_written_in_its_place_is_seen(store):
    run = next(run for run in store.run_folders() if run.status().state == "done")
    status = run.status()
    run.write_status(replace(status, train_s=round(status.train_s + 1, 1)))
    assert load(store).set_index("id").loc[run.id, "train_s"] == status.train_s + 1


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: b"",
        lambda text: b"\x00\xff not json\n" + text,
        lambda text: text[: len(text) // 2],
        lambda text: b"\n".join([line[:-9] if i == 2 else line for i, line in enumerate(text.split(b"\n"))]),
        lambda text: b"\n".join([b"[[], {}]" if i == 2 else line for i, line in enumerate(text.split(b"\n"))]),
        lambda text: b'"other code"\n' + text.split(b"\n", 1)[1].replace(b'"done"', b'"lost"'),
    ],
)
def test_a_damaged_cache_is_made_again_and_changes_nothing(store, damage):
    kept(store).write_bytes(damage(kept(store).read_bytes()))
    assert same(store)
    assert same(store)


def test_a_run_with_a_corrupt_file_is_named_by_every_report(store):
    broken = next(store.run_folders())
    broken.metrics_file.write_text("{\n")
    for _ in range(2):
        assert [str(broken.metrics_file) in problem for problem in load(store).attrs["problems"]] == [True]


def test_the_cache_does_not_grow_for_ever(store):
    run = next(store.run_folders())
    for step in range(100):
        add_row(run, 10000 + step, 5.0)
        load(store)
    assert len(kept(store).read_bytes().split(b"\n")) < 60
    assert same(store)


def test_a_store_that_cannot_be_written_is_read_without_a_cache(tmp_path):
    store = synthetic.grid(tmp_path / "store", seeds=1)
    store.cache.write_text("not a folder")
    assert len(load(store)) == 8


DRAWN = []


def draw(values):
    DRAWN.append(values)
    if values is None:
        return None
    figure = Figure(figsize=(1, 1))
    figure.subplots().plot(values["y"])
    return figure


def drawn(tmp_path, number, **values):
    """Draw figures of these values into report `number`, after the report before it; how many were drawn anew."""
    new, old = tmp_path / str(number), tmp_path / str(number - 1)
    new.mkdir()
    DRAWN.clear()
    renderer = FigureRenderer(new, old)
    for stem, value in values.items():
        renderer.submit(stem, draw, value)
    assert renderer.wait() == {stem for stem, value in values.items() if value is not None}
    assert {path.stem for path in new.glob("*.svg")} == {stem for stem, value in values.items() if value is not None}
    return len(DRAWN)


def test_a_figure_is_drawn_again_only_where_its_data_changed_or_it_is_missing(tmp_path):
    a, b = pd.DataFrame({"y": [1.0, 2.0]}), {"y": np.array([3.0, 1.0])}
    assert drawn(tmp_path, 1, a=a, b=b, none=None) == 3
    assert drawn(tmp_path, 2, a=a.copy(), b=dict(b), none=None) == 0
    assert drawn(tmp_path, 3, a=a, b={"y": np.array([3.0, 1.5])}, none=None) == 1
    (tmp_path / "3" / "a.pdf").unlink()
    assert drawn(tmp_path, 4, a=a, b=b) == 2
    (tmp_path / "4" / "figures.json").write_text("[")
    assert drawn(tmp_path, 5, a=a, b=b) == 2


@pytest.mark.slow
@pytest.mark.slow
def test_the_page_s_data_of_runs_are_made_again_only_where_a_run_changed(store, tmp_path, monkeypatch):
    monkeypatch.setattr("analysis.html.run_pages.RUNS_PER_FILE", 1)
    out = tmp_path / "out"

    def files():
        make_report(store, out)
        return {file.name: (file.stat().st_ino, file.read_text()) for file in (out / "data").glob("runs-*.js")}

    before = files()
    assert len(before) > 5 and files() == before
    changed = next(store.run_folders())
    add_row(changed, 9999, 1.25)
    after = files()
    (other,) = [name for name in before if after[name] != before[name]]
    assert f'"{changed.id}":' in after[other][1] and "9999" in after[other][1] and "9999" not in before[other][1]
    (out / "data" / other).unlink()
    assert files()[other][1] == after[other][1]
    broken = next(run for run in store.run_folders() if run.status().state == "failed")
    with open(broken.log_file, "a") as log:
        log.write("a last word\n")
    assert any("a last word" in text for _, text in files().values())
