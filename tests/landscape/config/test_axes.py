"""The table of axes fits the schema and `conf/`, and what follows from it reads as it always has."""

from __future__ import annotations

from typing import Any

import pytest

from landscape.config.axes import AXES, CELL_AXES, CELL_KEYS, axes_of, cell_label, cell_name, cell_words, shown_axes
from landscape.config.conf_dir import conf_dir
from landscape.config.where import config_keys
from sweeps.planning.labels import labels
from sweeps.planning.plan import make_plan

LATER = [axis.name for axis in CELL_AXES if axis.added and axis.name != "algorithm"]  # shown where they tell something
GP: dict[str, Any] = {
    **{axis.name: axis.plain for axis in CELL_AXES},
    **{"data": "digits", "arch": "dcgan", "algorithm": "gan"},
    **{"loss": "ns", "penalty": "gp", "norm": "sn", "n_dis": 5},
}


def test_every_row_is_of_keys_and_choices_that_there_are() -> None:
    assert {key for axis in AXES for key in axis.keys} <= set(config_keys())
    assert all((conf_dir() / axis.group).is_dir() for axis in AXES if axis.group is not None)
    assert len({axis.name for axis in AXES}) == len(AXES)


def test_a_run_is_told_by_every_axis_whichever_way_it_was_asked_for() -> None:
    (run,) = make_plan(["reg=sn", "optim.lr=1e-3", "seed=7"], multirun=False).runs
    told = axes_of(run.config)
    assert list(told) == [axis.name for axis in AXES]
    assert (told["penalty"], told["norm"], told["lr_d"], told["lr_g"], told["seed"]) == ("none", "sn", 1e-3, 1e-3, 7)
    assert told["strength"] is None and told["optim"] == "adam"
    with pytest.raises(KeyError):
        axes_of({key: value for key, value in run.config.items() if key != "loss"})


def test_a_cell_has_a_name_for_tables_a_label_for_figures_and_words_for_lines() -> None:
    assert cell_label(GP) == "NS GP+SN 5" and cell_words(GP) == "digits dcgan ns gp sn n_dis=5"
    assert cell_name(GP) == tuple(map(str, GP.values())) and tuple(GP) == CELL_KEYS
    bare = {**GP, "penalty": "none", "norm": "none", "n_dis": 1}
    assert cell_label(bare) == "NS W/O" and cell_words(bare) == "digits dcgan ns n_dis=1"
    old = {key: value for key, value in zip(CELL_KEYS, cell_name({"loss": "ns"}), strict=True) if key not in LATER}
    assert list(old.values()) == ["?", "?", "gan", "ns", "?", "?", "?"], "a status that does not say"
    lone = {**bare, "algorithm": "vae", "loss": "none"}
    assert cell_label(lone) == "VAE W/O" and cell_words(lone) == "digits dcgan vae n_dis=1"


def test_a_table_has_a_later_axis_only_where_it_tells_something() -> None:
    names = [cell_name(GP), cell_name({**GP, "algorithm": "vae"})]
    plain = [key for key in CELL_KEYS if key not in LATER]
    assert [axis.name for _, axis in shown_axes(names[:1])] == [key for key in plain if key != "algorithm"]
    assert [(i, axis.name) for i, axis in shown_axes(names)] == [(CELL_KEYS.index(key), key) for key in plain]
    told = shown_axes([cell_name(GP), cell_name({**GP, "pack": 2})])
    assert [axis.name for _, axis in told if axis.added] == ["pack"]


def test_a_later_axis_is_in_labels_where_it_is_not_plain() -> None:
    grown = {**GP, "lens": "tempered", "symmetric": "true", "pack": 2, "penalty_g": "clamp"}
    grown |= {"conditional": "true"}
    assert cell_label(grown) == "NS GP+SN CGAN LENS SYM PACK 2 CLAMP 5"
    assert cell_words(grown) == "digits dcgan ns gp sn conditional tempered symmetric clamp pack=2 n_dis=5"


def test_runs_are_called_by_the_axes_on_which_they_differ() -> None:
    rates = {"lr_d": 1e-3, "lr_g": 1e-3}
    runs = {"a" * 16: {**GP, **rates, "strength": 1.0}, "b" * 16: {**GP, **rates, "strength": 10.0}}
    assert list(labels(runs.items()).values()) == ["strength=1.0", "strength=10.0"]
    runs["c" * 16] = {**GP, "penalty": "none", "lr_d": 2e-3, "lr_g": 2e-3, "strength": None}
    assert list(labels(runs.items()).values())[1:] == ["penalty=gp lr_d=0.001 strength=10.0", "penalty=none lr_d=0.002"]
    assert labels([("d" * 16, GP)]) == {"d" * 16: "d" * 8}
    old = {key: value for key, value in GP.items() if key != "n_dis"}  # its status does not tell
    assert set(labels([("e" * 16, old), ("f" * 16, GP)]).values()) == {"e" * 8, "f" * 8}


def test_lazy_penalties_are_told_apart_where_they_differ() -> None:
    runs = [
        (str(i) * 16, axes_of(run.config)) for i, run in enumerate(make_plan(["reg=gp", "reg.every=1,4"], True).runs)
    ]
    assert [facts["penalty_every"] for _, facts in runs] == [1, 4]
    assert list(labels(runs).values()) == ["penalty_every=1", "penalty_every=4"]
    old = {key: value for key, value in runs[0][1].items() if key != "penalty_every"}  # of before there was the key
    assert list(labels([("f" * 16, old), runs[1]]).values()) == ["penalty_every=1", "penalty_every=4"]
