"""Claims about the report: it opens offline, names what is broken, mixes nothing, and errs in one sentence."""

import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import synthetic
from matplotlib.figure import Figure
from support import ROOT, frozen_runs
from synthetic import PROTOCOL, add_row, add_run, config, looks_of

from analysis.estimators.time_budget import timed
from analysis.estimators.tuning_curves import budgets, median_best_band
from analysis.figures import axes
from analysis.figures.axes import spread
from analysis.html import images
from analysis.loading import protocols
from analysis.loading.runs import collect, load, load_rows
from analysis.report import MARK, main, make_report
from analysis.tables.best_runs import best_table
from analysis.tables.evaluation_cost import evaluation_sentences
from analysis.tables.formatting import format_score, format_value
from analysis.tables.provenance import machine_lines, provenance, single_run_command, sweep_command
from landscape.config.identity import run_id
from landscape.store import Store
from landscape.store.protocols import EvalProtocol
from landscape.store.run_meta import RunMeta
from sweeps.planning.plan import make_plan


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
    assert re.findall(r"FID.{24}", re.sub("<[^>]+>", "", page)) == ["FIDs, which use Inception f"]


def test_every_cell_shows_the_samples_of_its_lowest_run(report):
    runs = pd.read_csv(report / "runs.csv", dtype={"id": str})
    best = runs.loc[runs.groupby("cell")["fd_classifier"].idxmin().dropna(), "id"]
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
            add_run(store, [100.0, 20.0], config(seed=seed)), 250, 19.0, replace(PROTOCOL, real="train", n_real=898)
        )
    assert make_report(store, tmp_path / "out") == []
    page = (tmp_path / "out" / "index.html").read_text()
    assert "2 protocols, which differ in n_real, real." in page and page.count("<h3>Cells</h3>") == 2


@pytest.mark.parametrize("kind", ["planned", "all diverged", "no scores", "settings", "archs"])
@pytest.mark.slow
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
        add_run(store, [100.0, 20.0], config(), protocol=replace(PROTOCOL, floor=floor))
        assert make_report(store, tmp_path / "out") == []
        page = (tmp_path / "out" / "index.html").read_text()
        assert page.count("898 held-out real images score FD (classifier) 3.9.".replace("'", "&#39;")) == 3
        assert ("-floor.png" in page) == (tmp_path / "out" / "figures" / "01-digits-floor.svg").exists() == (seed == 0)
        shutil.rmtree(store.runs)
    assert protocols.floor_by_n(EvalProtocol(floor={"by_n": by_n})) == [(898, 3.9), (1000, 3.5), (2000, 2.1)]
    broken: dict[str, Any] | None
    for broken in (None, {}, {"by_n": 3}, {"by_n": [[1, "x"], [2, 3.0]]}, {"by_n": [[1000, -1e-9], [2000, 1.0]]}):
        assert protocols.floor_by_n(EvalProtocol(floor=broken)) == []


def test_folders_that_are_no_runs_are_told_where_the_troubles_are(tmp_path):
    store = Store(tmp_path / "store")
    run = add_run(store, [100.0, 50.0], config())
    make_report(store, tmp_path / "out")
    assert "skipped in" not in (tmp_path / "out" / "index.html").read_text()
    (store.runs / f"{run.id} (copy)").mkdir()
    (store.runs / "<b>").mkdir()
    assert make_report(store, tmp_path / "out") == []
    page = (tmp_path / "out" / "index.html").read_text()
    failures = page[page.index('<section id="failures">') :]
    assert f"{run.id} (copy)" in failures and "skipped in runs" in failures and "<b>'" not in failures
    assert str(store.root) not in failures.partition("</section>")[0]


