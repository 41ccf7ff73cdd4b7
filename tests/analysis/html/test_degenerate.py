"""Claims about reports of odd data: a page comes of them, every axis can be read, and what is no data is refused."""

import csv
import os
import re
from dataclasses import replace

import numpy as np
import pytest
import synthetic
from matplotlib.figure import Figure
from synthetic import add_run, config

from analysis.figures import panels
from analysis.figures.ticks import drawn as shown_on
from analysis.loading.csv_runs import read_csv
from analysis.report import main, make_report
from landscape.store import FAILED, Store

HEAD = "data,arch,loss,penalty,norm,fid"


def line(loss="ns", fid="", penalty="gp", arch="sndcgan", data="digits"):
    return f"{data},{arch},{loss},{penalty},none,{fid}"


def rows(more, *lines):
    return "\n".join([f"{HEAD},{more}" if more else HEAD, *lines]) + "\n"


def seeds(values, losses=("ns", "wgan", "ls")):
    return rows("seed", *(f"{line(loss, value)},{seed}" for loss in losses for seed, value in enumerate(values)))


def on(key, *values, **facts):
    """Rows that differ in one column."""
    return rows(key, *(f"{line(fid=3 + i, **facts)},{value}" for i, value in enumerate(values)))


CASES = {
    "one run": rows("", line(fid=3.1)),
    "no seed in common": rows(
        "seed,lr_d", *(f"{line(a, 3 + s)},{s},0.1" for a, s in zip("aabb", range(4), strict=True))
    ),
    "a half-done sweep": rows("seed", f"{line('a', 3)},0", f"{line('a')},1", f"{line('b')},0", f"{line('b', 4)},1"),
    "no result": rows("", line("a"), line("b")),
    "one result": rows("", line("a", 3), line("b")),
    "none finished": rows("status", f"{line('a')},running", f"{line('b')},planned"),
    "all diverged": rows("status", *(f"{line(a)},diverged" for a in "aaaaabbbbb")),
    "all equal": seeds([5] * 5),
    "all zero": seeds([0] * 5),
    "nearly equal": seeds([5, 5.0000001, 5.0000002, 5, 5]),
    "infinite": seeds(["inf", 1, 2, 3, 4]),
    "negative": seeds([-1, -2, 2, 3, 4]),
    "huge": seeds(["1e308", "1.7e308", 2, 3, 4]),
    "all huge": seeds(["1e308", "1.7e308"]),
    "all tiny": seeds(["5e-324", "1e-323", "1e-300"]),
    "tiny and huge": seeds(["5e-324", "1e308", 1]),
    "an untrained generator at the ends of a float": rows(
        "status,fid_start", f"{line('a')},diverged,1e308", f"{line('b', 4)},done,5e-324", f"{line('c', 4)},done,0"
    ),
    "huge scores": rows("is,ms_ssim,modes", *(f"{line(a, 3 + s)},inf,1e308,-1e308" for a in "ab" for s in range(5))),
    "the study's cells": rows(
        "diversity", *(f"{line('ns', 3 + i, p)},0.5" for i, p in enumerate(("none", "gp", "l2")))
    ),
    "the study's cells, diverged": rows(
        "status,diversity", *(f"{line('ns', '', p)},diverged,0.5" for p in ("none", "gp", "dragan") for _ in range(6))
    ),
    "hours": rows("train_s,eval_s,device", *(f"{line(a, 3 + s)},{900 + 90 * s},9,x" for a in "ab" for s in range(3))),
    "hours of nothing": rows("train_s,eval_s,device", *(f"{line(fid=3 + s)},5e-324,1e11,box" for s in range(3))),
    "stopped": rows("status,step,steps", *(f"{line(a, 3)},stopped,5,10" for a in "ab")),
    "confirmed only": rows("stage,setting,seed", *(f"{line(fid=3 + s)},confirm,a,{s}" for s in range(3))),
    "searches that found nothing": rows(
        "status,stage,sampler,sweep,order,setting,search,alike",
        *(f"{line()},diverged,search,gp,x,{s},{s}{r},{r},q" for s in range(3) for r in range(2)),
    ),
    "formulas of mathematics in names": rows("", line("n$s_{", 3), line("$\\frac", 4)),
    "long names": rows("", line(fid=3, data="x" * 300)),
    "names of blanks": rows("", line('" "', 3, '" "', '" "', '" "')),
    "rates": on("lr_d", "inf", "-inf", "1e308"),
}


@pytest.fixture
def figures(monkeypatch):
    """The figures of a report, laid out and not written: the files are most of the cost."""
    made = []

    def save(figure: Figure, stem) -> None:
        figure.draw_without_rendering()
        made.append((stem.name, figure))

    monkeypatch.setattr(panels, "save", save)
    return made


