"""Diagnostics end to end: from one command to rows, pictures and costs, and what they see of a collapsed generator."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import pytest
import torch
from PIL import Image
from support import TINY, frozen_runs
from torch import Tensor, nn

from landscape.config.errors import UserError
from landscape.config.schema import Data, Latent
from landscape.data import load_data
from landscape.metrics.evaluator import Scorer
from landscape.runtime.worker import work
from landscape.scores import CURVES, DIAGNOSTICS, SCORES, STORED
from landscape.store import Store, protocols
from landscape.store.atomic_io import read_yaml
from landscape.store.protocols import EvalRequest
from sweeps.planning.config_groups import conf_dir
from sweeps.planning.plan import make_plan

FEW = ("metrics.jacobians=2", "metrics.geometry_draws=3", "metrics.prd_runs=2")
NOT_ASKED = {"modes", "kid", "classes"}  # by metrics=diagnostics; classes are for labels and conditional runs
NEED_A_RUN = {name for name in DIAGNOSTICS if name.startswith(("d_", "nn_", "log_", "latent_"))} | {"spectrum"}


def scorer(store: Store, *overrides: str) -> Scorer:
    asked = EvalRequest.of(make_plan(list(overrides), multirun=False).runs[0].config)
    assert asked is not None
    return Scorer(asked, load_data(Data(kind="digits", size=8)), Latent(2, "normal"), store, torch.device("cpu"))


def test_all_scores_of_a_run_and_again_of_the_finished_run(store: Store) -> None:
    (run,) = frozen_runs(store, *TINY, "metrics.every=12")
    assert work(store, run.id, lambda text: None) == "done"
    plain = run.rows()[-1]
    (again,) = frozen_runs(store, *TINY, "metrics=diagnostics", *FEW)
    assert again.id == run.id and work(store, run.id, lambda text: None) == "done"
    (direct,) = frozen_runs(store, *TINY, "metrics=diagnostics", *FEW, "metrics.every=12", "repeat=1")
    assert work(store, direct.id, lambda text: None) == "done"
    later, row = run.rows()[-1], direct.rows()[-1]
    columns = {*DIAGNOSTICS, *CURVES} - {column.key for column in SCORES["classes"].columns}
    assert columns <= row.values.keys()
    # Kept weights, D's among them, say what the run said itself.
    assert {k: later.values[k] for k in columns} == {k: row.values[k] for k in columns}
    assert later.values["fd_classifier"] == plain.values["fd_classifier"]
    assert all(row.values[k] is not None or k in row.why for k in columns)
    assert {k for k in columns if row.values[k] is None} <= {"support"}
    asked = set(SCORES) - NOT_ASKED
    assert row.cost.keys() == asked | {"features"} and min(row.cost.values()) >= 0
    floor = direct.protocol(row.protocol).floor
    assert not NEED_A_RUN & floor.keys() and floor["prd_f8"] > 0.8
    for name, size in (("birthday", (8 * 9 - 1, 5 * 9 - 1)), ("neighbours", (8 * 9 - 1, 8 * 9 - 1))):
        with Image.open(direct.picture(name, 12, row.protocol)) as picture:
            assert picture.size == size


def test_points_have_their_geometry(tmp_path: object) -> None:
    store = Store(f"{tmp_path}/s")
    few = ("train.steps=2", "metrics.every=2", "metrics.n_fake=300", "metrics.geometry_draws=2", "metrics.prd_runs=2")
    (run,) = frozen_runs(store, "data=ring", "metrics=modes_diagnostics", *few, "loss=wgan")
    assert work(store, run.id, lambda text: None) == "done"
    row = run.rows()[-1]
    floor = run.protocol(row.protocol).floor
    assert floor["geometry"] < 0.1 < row.values["geometry"] and floor["mrlt"][1] > 0.1
    assert row.values["d_acc_fake"] is None and "no decision threshold" in row.why["d_acc_fake"]
    assert math.isfinite(row.values["d_logit_fake"])


class OnePerClass(nn.Module):
    """A generator of one perfect image per class."""

    def __init__(self, images: Tensor) -> None:
        super().__init__()
        self.images = images

    def forward(self, z: Tensor) -> Tensor:
        return self.images[torch.arange(len(z)) % len(self.images)]


def test_one_perfect_image_per_class_fools_the_inception_score_alone(store: Store) -> None:
    asked = scorer(store, "metrics.scores=[fid,is,ms_ssim,prd,geometry,birthday]", *FEW[1:])
    data = asked.data.data
    assert data.labels is not None and asked.floor is not None
    first = [next(i for i in data.train if data.labels[i] == c) for c in range(10)]
    found = asked.score(OnePerClass(torch.from_numpy(data.images[first]).float() / 255))
    assert found["is"] > asked.floor["is"]
    assert found["fd_classifier"] > 20 * asked.floor["fd_classifier"]
    assert found["ms_ssim"] == pytest.approx(1) and asked.floor["ms_ssim"] < 0.7
    assert found["prd_f8"] < 0.5 < 0.95 < asked.floor["prd_f8"]
    assert found["support"] == pytest.approx(10, rel=0.05) and asked.floor["support_low"] > 10_000
    assert found["geometry"] > 10 * asked.floor["geometry"]


# Identity: scores that came later leave older ids alone.


def test_defaults_are_neutral_and_other_values_set_a_protocol_apart() -> None:
    def identity(*overrides: str) -> str:
        asked = EvalRequest.of(make_plan(list(overrides), multirun=False).runs[0].config)
        assert asked is not None
        return asked.id

    bare = identity("metrics.scores=[fid]")
    assert identity("metrics=diagnostics") == bare
    assert identity("metrics.scores=[fid,prd]", "metrics.prd_clusters=10") != bare
    asked = EvalRequest.of(make_plan([], multirun=False).runs[0].config)
    assert asked is not None
    assert replace(asked, more={}).id == bare
    changed = replace(asked, more={**asked.options, "prd_runs": 3})
    assert protocols.differing_keys(asked, changed) == ["prd_runs"]


def test_each_parameter_belongs_to_a_score_and_stands_where_all_are_asked_for() -> None:
    needed = {option.name for score in SCORES.values() for option in score.options}
    given = read_yaml(conf_dir() / "metrics" / "diagnostics.yaml")
    assert needed <= set(protocols.NEUTRAL) and needed <= set(given)
    assert set(given["scores"]) == set(SCORES) - NOT_ASKED


def test_a_score_whose_parameters_are_not_set_is_refused_with_the_choice_that_sets_them() -> None:
    with pytest.raises(UserError, match=re.escape("metrics.scores=geometry needs metrics.geometry_landmarks")) as e:
        make_plan(["data=ring", "metrics.scores=[fid,geometry]"], multirun=False)
    assert "metrics=modes_diagnostics" in str(e.value)


def test_analysis_knows_every_column(store: Store) -> None:
    found = scorer(store, "metrics.scores=[prd,geometry,birthday]", *FEW[1:]).floor
    assert found is not None
    assert found.keys() - {"n", "by_n"} <= {*STORED, *CURVES} and "prd_f8" in found