def test_the_share_of_evaluation_is_told_by_cell_and_overall_and_why_it_is_large(tmp_path):
    store = Store(tmp_path / "store")
    for seed in range(2):  # 1,000 updates of 0.05 s; five evaluations of 0.4 s each
        add_run(store, [100.0, 50.0, 30.0, 20.0, 10.0], config(seed=seed))
    make_report(store, tmp_path / "out")
    assert pd.read_csv(tmp_path / "out" / "cells.csv")["eval_share"].tolist() == [pytest.approx(2 / 52)]
    (said,) = evaluation_sentences(load(store))
    assert said == ("On digits, evaluation took 3.8 % of the time: 0.4 s each, every 200 D updates on average.")
    assert said in (tmp_path / "out" / "index.html").read_text()
    dear = load(store).assign(eval_s=5 * 40.0)
    assert "Even every 10,000 D updates it would take 7.4 %." in evaluation_sentences(dear)[0]
    assert evaluation_sentences(load(store).assign(evaluations=0)) == []


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
    assert "<b>NS GP</b><br>not scored<br>" in page and "<b>WGAN GP</b><br>FD (classifier) 5<br>" not in page


def test_a_corrupt_file_is_named_on_stderr_and_in_the_page_and_the_rest_is_reported(tmp_path, capsys):
    store = synthetic.grid(tmp_path / "store", seeds=1, failures=False)
    broken = next(store.run_folders())
    broken.metrics_file.write_text("{\n")
    assert main([f"store={store.root}", "--out", str(tmp_path / "out")]) == 2
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
    assert out == "" and "Traceback" not in err
    return err


def test_a_store_without_runs_is_refused_with_the_way_to_fill_it(tmp_path, capsys):
    (tmp_path / "empty" / "runs").mkdir(parents=True)
    for store in ("empty", "missing"):
        err = refused([f"store={tmp_path / store}", "--out", tmp_path / "out"], capsys)
        assert "python -m landscape.sweep" in err and err.count("\n") == 1
    assert not (tmp_path / "out").exists() and not (tmp_path / "missing").exists()


def test_a_store_whose_only_run_is_corrupt_is_refused_by_name(tmp_path, capsys):
    store = Store(tmp_path / "store")
    add_run(store, [9.0], config()).config_file.write_text("{")
    assert "config.yaml" in refused([f"store={store.root}", "--out", tmp_path / "out"], capsys)


def test_an_out_that_cannot_be_written_or_is_somebody_elses_is_refused(tmp_path, capsys):
    store = Store(tmp_path / "store")
    add_run(store, [9.0], config())
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        assert "cannot be written" in refused([f"store={store.root}", "--out", out], capsys)
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("my page")
    assert "not written by this program" in refused([f"store={store.root}", "--out", tmp_path / "site"], capsys)
    assert (tmp_path / "site" / "index.html").read_text() == "my page" and MARK not in "my page"


