"""Claims about the study's figures, searches in a store, the paper's numbers, and rows from elsewhere."""

import json
import re
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import synthetic
from matplotlib.figure import Figure
from synthetic import PROTOCOL, add_run, config, looks_of

import analysis
from analysis.figures import paper
from analysis.figures.paper_layout import PAPER_FIGURES, paper_figures
from analysis.html.paper import diversity_lines, paper_sections
from analysis.loading.cells import CLUSTERED, SEARCHED, countable, no_bands, stopped_cells, unit_values
from analysis.loading.csv_runs import read_csv
from analysis.loading.filters import filter_runs
from analysis.loading.paper_results import (
    PAPER_SAMPLES,
    PAPER_TRAINING,
    best_published,
    differences,
    published,
    read_lines,
)
from analysis.loading.protocols import sections
from analysis.loading.read_run import _spelled
from analysis.loading.runs import collect
from analysis.report import main, make_report
from analysis.tables.best_runs import COMPARABLE, best_table
from landscape.config.axes import ADDED, CELL_AXES
from landscape.config.errors import UserError
from landscape.config.identity import DERIVED, GROUPS, flatten
from landscape.config.keys import keys
from landscape.store import DIVERGED, Store
from landscape.store.protocols import EvalProtocol
from sweeps.planning.config_groups import choose, groups, merge

STUDY_PROTOCOL = EvalProtocol(extractor="inception", quantise="float", real="test", generator="raw")


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    return synthetic.searched(tmp_path_factory.mktemp("searched"))


