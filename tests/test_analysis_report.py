"""Claims about the report: it opens offline, names what is broken, mixes nothing, and errs in one sentence."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import synthetic
from matplotlib.figure import Figure
from synthetic import PROTOCOL, add_row, add_run, config

from analysis import figures, protocols
from analysis.budget import budgets, median_best_band
from analysis.cost import evaluation
from analysis.figures import spread
from analysis.load import load, load_rows
from analysis.palette import looks
from analysis.report import MARK, main, make_report
from analysis.tables import score, seconds
from landscape.store import Store


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    root = tmp_path_factory.mktemp("report")
    problems = make_report(synthetic.grid(root / "store", pictures=True), root / "out")
    assert problems == []
    return root / "out"


def check_links(out):
    """Every link of the page leads to a file of the report, to a place in the page, or to a run that it has data of."""
    page = (out / "index.html").read_text()
    for link in set(re.findall(r'(?:href|src)="([^"]+)"', page)) - {"data:,"}:
        if link.startswith("#run="):
            assert any(f'"{link[5:]}":' in file.read_text() for file in (out / "data").glob("runs-*.js")), link
        elif link.startswith("#"):
            assert f'id="{link[1:]}"' in page, link
        else:
            assert (out / link).is_file(), link


def test_the_page_opens_offline(report):
    page = (report / "index.html").read_text()
    assert "http" not in page
    check_links(report)
    assert {path.suffix for path in (report / "figures").iterdir()} == {".png", ".svg", ".pdf"}


def test_the_page_counts_states_and_tells_what_went_wrong(report):
    page = (report / "index.html").read_text()
    for text in ("17 done", "1 diverged", "1 failed", "loss_d is not finite at step 612", "out of &lt;memory&gt;"):
        assert text in page
    assert (
        "python -m landscape.sweep -m loss=ns,wgan,ls reg=gp,sn" in page
        and "torch 2.9.0" in page
        and "0123456789abcdef" in page
    )


def test_a_classifiers_distance_is_never_called_plain_fid(report):
    page = re.sub("<style>.*?</style>|<script>.*?</script>", "", (report / "index.html").read_text(), flags=re.S)
    assert re.findall(r"FID(?! \(classifier features\)).{24}", re.sub("<[^>]+>", "", page)) == [
        "FID of Inception's features"
    ]


def test_every_cell_shows_the_samples_of_its_lowest_run(report):
    runs = pd.read_csv(report / "runs.csv", dtype={"id": str})
    best = runs.loc[runs.groupby("cell")["fid"].idxmin().dropna(), "id"]
    page = (report / "index.html").read_text()
    assert set(re.findall(r'<img src="samples/(\w+)\.png"', page)) == set(best)


def test_the_newest_samples_of_every_run_are_in_the_folder(report):
    runs = pd.read_csv(report / "runs.csv", dtype={"id": str})
    assert {path.stem for path in (report / "samples").iterdir()} == set(runs.loc[runs["status"] == "done", "id"])


def test_the_tables_as_files(report):
    cells = pd.read_csv(report / "cells.csv").set_index("cell")
    assert len(cells) == 6 and cells.loc["WGAN SN", "states"] == "2 done, 1 diverged"
    assert cells.loc["NS GP", "results"] == 3 and cells.loc["NS GP", "runs"] == 4
    assert len(pd.read_csv(report / "runs.csv")) == 20


def test_a_second_report_takes_the_place_of_the_first(tmp_path):
    store = Store(tmp_path / "store")
    run = add_run(store, [100.0, 20.0], config(), picture=True)
    make_report(store, tmp_path / "out")
    first = {path.name: path.read_bytes() for path in (tmp_path / "out" / "figures").iterdir()}
    (tmp_path / "out" / "samples" / "old.png").write_text("")
    (tmp_path / "out" / "data" / "runs-7.js").write_text("")
    (tmp_path / "out" / "mine.txt").write_text("")
    make_report(store, tmp_path / "out")
    assert {path.name: path.read_bytes() for path in (tmp_path / "out" / "figures").iterdir()} == first
    assert [path.name for path in (tmp_path / "out" / "samples").iterdir()] == [f"{run.id}.png"]
    names = {"index.html", "runs.csv", "cells.csv", "figures.json", "figures", "samples", "tables", "data", "mine.txt"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == names


def test_two_protocols_have_two_parts_and_the_page_says_what_differs(tmp_path):
    store = Store(tmp_path / "store")
    for seed in range(2):
        add_row(
            add_run(store, [100.0, 20.0], config(seed=seed)), 250, 19.0, PROTOCOL | {"real": "train", "n_real": 898}
        )
    assert make_report(store, tmp_path / "out") == []
    page = (tmp_path / "out" / "index.html").read_text()
    assert "2 protocols, which differ in n_real, real." in page and page.count("<h3>Cells</h3>") == 2


@pytest.mark.parametrize("kind", ["planned", "all diverged", "no scores", "settings", "archs"])
def test_a_page_is_made_of_any_store_with_runs(tmp_path, kind):
    store = Store(tmp_path / "store")
    if kind == "planned":
        add_run(store, [], config(), "planned")
    elif kind == "all diverged":
        for seed in range(3):
            add_run(store, [100.0, None], config(seed=seed), "diverged")
    elif kind == "no scores":
        add_run(store, [], config(metrics__scores=[]))
    elif kind == "settings":
        for rate in (1e-3, 2e-3, 4e-3):
            for seed in range(2):
                add_run(store, [100.0, 1e4 * rate], config(seed=seed, optim__lr_d=rate))
    else:
        add_run(store, [100.0, 10.0], config())
        add_run(store, [100.0, 10.0], config(arch__kind="resnet19", data__kind="a b/c"))
    assert make_report(store, tmp_path / "out") == []
    page = (tmp_path / "out" / "index.html").read_text()
    assert ("-budget-settings.png" in page) == (kind == "settings")
    check_links(tmp_path / "out")


def test_the_floor_stands_beside_the_tables_and_is_drawn_where_it_is_known_for_several_numbers(tmp_path):
    store = Store(tmp_path / "store")
    by_n = [[1000, 3.5], [2000, 2.1], [898, 3.9]]
    for seed, floor in enumerate(({"n": 898, "fid": 3.9, "by_n": by_n}, {"n": 898, "fid": 3.9, "by_n": by_n[:1]})):
        add_run(store, [100.0, 20.0], config(), protocol=PROTOCOL | {"floor": floor})
        assert make_report(store, tmp_path / "out") == []
        page = (tmp_path / "out" / "index.html").read_text()
        assert (
            page.count("898 other real images in the samples' place score a distance of 3.9.".replace("'", "&#39;"))
            == 3
        )
        assert ("-floor.png" in page) == (tmp_path / "out" / "figures" / "01-digits-floor.svg").exists() == (seed == 0)
        shutil.rmtree(store.runs)
    assert protocols.floor_by_n({"floor": {"by_n": by_n}}) == [(898, 3.9), (1000, 3.5), (2000, 2.1)]
    for broken in (None, {}, {"by_n": 3}, {"by_n": [[1, "x"], [2, 3.0]]}, {"by_n": [[1000, -1e-9], [2000, 1.0]]}):
        assert protocols.floor_by_n({"floor": broken}) == []


def test_the_share_of_evaluation_is_told_by_cell_and_overall_and_why_it_is_large(tmp_path):
    store = Store(tmp_path / "store")
    for seed in range(2):  # 1,000 updates of 0.05 s; five evaluations of 0.4 s each
        add_run(store, [100.0, 50.0, 30.0, 20.0, 10.0], config(seed=seed))
    make_report(store, tmp_path / "out")
    assert pd.read_csv(tmp_path / "out" / "cells.csv")["eval_share"].tolist() == [pytest.approx(2 / 52)]
    (said,) = evaluation(load(store))
    assert said == (
        "On digits, evaluation took 3.8 % of the time: 0.4 s each on average, as much as 8 D updates, and one for "
        "every 200. Every 10,000 D updates it would take 0.1 %."
    )
    assert said in (tmp_path / "out" / "index.html").read_text()
    dear = load(store).assign(eval_s=5 * 40.0)
    assert "Every 10,000 D updates it would take 7.4 %, more than 5 %: an evaluation of so many" in evaluation(dear)[0]
    assert evaluation(load(store).assign(evaluations=0)) == []


def test_samples_of_runs_that_nobody_scored_are_shown(tmp_path):
    store = Store(tmp_path / "store")
    bare = add_run(store, [], config(seed=1, metrics__scores=[]))
    synthetic.draw_digits(bare, 1000, [50.0])
    add_run(store, [], config(seed=2, metrics__scores=[]))
    scored = [
        add_run(store, [90.0, fid], config("wgan", seed=seed), picture=True) for seed, fid in enumerate((9.0, 5.0))
    ]
    waiting = add_run(store, [], config("ls", metrics__scores=[]), "running")
    synthetic.draw_digits(waiting, 0, [50.0])
    assert make_report(store, tmp_path / "out") == []
    shown = set(re.findall(r'<img src="samples/(\w+)\.png"', (tmp_path / "out" / "index.html").read_text()))
    assert shown == {bare.id, scored[1].id}
    page = (tmp_path / "out" / "index.html").read_text()
    assert "<b>NS GP</b><br>not scored<br>" in page and "<b>WGAN GP</b><br>FID (classifier features) 5<br>" not in page


def test_a_corrupt_file_is_named_on_stderr_and_in_the_page_and_the_rest_is_reported(tmp_path, capsys):
    store = synthetic.grid(tmp_path / "store", seeds=1, troubles=False)
    broken = next(store.run_folders())
    broken.metrics_file.write_text("{\n")
    assert main(["--store", str(store.root), "--out", str(tmp_path / "out")]) == 2
    out, err = capsys.readouterr()
    assert str(broken.metrics_file) in err and err.count("\n") == 1 and "6 runs" in out
    page = (tmp_path / "out" / "index.html").read_text()
    assert f"runs/{broken.id}/metrics.jsonl line 1" in page and str(tmp_path) not in page
    assert broken.metrics_file.read_text() == "{\n"


def test_many_troubles_are_told_by_kind_and_each_kind_by_a_few_runs(tmp_path):
    store = Store(tmp_path / "store")
    for seed in range(40):
        add_run(store, [100.0, None], config(seed=seed), "diverged", f"loss_d is not finite at step {seed}")
    add_run(store, [100.0], config(seed=99), "failed", "out of memory")
    assert make_report(store, tmp_path / "out") == []
    page = (tmp_path / "out" / "index.html").read_text()
    assert "41 runs, by reason" in page and "loss_d is not finite at step …" in page and "NS GP (40)" in page
    assert page.count('<div class="trouble">') == 4 and page.count("<br>out of memory") == 1


def refused(arguments, capsys):
    assert main([str(argument) for argument in arguments]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: ") and "Traceback" not in err
    return err


def test_a_store_without_runs_is_refused_with_the_way_to_fill_it(tmp_path, capsys):
    (tmp_path / "empty" / "runs").mkdir(parents=True)
    for store in ("empty", "missing"):
        err = refused(["--store", tmp_path / store, "--out", tmp_path / "out"], capsys)
        assert "python -m landscape.sweep" in err and err.count("\n") == 1
    assert not (tmp_path / "out").exists() and not (tmp_path / "missing").exists()


def test_a_store_whose_only_run_is_corrupt_is_refused_by_name(tmp_path, capsys):
    store = Store(tmp_path / "store")
    add_run(store, [9.0], config()).config_file.write_text("{")
    assert "config.yaml" in refused(["--store", store.root, "--out", tmp_path / "out"], capsys)


def test_an_out_that_cannot_be_written_or_is_somebody_elses_is_refused(tmp_path, capsys):
    store = Store(tmp_path / "store")
    add_run(store, [9.0], config())
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        assert "cannot be written" in refused(["--store", store.root, "--out", out], capsys)
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("my page")
    assert "stays" in refused(["--store", store.root, "--out", tmp_path / "site"], capsys)
    assert (tmp_path / "site" / "index.html").read_text() == "my page" and MARK not in "my page"


def test_the_door_works_from_any_directory_without_torch(tmp_path):
    store = Store(tmp_path / "store")
    add_run(store, [100.0, 9.0], config())
    root = Path(__file__).parents[1]
    code = (
        f"import sys; sys.path.insert(0, {str(root)!r}); from analysis.report import main;"
        f"code = main(['--store', {str(store.root)!r}, '--out', 'report']);"
        "assert 'torch' not in sys.modules; sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{Path('report') / 'index.html'}: 1 run (1 done)\n"


def test_labels_are_moved_apart_and_no_further():
    assert spread([0.1, 0.5, 0.9], 0.06) == [0.1, 0.5, 0.9]
    close = np.diff(spread([0.5, 0.5, 0.5, 0.52], 0.06))
    np.testing.assert_allclose(close, 0.06)
    assert np.mean(spread([0.4, 0.42], 0.06)) == pytest.approx(0.41)
    low = spread([0.0, 0.0, 0.01], 0.06)
    assert low[0] == pytest.approx(0) and spread([], 0.1) == []


def test_plots_return_the_axis_that_they_are_given(tmp_path):
    look = looks(["NS GP", "NS SN"])
    values = {"NS GP": np.array([9.0, 8.0, 12.0, 20.0, np.inf, 7.0]), "NS SN": np.array([5.0])}
    lines = {"NS GP": (budgets(2), np.array([9.0, 8.0])), "NS SN": (budgets(2), np.array([np.inf, np.inf]))}
    rows = load_rows(synthetic.grid(tmp_path, seeds=1))
    for draw in (
        lambda ax: figures.curves(ax, lines, look),
        lambda ax: figures.name_ends(figures.curves(ax, lines, look), lines, look),
        lambda ax: figures.band(ax, median_best_band(values["NS GP"], budgets(6)), look["NS GP"], 1.0),
        lambda ax: figures.distribution(ax, values, look),
        lambda ax: figures.training(ax, rows, look["NS GP"]),
        lambda ax: figures.reference(figures.distribution(ax, values, look), 100.0, "untrained"),
    ):
        ax = Figure().subplots()
        assert draw(ax) is ax and ax.get_yscale() == "log"


def test_a_box_is_drawn_from_five_finite_runs_on():
    look = looks(["a"])
    for count, boxes in ((4, 0), (5, 1)):
        ax = figures.distribution(Figure().subplots(), {"a": np.append(np.arange(1.0, count + 1), np.inf)}, look)
        assert sum(len(line.get_xdata()) == 5 and line.get_linestyle() == "-" for line in ax.lines) == boxes
        assert ax.texts[0].get_text() == f"1 of {count + 1}\ndiverged"


@pytest.mark.parametrize("prefix", ["", "resnet19 ", "sndcgan "])
def test_cells_look_different_and_keep_their_look_in_whatever_company(prefix):
    labels = [
        f"{prefix}{loss} {regularization}"
        for loss in ("NS", "WGAN", "LS", "LS_SIGMOID", "HINGE", "MINIMAX", "ML", "RPGAN")
        for regularization in ("W/O", "GP", "GP 5", "DRAGAN", "SN", "LN", "BN", "L2", "GP+SN", "GP+SN 5", "DRAGAN+BN")
    ]
    together = looks(labels)
    assert len(set(together.values())) == len(labels)
    assert all(looks([label])[label] == together[label] for label in labels)
    assert looks(["XYZ R9"]) == looks(["XYZ R9"]), "a name never heard of has a look too"


def test_numbers_are_written_shortly_and_times_as_times():
    assert [score("fid", value) for value in (2815.4, 28.154, 0.25)] == ["2,815", "28.15", "0.25"]
    assert [seconds(value) for value in (0.0, 0.4, 61.0, 600.0, 9000.0)] == [
        "0 s",
        "0.4 s",
        "61 s",
        "10.0 min",
        "2.5 h",
    ]