def test_the_command_works_from_any_directory_without_torch(tmp_path):
    store = Store(tmp_path / "store")
    add_run(store, [100.0, 9.0], config())
    root = ROOT
    code = (
        f"import sys; sys.path.insert(0, {str(root)!r}); from analysis.report import main;"
        f"code = main(['--store', {str(store.root)!r}, '--out', 'report']);"
        "assert 'torch' not in sys.modules; sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(f"{Path('report') / 'index.html'}: 1 run (1 done)\n")


def test_labels_are_moved_apart_and_no_further():
    assert spread([0.1, 0.5, 0.9], 0.06) == [0.1, 0.5, 0.9]
    close = np.diff(spread([0.5, 0.5, 0.5, 0.52], 0.06))
    np.testing.assert_allclose(close, 0.06)
    assert np.mean(spread([0.4, 0.42], 0.06)) == pytest.approx(0.41)
    low = spread([0.0, 0.0, 0.01], 0.06)
    assert low[0] == pytest.approx(0) and spread([], 0.1) == []


def test_plots_return_the_axis_that_they_are_given(tmp_path):
    look = looks_of(["NS GP", "NS SN"])
    values = {"NS GP": np.array([9.0, 8.0, 12.0, 20.0, np.inf, 7.0]), "NS SN": np.array([5.0])}
    lines = {"NS GP": (budgets(2), np.array([9.0, 8.0])), "NS SN": (budgets(2), np.array([np.inf, np.inf]))}
    rows = load_rows(synthetic.grid(tmp_path, seeds=1))
    for draw in (
        lambda ax: axes.curves(ax, lines, look),
        lambda ax: axes.name_ends(axes.curves(ax, lines, look), lines, look),
        lambda ax: axes.band(ax, median_best_band(values["NS GP"], budgets(6)), look["NS GP"], 1.0),
        lambda ax: axes.distribution(ax, values, look),
        lambda ax: axes.training(ax, rows.rename(columns={"fid": "score"}), look["NS GP"]),
        lambda ax: axes.reference(axes.distribution(ax, values, look), 100.0, "untrained"),
    ):
        ax = Figure().subplots()
        assert draw(ax) is ax and ax.get_yscale() == "log"


def test_a_box_is_drawn_from_five_finite_runs_on():
    look = looks_of(["a"])
    for count, boxes in ((4, 0), (5, 1)):
        ax = axes.distribution(Figure().subplots(), {"a": np.append(np.arange(1.0, count + 1), np.inf)}, look)
        assert sum(np.size(line.get_xdata()) == 5 and line.get_linestyle() == "-" for line in ax.lines) == boxes
        assert ax.texts[0].get_text() == f"1 of {count + 1}\ndiverged"


@pytest.mark.parametrize("prefix", ["", "resnet19 ", "sndcgan "])
def test_cells_look_different_and_keep_their_look_in_whatever_company(prefix):
    labels = [
        f"{prefix}{loss} {regularization}"
        for loss in ("NS", "WGAN", "LS", "LS_SIGMOID", "HINGE", "MINIMAX", "ML", "RPGAN")
        for regularization in ("W/O", "GP", "GP 5", "DRAGAN", "SN", "LN", "BN", "L2", "GP+SN", "GP+SN 5", "DRAGAN+BN")
    ]
    together = looks_of(labels)
    assert len(set(together.values())) == len(labels)
    assert all(looks_of([label])[label] == together[label] for label in labels)
    assert looks_of(["XYZ R9"]) == looks_of(["XYZ R9"]), "a name never heard of has a look too"


def test_numbers_are_written_shortly_and_times_as_times():
    assert [format_score("fid", value) for value in (2815.4, 28.154, 0.25)] == ["2,815", "28.15", "0.25"]
    assert format_value("train_s", 9000.0) == "2 h 30 min" and format_value("saved_s", 0.4) == "0.4 s"


def test_the_commands_of_all_sweeps_are_told_each_with_its_runs(tmp_path):
    """A run is of every sweep that plans it; one that a search proposed knows no command that could be given again."""
    store = synthetic.searched(tmp_path / "store")
    runs = load(store)
    grid, trials = (runs.loc[runs["stage"] == stage, "id"].tolist() for stage in ("grid", "search"))
    synthetic.add_sweep(store, "first-1", ["-m", "study=mine", "seed=0,1"], grid)
    synthetic.add_sweep(store, "part-2", ["-m", "loss=ns"], [*grid[:2], "not-in-this-store"])
    synthetic.add_sweep(store, "gone-3", ["loss=hinge"], ["nor-this"])
    origins: list[dict[str, Any]] = [  # of a trial, as it is stored and as it was before
        {"command": ["search=gp", "sweep=first-1"], "origin": None},
        {"command": None, "origin": {"kind": "search", "sampler": "gp"}},
        {"command": None, "origin": {"kind": "of a later version"}},
    ]
    for run, origin in zip(map(store.run, trials), cycle(origins), strict=False):
        synthetic.change_meta(run, **origin, sweep="first-1")
    for run in map(store.run, grid):
        synthetic.change_meta(run, command=["-m", "study=mine", "seed=0,1"], sweep="first-1")
    found = collect(store)
    told = provenance(found)
    assert [(one.text, one.runs) for one in told["sweeps"]] == [
        ("python -m landscape.sweep -m study=mine seed=0,1", len(grid) + len(trials)),
        ("python -m landscape.sweep -m loss=ns", 2),
    ]
    assert told["sweeps"][0].more == (
        "first-1, planned 2026-01-02 by version 0.1.0, commit fedcba9876543210, with uncommitted changes"
    )
    confirmed = len(runs) - len(grid) - len(trials)
    assert told["commands"] == [("python -m landscape.sweep -m loss=ns,wgan,ls reg=gp,sn", "", confirmed)]
    assert sweep_command(found.meta[trials[0]], {sweep.name: sweep for sweep in found.sweeps}) == told["sweeps"][0].text
    assert {sweep_command(found.meta[trial], {}) for trial in trials[:3]} == {""}, "a trial's own record has no command"
    assert make_report(store, tmp_path / "out") == []
    page = (tmp_path / "out" / "index.html").read_text()
    assert page.count("python -m landscape.sweep -m study=mine seed=0,1") == 1 and "sweep=first-1" not in page
    assert "python -m analysis.report</code>" in page
    store.sweep("part-2").plan_file.write_text("{")
    (problem,) = collect(store).problems
    assert "part-2" in problem and "plan.json" in problem


def test_the_page_says_with_what_it_was_written(tmp_path):
    store = synthetic.grid(tmp_path / "store", seeds=1, failures=False)
    assert main([f"store={store.root}", "--out", str(tmp_path / "out"), "--where", "loss=ns,ls"]) == 0
    page = (tmp_path / "out" / "index.html").read_text()
    assert "python -m analysis.report --where loss=ns,ls</code>" in page and str(tmp_path) not in page
    assert f"pandas {pd.__version__}" in page


@pytest.mark.parametrize(
    "command", [("study=demo",), ("loss=ns,wgan", "reg=gp,sn", "search=random", "search.trials=4", "threads=2")]
)
def test_the_command_of_one_run_alone_means_that_run(tmp_path, command, monkeypatch):
    monkeypatch.setattr("landscape.config.validation.cores", lambda: 2)
    store = Store(tmp_path / "store")
    run = frozen_runs(store, *command)[-1]
    python, _, module, *overrides = shlex.split(single_run_command(collect(store).meta[run.id]))
    (planned,) = make_plan(overrides, multirun=False).runs
    assert planned.id == run.id and (python, module) == ("python", "landscape.sweep")
    assert not any(text.startswith(("search", "store", "threads")) for text in overrides)


def test_joint_settings_of_a_study_are_arguments_of_their_own():
    old = RunMeta.from_json({"overrides": ["loss=ns", "optim.lr=1 seed=3"]}, "meta.json")
    assert single_run_command(old) == "python -m landscape.sweep loss=ns optim.lr=1 seed=3"
    assert single_run_command(RunMeta()) == single_run_command(RunMeta(overrides=[])) == ""


def test_machines_are_told_with_all_that_bits_depend_on_and_equal_ones_once():
    def on(*machines):
        return RunMeta.from_json({"machines": list(machines)}, "meta.json")

    gpu = {"host": "a", "gpu": "H100", "cpu": "EPYC", "device": "cuda:0", "threads": 4, "world_size": 2}
    gpu |= {"device_batch_size": 32, "precision": "bf16", "packages": {"torch": "2.11"}, "code": {"commit": "abc"}}
    told = ["2 x H100, on EPYC, device cuda:0, 4 threads, bf16, 32 images per device", "commit abc", "torch 2.11"]
    later = gpu | {"code": {"commit": "abd"}}
    assert machine_lines(on(gpu, gpu | {"host": "b"}, later)) == [told, [told[0], "commit abd", told[2]]]
    assert machine_lines(on({"gpu": "H100", "sharing": 3})) == [["H100, shared by 3 runs"]]
    assert machine_lines(on({})) == machine_lines(on()) == []


def test_pictures_of_scores_are_in_the_folder_newest_first_and_of_the_runs_that_have_them(tmp_path, monkeypatch):
    store = Store(tmp_path / "store")
    runs = [add_run(store, [100.0, 9.0 + seed], config(seed=seed), picture=True) for seed in range(2)]
    synthetic.draw_scores(runs[1], 250)
    (runs[1].samples / "notes.txt").write_text("")
    (runs[1].samples / "a b-3-c.png").write_text("")
    make_report(store, tmp_path / "out")
    names = {path.name for path in (tmp_path / "out" / "samples").iterdir()}
    name = runs[1].rows()[0].protocol
    assert names == {f"{run.id}.png" for run in runs} | {
        f"{runs[1].id}-{kind}-{name}.png" for kind in ("birthday", "neighbours")
    }
    made = tmp_path / "out" / "samples" / f"{runs[1].id}-birthday-{name}.png"
    assert made.read_bytes() == runs[1].picture("birthday", 250, name).read_bytes(), "the newest"
    # Where they have to be copied, grids come before them.
    grids = sum(run.sample_grid(250).stat().st_size for run in runs)
    monkeypatch.setattr(images, "MOST_BYTES", grids)
    monkeypatch.setattr(images, "_link", lambda source, target: False)
    make_report(store, tmp_path / "far")
    assert {path.name for path in (tmp_path / "far" / "samples").iterdir()} == {f"{run.id}.png" for run in runs}
    page = "".join(path.read_text() for path in (tmp_path / "far" / "data").glob("runs-*.js"))
    assert "birthday" not in page, "nothing leads to a picture that is not there"


@pytest.mark.slow
def test_superseded_runs_are_marked_and_compared_with_nothing(tmp_path):
    """Eight runs of before a change, all better than the five of after it: no result or curve has them."""
    store = Store(tmp_path / "store")
    for seed in range(13):
        run = add_run(store, [50.0, 2.0 + seed], config(seed=seed, arch__g_spectral=True))
        if seed < 8:
            run.path.rename(run.path.with_name(run_id(run.config(), before=1)))
    add_run(store, [50.0, 30.0], config("wgan", seed=9))
    assert make_report(store, tmp_path / "out") == []
    runs = load(store)
    old = runs["superseded"].notna()
    assert old.sum() == 8 and set(runs.loc[old, "superseded"]) == {"arch.g_spectral before 2026-11-25"}
    assert runs.loc[old, "worth"].isna().all() and runs.loc[~old, "worth"].notna().all()
    assert runs.loc[old, "fid"].tolist() and runs.loc[runs["cell"] == "NS GP", "setting"].nunique() == 2
    cells = pd.read_csv(tmp_path / "out" / "cells.csv").set_index("cell")
    assert cells.loc["NS GP", ["runs", "results"]].tolist() == [13, 5]
    assert cells.loc["NS GP", ["fd_classifier_lowest", "fd_classifier_best", "fd_classifier_median"]].tolist() == [
        10,
        10,
        12,
    ]
    assert timed(runs).worth["NS GP"].min() == 10 and best_table(runs, protocols.UNKNOWN, {})["fid"].min() == 10
    page = (tmp_path / "out" / "index.html").read_text()
    assert "8 runs are superseded:" in page and "transposed conv" in page
    (table,) = (tmp_path / "out" / "data").glob("table-*.js")
    assert table.read_text().count("arch.g_spectral before 2026-11-25") == 8
    main(["--csv", str(tmp_path / "out" / "runs.csv"), "--out", str(tmp_path / "again")])
    again = pd.read_csv(tmp_path / "again" / "cells.csv").set_index("cell")
    assert again.loc["NS GP", ["results", "fd_classifier_lowest"]].tolist() == [5, 10]


def test_without_superseded_runs_the_page_does_not_speak_of_them(report):
    assert "superseded:" not in (report / "index.html").read_text()
    assert not any("superseded" in table.read_text() for table in (report / "data").glob("table-*.js"))