@pytest.fixture(scope="module")
def report(searched, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    assert make_report(searched, out) == []
    return out


def cells(*facts):
    names = ["data", "arch", "loss", "penalty", "norm", "n_dis"]
    return pd.DataFrame(facts, columns=names).assign(worth=9.0, **{axis.name: axis.plain for axis in ADDED})


def test_the_studies_have_the_papers_cells():
    labels = {key: len(study.members) for key, study in PAPER_FIGURES.items()}
    assert labels == {"regularization": 8, "loss": 8, "architecture": 4, "both": 9}


def test_a_figure_is_drawn_of_the_cells_there_are_in_the_papers_order_and_words():
    found = paper_figures(
        cells(
            ("d", "resnet19", "ns", "none", "sn", 1),
            ("d", "resnet19", "ns", "dragan", "none", 1),
            ("d", "resnet19", "ns", "gp", "none", 5),
            ("d", "resnet19", "wgan", "gp", "none", 5),
            ("d", "resnet19", "ls", "none", "sn", 1),
            ("d", "resnet19", "ls_sigmoid", "none", "sn", 1),
            ("d", "resnet19", "ns", "r1", "none", 1),
        )
    )
    assert {figure.key: list(figure.cells) for figure in found} == {
        "regularization": ["GP 5", "DR", "SN"],
        "loss": ["NS SN", "NS GP 5", "WGAN GP 5", "LS SN"],
    }
    assert found[1].cells["LS SN"]["loss"] == "ls_sigmoid", "the study's own form of LS comes first"


def test_architectures_are_compared_where_there_are_two_and_named_as_in_the_study():
    both = cells(*(("d", arch, "ns", "none", norm, 1) for arch in ("sndcgan", "resnet19") for norm in ("none", "sn")))
    found = {figure.key: list(figure.cells) for figure in paper_figures(both)}
    assert found["architecture"] == ["RES5 W/O", "RES5 SN", "SNDC W/O", "SNDC SN"]
    assert set(found) == {f"{key}-{arch}" for key in ("regularization", "loss") for arch in ("resnet19", "sndcgan")} | {
        "architecture"
    }


def test_cells_of_different_data_sets_make_no_figure():
    assert paper_figures(cells(("a", "x", "ns", "gp", "none", 1), ("b", "x", "ns", "none", "sn", 1))) == []


def test_the_user_s_grid_without_n_dis_five_still_has_its_loss_figure():
    found = paper_figures(cells(*(("d", "a", loss, "gp", "none", 1) for loss in ("ns", "wgan", "ls"))))
    assert [list(figure.cells) for figure in found] == [["NS GP", "WGAN GP", "LS GP"]]


def test_top_runs_are_points_with_an_equal_share_beside_cells_of_other_size():
    values = {"NS GP": np.r_[np.arange(1.0, 191), np.full(10, np.inf)], "NS SN": np.arange(1.0, 61)}
    ax = paper.top_runs(Figure().subplots(), values, looks_of(values))
    points = [line for line in ax.lines if line.get_linestyle() == "None"]
    assert [np.size(line.get_xdata()) for line in points] == [10, 3, 3, 3], "two columns, then the open diamonds"
    assert [text.get_text() for text in ax.texts] == ["10 of 200", "3 of 60"]
    boxes = [line for line in ax.lines if np.size(line.get_xdata()) == 5 and line.get_linestyle() == "-"]
    assert len(boxes) == 1, "no box below five points"


def test_where_runs_came_from_is_in_the_frame(searched):
    runs = analysis.load(searched)
    assert runs["stage"].value_counts().to_dict() == {"search": 24, "grid": 12, "confirm": 10}
    assert runs.loc[runs["stage"] == "search", "sampler"].unique().tolist() == ["gp"]
    assert runs.loc[runs["stage"] == "search", "round"].max() == 3 and set(runs["sweep"]) == {"first"}
    assert runs.loc[runs["stage"] != "search", "sampler"].isna().all()


def test_runs_of_no_search_are_of_a_grid_and_a_broken_trials_file_costs_itself_alone(tmp_path):
    store = synthetic.searched(tmp_path)
    store.trials_file("first").write_text('{"run": "x", "cell": {}, "stage": "guess"}\n')
    frame = analysis.load(store)
    assert set(frame["stage"]) == {"grid"} and frame["sweep"].isna().all()
    assert "trials.jsonl" in frame.attrs["problems"][0] and "stage" in frame.attrs["problems"][0]


def test_a_run_that_chose_cannot_confirm(tmp_path):
    store = synthetic.searched(tmp_path)
    run = analysis.load(store).query("stage == 'grid'")["id"].iloc[0]
    again = store.trials_file("a-later-one")
    again.parent.mkdir()
    again.write_text(f'{{"run": "{run}", "stage": "confirm", "sampler": null, "order": 0, "round": null}}\n')
    assert analysis.load(store).set_index("id").loc[run, "stage"] == "grid"


def test_stopped_and_confirming_runs_are_in_no_curve_and_a_search_has_no_band(searched):
    runs = analysis.load(searched)
    assert len(runs) == 46 and len(countable(runs)) == 34
    assert len(unit_values(countable(runs), "setting")) == 2 * (3 + 11)
    assert no_bands(runs, "setting") == {"NS GP": SEARCHED, "WGAN GP": SEARCHED}
    random = runs.assign(sampler=runs["sampler"].where(runs["sampler"].isna(), "random"))
    assert stopped_cells(runs) == [] and stopped_cells(random) == ["NS GP", "WGAN GP"]
    assert no_bands(random, "setting") == {} and list(no_bands(random, "run").values()) == 2 * [CLUSTERED]
    assert stopped_cells(countable(random)) == []


def test_the_report_of_a_search_has_its_parts_and_says_what_it_may_not(report):
    page = (report / "index.html").read_text()
    figures = {file.stem for file in (report / "figures").iterdir()}
    assert {"study-loss", "01-digits-practitioner", "01-digits-hours"} <= figures
    tables = {file.name for file in (report / "tables").iterdir()}
    assert "01-digits-pairs" not in figures, "a single pair needs no picture"
    assert "01-digits-ranks.csv" not in tables, "three settings a cell tell nothing apart"
    for kind in ("cells", "pairs", "confirm", "best", "spread", "agreement"):
        assert {f"01-digits-{kind}.csv", f"01-digits-{kind}.tex"} <= tables, kind
    for words in (
        "A narrow top 5 % does not mean stable training",
        "2 of 46 runs were stopped early",
        "is not on record",
        "section of their own, report the values there",
    ):
        assert words in page, words
    for link in set(re.findall(r'(?:href|src)="([^"#]+)"', page)) - {"data:,"}:
        assert (report / link).is_file(), link


def test_where_nothing_can_be_told_apart_the_page_says_what_would_and_ranks_nothing(report):
    page = (report / "index.html").read_text()
    assert "2 cells of 3 settings: they cannot be told apart; 4 settings detect a difference of 3 sd" in page
    assert "none claimed" in page and "rank at k" not in page


def test_confirmed_values_are_those_of_the_confirming_runs_alone(searched, report):
    table = pd.read_csv(report / "tables" / "01-digits-confirm.csv").set_index("cell")
    runs = analysis.load(searched)
    expected = runs[(runs["stage"] == "confirm") & (runs["cell"] == "NS GP")]["fid"].mean()
    assert table.loc["NS GP", "mean"] == pytest.approx(expected) and table.loc["NS GP", "n"] == 5
    assert "\\toprule" in (report / "tables" / "01-digits-confirm.tex").read_text()


def published_run(preset):
    """What is asked of a run of this preset, as a report reads it: its row, its protocol, its configuration."""
    config = flatten(merge(choose({"preset": preset})))
    config |= {"optim.lr_d": config["optim.lr"], "optim.lr_g": config["optim.lr"], "train.sync_bn": None}
    run = {axis.name: axis.plain if axis.added else config[axis.keys[-1]] for axis in CELL_AXES}
    count = PAPER_SAMPLES[run["data"]]
    return run, replace(STUDY_PROTOCOL, n_real=count, n_fake=count), config


@pytest.mark.parametrize("preset", groups()["preset"])
def test_a_preset_trains_as_the_study_did(preset):
    run, protocol, config = published_run(preset)
    assert differences(run, protocol, config) == []
    assert (config["metrics.quantise"], config["metrics.is_splits"]) == ("float", 1)
    assert config.get("metrics.prd_average") == "curve"


def test_the_papers_numbers_are_those_of_the_presets():
    assert len(published()) == 32 and published()["fid"].min() == 22.73
    run, protocol, config = published_run("sndcgan_cifar10_sn")
    assert best_published(run)["fid"] == 25.27 and best_published(run | {"loss": "hinge"}) is None
    assert differences(run, EvalProtocol(), config) == ["our protocol is unknown"]
    assert differences(run, protocol, None) == ["our configuration is unknown"]
    lines = "\n".join(f"{key}: {_spelled(value)}" for key, value in config.items())
    assert differences(run, protocol, read_lines(lines)) == []


# A preset, and what is changed in its protocol or configuration; each is named, with what the study had.
CHANGED = [
    ("sndcgan_cifar10_sn", "train.steps", 100_000, "200000"),
    ("sndcgan_celebahq128_sn", "train.steps", 200_000, "100000"),
    ("resnet19_lsun_bedroom_sn", "train.steps", 100_000, "200000"),
    ("sndcgan_cifar10_sn", "train.batch_size", 8, "64"),
    ("sndcgan_cifar10_sn", "train.precision", "bf16", "fp32"),
    ("sndcgan_cifar10_sn", "train.noise_std", 0.1, "null"),
    ("sndcgan_cifar10_sn", "train.ema", 0.999, "null"),
    ("sndcgan_cifar10_sn", "train.world_size", 2, "1"),
    ("sndcgan_cifar10_sn", "train.bn_variance", "unbiased", "population"),
    ("sndcgan_cifar10_sn", "latent.dim", 64, "128"),
    ("sndcgan_cifar10_sn", "latent.dist", "normal", "uniform"),
    ("sndcgan_cifar10_sn", "data.size", 64, "32"),
    ("sndcgan_cifar10_sn", "arch.width", 0.25, "1"),
    ("sndcgan_cifar10_sn", "arch.init_std", 0.05, "0.02"),
    ("sndcgan_cifar10_sn", "arch.g_norm", "none", "bn"),
    ("sndcgan_cifar10_sn", "arch.g_spectral", True, "false"),
    ("resnet_cifar_cifar10_sn", "arch.shortcut", "identity", "conv3"),
    ("resnet_cifar_cifar10_sn", "arch.pool", "sum", "mean"),
    ("resnet_cifar_cifar10_sn", "arch.upsample", "nearest", "zeros"),
    ("sndcgan_cifar10_sn", "optim.kind", "rmsprop", "adam"),
    ("sndcgan_cifar10_sn", "optim.lr_g", 1e-3, "0.0002"),
    ("sndcgan_cifar10_sn", "optim.epsilon", 1e-4, "1e-08"),
    ("sndcgan_cifar10_sn", "optim.epsilon_form", "torch", "tf"),
    ("sndcgan_cifar10_sn", "optim.epsilon_form", None, "tf"),  # a run of before there was the key
    ("sndcgan_cifar10_sn", "optim.decay", "linear", "none"),
    ("sndcgan_cifar10_sn", "optim.burn_in", True, "false"),
    ("sndcgan_cifar10_sn", "norm.epsilon", 1e-5, "1e-12"),
    ("sndcgan_cifar10_sn", "norm.moves", None, "pass"),
    ("resnet19_celebahq128_ln", "norm.epsilon", 1e-5, "1e-12"),
    ("sndcgan_cifar10_sn_gp", "reg.target", 0, "1"),
    ("sndcgan_cifar10_sn_gp", "reg.epsilon", 1e-8, "0.0001"),
    ("resnet19_celebahq128_ln_dragan", "reg.noise", "authors", "study"),
    ("sndcgan_cifar10_sn", "extractor", "classifier", "inception"),
    ("sndcgan_cifar10_sn", "quantise", "uint8", "float"),
    ("sndcgan_cifar10_sn", "real", "train", "test"),
    ("sndcgan_lsun_bedroom_sn", "n_real", 30_588, "10000"),
    ("sndcgan_celebahq128_sn", "n_fake", 10_000, "3000"),
    ("sndcgan_cifar10_sn", "generator", "ema", "raw"),
]


@pytest.mark.parametrize(("preset", "key", "value", "study"), CHANGED)
def test_what_is_not_as_the_study_had_it_is_named(preset, key, value, study):
    run, protocol, config = published_run(preset)
    if key in vars(protocol):
        protocol = replace(protocol, **{key: value})
    else:
        config[key] = value
    (reason,) = differences(run, protocol, config)
    was = {"optim.epsilon_form": "torch", "norm.moves": "update"}.get(key) if value is None else str(value)
    assert reason == f"{key}={was.lower() if value is True else was} (paper: {study})"


def test_a_cell_that_is_partly_scored_is_in_none_of_the_papers_figures(tmp_path):
    store, drawn = Store(tmp_path), []
    for seed in range(6):
        for loss, penalty, norm in (("ns", "gp", "none"), ("ns", "none", "sn"), ("wgan", "gp", "none")):
            half = replace(PROTOCOL, real="train") if loss == "wgan" and seed < 3 else PROTOCOL
            add_run(store, [100.0, 9.0 + seed], config(loss, penalty, norm, seed), protocol=half)
    found = collect(store)
    renderer: Any = SimpleNamespace(submit=lambda stem, draw, figure, blocks, rng: drawn.extend(blocks))
    paper_sections(found, sections(found.runs), renderer)
    labels = {label for one in drawn for label in one.runs["cell"]}
    assert {"GP", "SN"} <= labels and not [label for label in labels if "WGAN" in label]


def test_every_key_that_training_depends_on_is_asked_or_known_to_be_free():
    """A new key must be asked for here before a number is called comparable with the paper's."""
    training = {key for key in keys() if key.partition(".")[0] in GROUPS} - set(DERIVED)
    of_cell = {key for axis in CELL_AXES for key in axis.keys} | {"reg.norm"}
    asked = {*PAPER_TRAINING, "norm.epsilon", "norm.moves", "train.steps", "optim.lr_g"}
    free = {"optim.lr_d", "optim.beta1", "optim.beta2", "reg.strength"}  # the paper searched them
    # Of penalties and optimizers that the paper does not have, and of several devices.
    unused = {"reg.bound", "reg.norms", "reg.when", "reg.difference", "optim.alpha", "train.sync_bn"}
    unused |= {key for key in training if key.startswith(("lens.", "reg_g."))} - of_cell  # its cells have neither
    assert training - of_cell == asked - {"data.size"} | free | unused


def test_best_models_stand_beside_the_papers_where_it_has_them(tmp_path):
    store = Store(tmp_path)
    add_run(store, [100.0, 26.0], config("ns", "none", "sn", data__kind="cifar10", arch__width=1.0))
    add_run(store, [100.0, 27.0], config("ns", "none", "sn", data__kind="cifar10", arch__width=1.0, seed=1))
    found = collect(store)
    row = best_table(found.runs, PROTOCOL, found.configs).iloc[0]
    assert (row["fid"], row["paper"]) == (26, 25.27) and row["compares"].startswith("no: extractor=classifier")
    add_run(store, [100.0, 5.0], config("hinge"))
    digits = analysis.load(store).query("data == 'digits'")
    assert np.isnan(best_table(digits, PROTOCOL, {}).iloc[0]["paper"])
    assert best_table(digits, PROTOCOL, {})["compares"][0] == ""


def test_a_comparable_run_says_which_checkpoint_stands_beside_which(tmp_path):
    store = Store(tmp_path)
    _, protocol, flat = published_run("sndcgan_cifar10_sn")
    trained = {key for key in flat if key.split(".")[0] in ("norm", "arch", "latent", "optim", "train")}
    made = {key.replace(".", "__"): flat[key] for key in (*trained, "data.kind", "data.size")}
    add_run(store, [100.0, 26.0], config("ns", "none", "sn", **made))
    found = collect(store)
    assert found.problems == []
    row = best_table(found.runs, protocol, found.configs).iloc[0]
    assert row["compares"] == COMPARABLE


def test_a_report_from_its_own_csv_says_the_same(searched, report, tmp_path):
    assert main(["--csv", str(report / "runs.csv"), "--out", str(tmp_path)]) == 0
    for name in ("cells.csv", "tables/01-digits-pairs.csv", "tables/01-digits-confirm.csv"):
        pd.testing.assert_frame_equal(pd.read_csv(tmp_path / name), pd.read_csv(report / name))
    page = (tmp_path / "index.html").read_text()
    assert "as given in runs.csv" in page and "FD (classifier, as given)" in page


def test_a_csv_needs_little(tmp_path):
    file = tmp_path / "mine.csv"
    file.write_text("data,arch,loss,penalty,norm,fid,status\na,b,ns,none,sn,12.5,\na,b,ns,none,sn,,diverged\n")
    runs = read_csv(file).runs
    assert runs["worth"].tolist() == [12.5, np.inf] and runs["cell"].tolist() == ["NS SN"] * 2
    assert runs["status"].tolist() == ["done", DIVERGED] and runs["setting"].nunique() == 1
    assert list(runs.columns) == list(analysis.load(Store(tmp_path)).columns)
    assert main(["--csv", str(file), "--out", str(tmp_path / "out")]) == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("data,arch\na,b\n", "lacks the columns loss, penalty, norm, fid"),
        ("data,arch,loss,penalty,norm,fid\n", "holds no rows"),
        ("data,arch,loss,penalty,norm,fid\na,b,ns,gp,none,low\n", "line 2: fid is 'low', expected a number"),
        (
            "data,arch,loss,penalty,norm,fid,status\na,b,ns,gp,none,3,fine\n",
            "line 2: status is 'fine'; expected one of",
        ),
        ("data,arch,loss,penalty,norm,fid\na,b,,gp,none,3\n", "line 2: loss is"),
    ],
)
def test_a_csv_that_is_none_is_refused_in_a_sentence(tmp_path, capsys, text, message):
    file = tmp_path / "mine.csv"
    file.write_text(text)
    assert main(["--csv", str(file), "--out", str(tmp_path / "out")]) == 2
    out, err = capsys.readouterr()
    assert out == "" and message in err and err.count("\n") == 1 and str(file) in err