@pytest.mark.parametrize("case", CASES)
def test_a_report_of_odd_rows_is_made(tmp_path, figures, case, recwarn):
    file = tmp_path / "mine.csv"
    file.write_text(CASES[case])
    assert main(["--csv", str(file), "--out", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "index.html").is_file()
    told = [str(warning.message) for warning in recwarn if issubclass(warning.category, UserWarning)]
    assert told == [], "matplotlib had no place for something"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (on("seed", 1.5), "line 2: seed is 1.5, expected a whole number"),
        (on("seed", 1, "inf"), "line 3: seed is inf, expected a whole number"),
        (on("seed", "1e30"), "line 2: seed is 1e+30, expected a whole number"),
        (on("step", "inf"), "line 2: step is inf, expected a whole number"),
        (on("n_dis", 0), "line 2: n_dis is 0, expected at least 1"),
        (on("train_s", -5), "line 2: train_s is -5, expected at least 0"),
        (on("train_s", "inf"), "line 2: train_s is inf, expected seconds up to 1e+12"),
        (on("train_s", "1e308"), "line 2: train_s is 1e+308, expected seconds up to 1e+12"),
        (rows("", line(fid="-inf")), "line 2: fid is -inf, expected a distance"),
        (on("id", "a", "b", "a"), "line 4: id 'a' is used on line 2 too"),
        (
            rows("id,protocol,seed", f"{line(fid=3)},a,p,0", f"{line(fid=3)},a,q,1"),
            "line 3: id 'a' is used on line 2 too",
        ),
        (on("id", "../../../../evil0"), "line 2: id is '../../../../evil0'; an id has at most 100"),
        (on("id", "x" * 101), "an id has at most 100"),
        (on("id", ".."), "line 2: id is '..'; an id has at most 100"),
        (on("id", "a", ""), "line 3: id is empty; an id has at most 100"),
    ],
)
def test_rows_that_cannot_be_meant_are_refused_in_a_sentence(tmp_path, capsys, text, message):
    file = tmp_path / "mine.csv"
    file.write_text(text)
    assert main(["--csv", str(file), "--out", str(tmp_path / "in" / "out")]) == 2
    out, err = capsys.readouterr()
    assert out == "" and message in err and err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["mine.csv"], "nothing is written anywhere"


def test_one_run_under_two_protocols_is_one_run(tmp_path):
    file = tmp_path / "mine.csv"
    file.write_text(rows("id,protocol", f"{line(fid=3)},a.1,p", f"{line(fid=4)},a.1,q"))
    assert read_csv(file).runs["id"].tolist() == ["a.1", "a.1"]


FORMULAS = ("=1+1", "+1", "-1", "@x", "\tx", "\rx", "'=1", "'plain", "plain", "it's")


@pytest.mark.slow
def test_text_is_no_formula_in_any_csv_and_reads_back_as_it_was(tmp_path, figures):
    store = synthetic.grid(tmp_path / "store", seeds=2, failures=False)
    named = [
        add_run(store, [9.0, 5.0 + i], config(seed=i, data__kind=text, data__content=text))
        for i, text in enumerate(FORMULAS)
    ]
    failed = add_run(store, [9.0], config("ls", seed=77), FAILED, '=HYPERLINK("x")')
    assert make_report(store, tmp_path / "out") == []
    for file in [*(tmp_path / "out").glob("*.csv"), *(tmp_path / "out" / "tables").glob("*.csv")]:
        with open(file, newline="") as f:
            for cells in csv.reader(f):
                for cell in cells:
                    assert cell[:1] not in tuple("=+@\t\r-") or _number(cell), f"{file.name}: {cell!r}"
    runs = read_csv(tmp_path / "out" / "runs.csv").runs.set_index("id")
    assert [runs["data"][run.id] for run in named] == [text.replace("\r", " ") for text in FORMULAS]
    assert runs["reason"][failed.id] == '=HYPERLINK("x")'


def _number(text):
    try:
        return bool(float(text) or True)
    except ValueError:
        return False


def check_ticks(name, figure):
    """Three labelled ticks or more within what each axis shows, but where names, or every value, stand on it."""
    figure.draw_without_rendering()
    for axis in [axis for one in figure.axes if one.axison for axis in (one.xaxis, one.yaxis)]:
        ax = axis.axes
        places = [float(tick.get_loc()) for tick in axis.get_major_ticks()]
        labels = [tick.label1.get_text() for tick in axis.get_major_ticks()]
        if not all(_number(text.replace(",", "").replace("−", "-").replace("k", "e3")) for text in labels):
            continue  # names of cells
        low, high = sorted(axis.get_view_interval())
        values = shown_on(axis)
        if axis is ax.yaxis and axis.get_scale() == "linear":  # levels to compare with are of what it shows
            levels = [line for line in ax.lines if line.get_transform() == ax.get_yaxis_transform()]
            values = np.r_[values, [line.get_ydata()[0] for line in levels]]
        values = values[(values >= low) & (values <= high)]
        if len(values) and values.max() - values.min() > 1e-6 * abs(values.max()):
            low, high = values.min(), values.max()
        inside = {place: text for place, text in zip(places, labels, strict=True) if low <= place <= high}
        named = all(np.isclose(places, value).any() for value in values)
        assert len(inside) >= 3 or named, f"{name}: {axis.axis_name} has {inside} between {low} and {high}"
        assert len(set(inside.values())) == len(inside), f"{name}: two ticks of one name among {inside}"


