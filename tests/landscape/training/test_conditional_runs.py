"""Conditional runs: trained, resumed, scored, drawn and refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from resuming import kept, resumed, two
from support import TINY, frozen_runs

from landscape.config.axes import axes_of, cell_label
from landscape.config.errors import UserError
from landscape.config.schema import typed
from landscape.data import load_data
from landscape.losses.adversarial import LOSSES
from landscape.losses.penalties import REGULARIZERS
from landscape.metrics.ms_ssim import within_class
from landscape.runtime.worker import work
from landscape.sample import draw_samples, read_request
from landscape.store import DONE, RunFolder, Store
from landscape.training.loop import train
from landscape.training.state import State, new_state
from sweeps.planning.plan import make_plan

ON = "arch.conditional=true"
CPU = torch.device("cpu")


def config(*overrides: str) -> dict[str, Any]:
    return make_plan([*TINY, *overrides], multirun=False).runs[0].config


def fresh(*overrides: str) -> tuple[State, Any]:
    cfg = typed(config(*overrides))
    return new_state(cfg, load_data(cfg.data), CPU), cfg


# Planning


def test_it_is_another_run_of_another_cell_and_off_is_the_run_that_there_was() -> None:
    plain, off, on = (make_plan([*given], multirun=False).runs[0] for given in ((), ("arch.conditional=false",), (ON,)))
    assert plain.id == off.id != on.id
    assert on.config["data"]["classes"] == 10 and plain.config["data"]["classes"] is None
    assert cell_label(axes_of(on.config)) == "NS W/O CGAN" and cell_label(axes_of(plain.config)) == "NS W/O"
    assert on.config["metrics"]["scores"] == [*plain.config["metrics"]["scores"], "classes"]
    assert config(ON, "metrics.scores=[fid]")["metrics"]["scores"] == ["fid"]
    assert config(ON, "metrics=none")["metrics"]["scores"] == []


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            ("arch=dcgan", "data.size=16"),
            "needs arch=resnet19, resnet_cifar, sndcgan; arch=dcgan",
        ),
        (("data=ring",), "arch=mlp has no conditional form"),
        (("arch.g_norm=none",), "arch.conditional=true needs arch.g_norm=bn"),
    ],
)
def test_what_cannot_be_conditional_is_refused(given: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        make_plan([ON, *given], multirun=False)


def test_data_without_labels_are_refused(tmp_path: Path) -> None:
    for i in range(20):
        Image.fromarray(np.full((16, 16, 3), i, np.uint8)).save(tmp_path / f"{i}.png")
    given = [
        "data=folder",
        f"data.path={tmp_path}",
        "train.batch_size=4",
        "metrics=none",
        f"store={tmp_path / 'store'}",
    ]
    assert make_plan(given, multirun=False).runs
    with pytest.raises(UserError, match="needs labels, and data=folder has none"):
        make_plan([*given, ON], multirun=False)


# Training


def test_a_fake_has_the_class_of_the_real_image_at_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    state, cfg = fresh(ON, "train.steps=3", "optim.n_dis=2")
    asked: list[torch.Tensor] = []
    seen: list[torch.Tensor] = []
    given: list[torch.Tensor] = []
    state.modules["g"].register_forward_pre_hook(lambda module, inputs: asked.append(inputs[1]))
    state.modules["d"].register_forward_pre_hook(lambda module, inputs: seen.append(inputs[1]))
    real = type(state.batches).next

    def following(self: Any) -> Any:
        batch = real(self)
        assert batch.labels is not None
        given.append(batch.labels)
        return batch

    monkeypatch.setattr(type(state.batches), "next", following)
    train(state, cfg, lambda s: None)
    data = load_data(cfg.data)
    assert data.labels is not None and all(set(y.tolist()) <= set(range(10)) for y in given)
    assert [y.tolist() for y in asked] == [y.tolist() for y in given]
    both = [y.tolist() * 2 for y in given]
    assert [y.tolist() for y in seen] == [both[0], given[0].tolist(), both[1], both[2], given[2].tolist()]


@pytest.mark.parametrize(
    "more", [*(("loss", name) for name in LOSSES), *(("reg", name) for name in REGULARIZERS)], ids=str
)
def test_every_loss_and_penalty_trains_every_parameter(more: tuple[str, str]) -> None:
    given = (ON, f"{more[0]}={more[1]}", "norm=sn", "train.steps=2", "train.batch_size=20")
    (state, cfg), (before, _) = fresh(*given), fresh(*given)
    train(state, cfg, lambda s: None)
    for name, network in state.modules.items():
        old = dict(before.modules[name].named_parameters())
        still = [k for k, p in network.named_parameters() if torch.equal(p, old[k])]
        assert more == ("reg", "clip") or [k for k in still if "norm" in k or "projection" in k] == []


@pytest.mark.parametrize("arch", [("arch=resnet19", "data.size=16"), ("arch=resnet_cifar", "data.size=32")], ids=str)
def test_residual_networks_train_in_half_precision_too(arch: tuple[str, ...]) -> None:
    state, cfg = fresh(ON, *arch, "train.precision=bf16", "reg=gp", "train.steps=2", "train.batch_size=4")
    train(state, cfg, lambda s: None)
    assert state.finite


@pytest.mark.parametrize("more", [("reg=gp", "norm=sn"), ("reg=r1", "optim.n_dis=2", "arch.g_spectral=true")], ids=str)
def test_a_stopped_run_goes_on_to_the_same_bits(
    store: Store, more: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    disturbed, quiet = two(store, ON, *more)
    resumed(disturbed, quiet, store, monkeypatch)
    average = {k: v for k, v in kept(quiet).items() if k.startswith("average.")}
    assert average["average.norm.weight"].shape[0] == 10 and not (average["average.norm.weight"] == 1).all()


# Scores


@pytest.fixture
def done(store: Store) -> RunFolder:
    every = "metrics.scores=[fid,is,ms_ssim,classes,d_accuracy,conditioning]"
    (run,) = frozen_runs(
        store, *TINY, ON, every, "metrics.n_fake=800", "metrics.real=train", "metrics.jacobians=2", "train.steps=6"
    )
    assert work(store, run.id, lambda text: None) == DONE
    return run


def test_a_run_is_scored_within_its_classes(done: RunFolder) -> None:
    row = done.rows()[-1]
    found = row.values
    each = found["intra_fds"]
    assert len(each) == 10 and found["intra_fd"] == pytest.approx(np.mean(each)) and min(each) > 0
    assert 0 <= found["class_accuracy"] <= 1 and 0 < found["ms_ssim_classes"] <= 1
    assert {"fd_classifier", "is", "ms_ssim", "d_acc_fake", "log_condition"} <= found.keys() and not row.why
    floor = done.protocol(row.protocol).floor
    assert floor is not None and "intra_fd" not in floor  # 50 held-out images a class are too few
    assert floor["class_accuracy"] > 0.9 and floor["ms_ssim_classes"] < found["ms_ssim_classes"]


def test_a_picture_of_samples_has_a_row_per_class(done: RunFolder) -> None:
    picture = np.asarray(Image.open(done.sample_grid(6)))
    assert picture.shape == (10 * 9 - 1, 8 * 9 - 1)


def test_too_few_images_of_a_class_are_told_and_a_plain_run_has_no_classes(store: Store) -> None:
    plain, few = frozen_runs(store, *TINY, "metrics.scores=[classes]", "arch.conditional=false,true", "train.steps=1")
    for run in (plain, few):
        assert work(store, run.id, lambda text: None) == DONE
    told = plain.rows()[-1].why
    assert set(told) == {"intra_fd", "ms_ssim_classes", "class_accuracy"} and "not conditional" in told["intra_fd"]
    assert "a distance of 64 features needs 65" in few.rows()[-1].why["intra_fd"]
    assert few.rows()[-1].values["class_accuracy"] is not None


def test_samples_are_of_the_class_asked_for(done: RunFolder, tmp_path: Path) -> None:
    def draw(out: str, *more: str) -> dict[str, Any]:
        draw_samples(read_request([done.id, f"store={done.path.parents[1]}", f"--out={tmp_path / out}", *more]))
        return dict(torch.load(tmp_path / out / "samples.pt", weights_only=True))

    mixed, sevens = draw("mixed", "--n=300"), draw("sevens", "--n=300", "--class=7")
    assert sevens["labels"].tolist() == [7] * 300 and mixed["labels"].bincount(minlength=10).min() > 10
    assert torch.equal(mixed["latents"], sevens["latents"])
    asked = mixed["labels"] == 7
    # Another order in a batch may round another way, by one level.
    assert (mixed["images"][asked].int() - sevens["images"][asked].int()).abs().max() <= 1
    assert np.asarray(Image.open(tmp_path / "mixed" / "grid.png")).shape == (10 * 65 - 1, 8 * 65 - 1)
    with pytest.raises(UserError, match="--class 10 is out of range; legal: 0 to 9"):
        draw("none", "--class=10")


def test_a_plain_run_takes_no_class(store: Store, run: RunFolder, tmp_path: Path) -> None:
    assert work(store, run.id, lambda text: None) == DONE
    with pytest.raises(UserError, match="--class 1 needs a conditional run"):
        draw_samples(read_request([run.id, f"store={store.root}", f"--out={tmp_path / 'out'}", "--class=1"]))


def test_ms_ssim_takes_the_pairs_of_a_class() -> None:
    images = torch.rand(6, 1, 8, 8) * 255
    images[1], images[3], images[5] = images[0], images[2], images[4]
    assert within_class(images, np.array([0, 0, 1, 1, 2, 2]), 16) == pytest.approx(1)
    assert within_class(images, np.array([0, 1, 1, 2, 2, 0]), 16) < 0.9