def test_a_missing_csv_is_refused(tmp_path, capsys):
    assert main(["--csv", str(tmp_path / "no.csv"), "--out", str(tmp_path / "out")]) == 2
    assert "no.csv cannot be read" in capsys.readouterr().err


def test_a_run_on_two_devices_or_more_threads_is_on_another_kind_of_device(tmp_path):
    store = Store(tmp_path)
    run = add_run(store, [100.0, 9.0], config())
    for change, expected in (
        ({}, "Some CPU"),
        ({"threads": 4}, "Some CPU, 4 threads"),
        ({"gpu": "H100", "threads": 4, "world_size": 2}, "2 x H100"),
    ):
        machine = synthetic.META["machines"][0]
        synthetic.change_meta(run, machines=[machine, machine | change])
        row = analysis.load(store).iloc[0]
        assert row["device"] == expected and row["device_kinds"] == (2 if change else 1)


def test_where_narrows_by_any_column(searched):
    found = analysis.collect(searched)
    one = filter_runs(found, ["loss=ns", "stage=grid,search", "seed=0"])
    assert set(one.runs["loss"]) == {"ns"} and set(one.runs["seed"]) == {0} and "confirm" not in set(one.runs["stage"])
    assert set(one.rows["id"]) == set(one.runs["id"]) == set(one.meta) and set(one.trials["id"]) <= set(one.runs["id"])
    assert len(filter_runs(found, []).runs) == len(found.runs)
    for condition, message in (
        ("loss", "loss is not a condition; write --where KEY=VALUE"),
        ("loss=", "loss= is not a condition"),
        ("los=ns", r"unknown key los \(did you mean loss\?\); legal: data, arch, algorithm"),
        ("loss=hinge", "no run has loss=hinge; existing values: ns, wgan"),
        ("seed=x", "no run has seed=x"),
    ):
        with pytest.raises(UserError, match=message):
            filter_runs(found, [condition])