def stores(tmp_path):
    yield synthetic.grid(tmp_path / "grid")
    yield synthetic.grid(tmp_path / "settings", seeds=2, settings=7)
    yield synthetic.searched(tmp_path / "searched", "gp")
    yield synthetic.searched(tmp_path / "random", "random")


@pytest.mark.slow
def test_every_axis_of_every_figure_has_three_labelled_ticks_among_its_data(tmp_path, figures):
    for store in stores(tmp_path):
        make_report(store, tmp_path / "out")
    kinds = {name.partition("-digits-")[2] for name, _ in figures}
    assert {"budget", "band", "distribution", "training", "pairs", "practitioner"} <= kinds
    for name, figure in figures:
        check_ticks(name, figure)


@pytest.mark.parametrize("case", [case for case in CASES if "names" not in case])
def test_figures_of_odd_rows_have_ticks_too(tmp_path, figures, case):
    file = tmp_path / "mine.csv"
    file.write_text(CASES[case])
    main(["--csv", str(file), "--out", str(tmp_path / "out")])
    for name, figure in figures:
        check_ticks(name, figure)


def test_of_too_many_cells_the_best_are_drawn_and_the_page_says_what_was_left_out(tmp_path, monkeypatch, figures):
    monkeypatch.setattr("analysis.loading.cells.MOST_DRAWN", 3)
    monkeypatch.setattr("analysis.html.page.MOST_PARTS", 1)
    file = tmp_path / "mine.csv"
    cells = [
        f"{line(f'l{9 - c}', c + 1 + seed / 10, data=d)},{seed}" for d in "ab" for c in range(6) for seed in (0, 1)
    ]
    file.write_text(rows("seed", *cells))
    assert main(["--csv", str(file), "--out", str(tmp_path / "out")]) == 0
    page = (tmp_path / "out" / "index.html").read_text()
    assert "Figures and pairs show 3 of the 6 cells" in page and "Only the first sections of a page" in page
    assert {name[:2] for name, _ in figures} == {"01"}
    with open(tmp_path / "out" / "tables" / "01-a-pairs.csv", newline="") as f:
        pairs = list(csv.DictReader(f))
    best = {"L9 GP", "L8 GP", "L7 GP"}
    assert {row[side] for row in pairs for side in "ab"} == best and len(pairs) == 3
    assert (tmp_path / "out" / "cells.csv").read_text().count("\n") == 13, "all cells are in the table"


def test_a_warning_that_a_distance_is_worthless_stands_at_table_figure_and_run(tmp_path, figures):
    protocol = replace(synthetic.PROTOCOL, n_real=36, n_fake=1000)
    store = Store(tmp_path / "store")
    made = [add_run(store, [120.0, 9.0 + seed], config(seed=seed), protocol=protocol) for seed in range(5)]
    for run in made:
        text = "36 images are too few for a covariance of 64 features: the distance is far too high"
        run.write_status(replace(run.status(), warnings=[text, "something else"]))
    assert make_report(store, tmp_path / "out") == []
    page = (tmp_path / "out" / "index.html").read_text()
    said = "36 images are too few for a covariance of 64 features"
    captions = re.findall(r"<figcaption>.*?</figcaption>", page, re.S)
    assert len(captions) >= 4 and all(said in caption for caption in captions)
    assert all(
        said in page[: page.index(f'aria-label="{name} on digits')].rpartition("<h3")[2] for name in ("Cells", "Runs")
    )
    assert "FD (classifier, of 36 images, too few)" in figures[0][1].axes[0].get_ylabel()
    data = (tmp_path / "out" / "data" / "runs-0.js").read_text()
    assert data.count("These distances are unreliable: 36 images") == 5 and data.count("something else") == 5


def test_pictures_are_taken_from_the_store_only(tmp_path, figures):
    secret = tmp_path / "shadow"
    secret.write_text("root:x")
    store = Store(tmp_path / "store")
    linked, piped, plain = (add_run(store, [120.0, 9.0], config(seed=seed), picture=True) for seed in range(3))
    for run, make in ((linked, lambda file: file.symlink_to(tmp_path / "shadow")), (piped, os.mkfifo)):
        run.sample_grid(250).unlink()
        make(run.sample_grid(250))
    problems = make_report(store, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out" / "samples").iterdir()] == [f"{plain.id}.png"]
    assert len(problems) == 2 and any("is a link out of the store" in text for text in problems)