def test_where_on_the_command_line(searched, tmp_path, capsys):
    store = [f"store={searched.root}", "--out", str(tmp_path)]
    assert main([*store, "--where", "loss=ns", "--where", "stage=confirm"]) == 0
    assert "5 runs (5 done)" in capsys.readouterr().out
    page = (tmp_path / "index.html").read_text()
    assert "<b>Filtered:</b>" in page and "<code>loss=ns</code> and <code>stage=confirm</code>" in page
    assert main([*store, "--where", "loss=hinge"]) == 2
    assert "ns, wgan" in capsys.readouterr().err


@pytest.mark.slow
def test_runs_that_confirm_under_their_own_protocol_are_a_part_of_their_own(tmp_path):
    store = synthetic.searched(tmp_path / "store")
    for run in analysis.load(store).query("stage == 'confirm'")["id"]:
        folder = store.run(run)
        folder.metrics_file.unlink()
        synthetic.add_row(folder, 500, 9.0, replace(PROTOCOL, seed=7))
    assert make_report(store, tmp_path / "out") == []
    tables = sorted(file.stem for file in (tmp_path / "out" / "tables").glob("*.csv"))
    assert [name for name in tables if name.startswith("02-")] == ["02-digits-cells", "02-digits-confirm"]
    assert not list((tmp_path / "out" / "figures").glob("02-*-budget*"))
    assert "report these values" in (tmp_path / "out" / "index.html").read_text()


def test_the_diversity_panel_has_lines_of_real_images_and_of_noisy_ones_as_far_as_the_protocol_has(tmp_path):
    assert diversity_lines(PROTOCOL) == {"real images": 0.79, "noisy, σ 10/255": 1 - 0.195}
    older = replace(PROTOCOL, floor_noisy=None)
    assert diversity_lines(older) == {"real images": 0.79} and diversity_lines(EvalProtocol()) == {}
    runs = analysis.load(synthetic.grid(tmp_path))
    ax, lines = Figure().subplots(), diversity_lines(PROTOCOL)
    assert paper.diversity(ax, runs, ["NS GP", "NS SN"], looks_of(["NS GP", "NS SN"]), lines)
    names = {note.get_text(): note.get_position()[1] for note in ax.texts if note.get_text()}
    assert list(names) == ["real images", "noisy, σ 10/255"]
    assert names["noisy, σ 10/255"] - names["real images"] > 0.06, "not on each other"
    assert {line.get_ydata()[0] for line in ax.lines if np.array_equal(line.get_xdata(), [0, 1])} == set(lines.values())


def test_what_one_run_s_text_of_a_protocol_lacks_another_s_has(tmp_path):
    """A run that was scored before there were noisy images, or for its distance only, hides no line of the others."""
    store, whole = Store(tmp_path), {"floor": PROTOCOL.floor, "floor_noisy": PROTOCOL.floor_noisy}
    runs = [add_run(store, [100.0, 9.0 + seed], config(seed=seed)) for seed in range(3)]
    name = analysis.load(store)["protocol"].iloc[0]
    for run, less in zip(runs, ({"floor": None}, whole, {"floor": {"n": 898, "fid": 0.25}}), strict=True):
        text = {key: value for key, value in PROTOCOL.to_json().items() if key not in whole} | less
        run.protocol_file(name).write_text(json.dumps(text))
    assert analysis.collect(store).protocols == {name: PROTOCOL}
