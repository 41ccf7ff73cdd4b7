"""What a lens, a mixed batch and a clamped G are to training, and what of them planning refuses."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from support import TINY
from torch import nn

from landscape.algorithms import gan
from landscape.config.axes import cell_of
from landscape.config.errors import UserError
from landscape.config.identity import run_id
from landscape.config.schema import Config, typed
from landscape.data import load_data
from landscape.losses.adversarial import LOSSES
from landscape.losses.penalties import REGULARIZERS, Regularizer
from landscape.training.loop import Diverged, train
from landscape.training.state import State, new_state
from sweeps.planning.plan import make_plan

CPU = torch.device("cpu")
SHORT = (*TINY, "train.steps=8", "metrics=none")


def config(*overrides: str) -> Config:
    return typed(make_plan([*SHORT, *overrides], multirun=False).runs[0].config)


def trained(*overrides: str, steps: int | None = None) -> State:
    cfg = config(*overrides)
    state = new_state(cfg, load_data(cfg.data), CPU)
    if steps is not None:
        cfg.train.steps = steps
    train(state, cfg, lambda state: None)
    return state


def equal(a: State, b: State, *names: str) -> bool:
    pairs = [(a.modules[n].state_dict(), b.modules[n].state_dict()) for n in names]
    return all(torch.equal(x[key], y[key]) for x, y in pairs for key in x)


# Lens


@pytest.mark.parametrize("loss", LOSSES)
def test_with_a_lens_that_changes_nothing_d_and_g_train_as_without(loss: str) -> None:
    """The first update, where the lens is the identity: gradients and losses to the bit, for every loss."""
    bare, lensed = (trained(f"loss={loss}", "reg=gp", f"lens={lens}", steps=1) for lens in ("none", "tempered"))
    assert equal(bare, lensed, "g", "d") and torch.equal(bare.losses["loss_d"], lensed.losses["loss_d"])
    for name in ("g", "d"):
        gradients = zip(bare.modules[name].parameters(), lensed.modules[name].parameters(), strict=True)
        assert all(torch.equal(p.grad, q.grad) for p, q in gradients if p.grad is not None and q.grad is not None)
    first = lensed.modules["lens"].get_parameter("last.weight")
    assert first.abs().max() > 0  # it has moved


def test_a_lens_moves_what_d_sees_and_is_out_after_its_last_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """After K updates it neither moves nor is looked through: any lens in its place makes the same run."""
    cfg = config("lens=tempered", "lens.steps=4", "lens.lr=0.01")
    state, told = new_state(cfg, load_data(cfg.data), CPU), []

    def after(state: State) -> None:
        told.append((state.watched["lens_weight"].item(), state.watched["loss_lens"].item()))
        if state.step == 4:
            kept.update(copy.deepcopy(state.modules["lens"].state_dict()))
            if broken:
                nn.init.constant_(state.modules["lens"].get_parameter("last.weight"), torch.nan)

    kept: dict[str, torch.Tensor] = {}
    broken = False
    train(state, cfg, after)
    assert all(torch.equal(kept[key], value) for key, value in state.modules["lens"].state_dict().items())
    weights, losses = zip(*told, strict=True)
    assert weights == pytest.approx([1, 0.617317, 0.292893, 0.076120, 0, 0, 0, 0], abs=1e-6)
    assert [value == value for value in losses] == [True] * 4 + [False] * 4
    other, broken = new_state(cfg, load_data(cfg.data), CPU), True
    with pytest.raises(Diverged):  # at the end, for its weights are not finite; all else is as without
        train(other, cfg, after)
    assert equal(state, other, "g", "d")
    assert not equal(state, trained(), "g", "d")


def test_the_penalty_is_at_lensed_reals(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[torch.Tensor] = []

    class Half(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.tensor(0.5))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * self.scale

    def watch(critic: Any, real: torch.Tensor, *rest: Any) -> torch.Tensor:
        seen.append(real)
        return real.new_zeros(())

    monkeypatch.setitem(REGULARIZERS, "r1", Regularizer(watch))
    whole = trained("reg=r1", steps=1)
    monkeypatch.setattr(gan, "build_lens", lambda cfg, channels: Half())
    halved = trained("lens=tempered", "reg=r1", steps=1)
    assert torch.equal(seen[1], seen[0] / 2) and not seen[1].requires_grad
    assert not equal(halved, whole, "d")


def test_the_steps_of_a_lens_are_half_of_the_run_by_default_and_part_of_its_id() -> None:
    def ids(*overrides: str) -> list[str]:
        return [run.id for run in make_plan([*SHORT, *overrides], multirun=True).runs]

    assert ids("lens=tempered") == ids("lens=tempered", "lens.steps=4") != ids("lens=tempered", "lens.steps=5")
    assert ids("lens=none", "lens.steps=5") == ids() != ids("lens=tempered")


# Mixed batches


def test_d_sees_one_mixed_batch_a_step_and_fakes_alone_in_gs(monkeypatch: pytest.MonkeyPatch) -> None:
    cfg = config("loss=mbgan", "arch.symmetric=true")
    state, shapes = new_state(cfg, load_data(cfg.data), CPU), []
    d = state.modules["d"]
    d.register_forward_hook(lambda module, inputs, output: shapes.append((d.training, len(inputs[0]), len(output))))
    cfg.train.steps = 2
    train(state, cfg, lambda state: None)
    assert shapes == [(True, 16, 16)] * 4


def test_shares_of_mixed_batches_are_uniform() -> None:
    rng = torch.Generator().manual_seed(0)
    drawn = [gan.draw_mask(64, rng) for _ in range(2000)]
    assert all(mask.float().mean() == share for mask, share in drawn)
    shares = torch.stack([share for _, share in drawn])
    # U[0, 1] and the draw of 64 given it: mean 1/2, variance 1/12 + 1/(6 * 64)
    assert shares.mean().item() == pytest.approx(0.5, abs=0.02)
    assert shares.var().item() == pytest.approx(1 / 12 + 1 / 384, rel=0.05)


# Clamping


def test_a_clamp_that_asks_for_nothing_changes_nothing() -> None:
    free = ("reg_g=clamp", "reg_g.low=0", "reg_g.high=1000")
    bare, clamped, tight = trained(), trained(*free), trained("reg_g=clamp", "reg_g.high=0.6", "reg_g.strength=10")
    assert equal(bare, clamped, "g", "d") and not equal(bare, tight, "g")
    assert clamped.watched["q_mean"] > 0 and clamped.watched["q_outside"] == 0
    assert torch.equal(bare.losses["loss_g"], clamped.losses["loss_g"])


def test_the_second_pass_of_g_moves_no_running_statistics() -> None:
    bare, tight = (trained(*more, steps=1) for more in ((), ("reg_g=clamp", "reg_g.high=0.6")))
    statistics = [key for key in bare.modules["g"].state_dict() if "running" in key]
    assert statistics
    for key in statistics:
        assert torch.equal(bare.modules["g"].state_dict()[key], tight.modules["g"].state_dict()[key])


# What is planned


NEUTRAL = ("lens=none", "batch=pure", "reg_g=none", "arch.minibatch=none", "arch.symmetric=false", "arch.pack=1")


def test_neutral_values_are_the_runs_of_before() -> None:
    (plain,), (told,) = (make_plan([*SHORT, *more], multirun=False).runs for more in ((), NEUTRAL))
    assert plain.id == told.id
    old = copy.deepcopy(plain.config)
    for section in ("lens", "batch", "reg_g"):
        del old[section]
    for key in ("minibatch", "symmetric", "pack"):
        del old["arch"][key]
    assert run_id(old) == plain.id and gan.more_streams(typed(old)) == ()
    assert set(new_state(typed(old), load_data(typed(old).data), CPU).modules) == {"g", "d"}


@pytest.mark.parametrize(
    "other",
    ["lens=tempered", "loss=mbgan", "reg_g=clamp", "arch.minibatch=stddev", "arch.symmetric=true", "arch.pack=2"],
)
def test_each_is_another_run_and_another_cell(other: str) -> None:
    (plain,), (told,) = (make_plan([*SHORT, *more], multirun=False).runs for more in ((), (other,)))
    assert plain.id != told.id and cell_of(plain.config) != cell_of(told.config)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (("batch=mixed",), "batch=mixed needs loss=bgan or loss=mbgan, not loss=ns"),
        (("loss=bgan", "batch=pure"), "loss=bgan is of a batch of real and fake images and needs batch=mixed"),
        (("loss=bgan", "arch.pack=2"), "arch.pack=2 packs images of one kind"),
        (("arch.symmetric=true", "norm=bn"), "both give D the batch's means"),
        (("arch.pack=3",), "train.batch_size=16 cannot be packed by arch.pack=3 on 1 device; legal: a multiple of 3"),
        (("arch.minibatch=stddev", "train.batch_size=18"), "makes no groups of 4"),
        (("reg_g=clamp", "reg_g.low=11"), "reg_g.low=11.0 is above reg_g.high=10.0"),
    ],
)
def test_what_cannot_be_is_refused(given: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        make_plan([*SHORT, *given], multirun=False)


@pytest.mark.parametrize(
    ("given", "which"),
    [
        (("arch.minibatch=stddev",), "arch.minibatch=stddev couples"),
        (("arch.pack=2", "arch.symmetric=true"), "arch.symmetric=true and arch.pack=2 couple"),
        (("norm=bn",), "batch normalization couples"),
        ((), None),
    ],
)
def test_a_penalty_on_single_images_warns_where_d_sees_batches(given: tuple[str, ...], which: str | None) -> None:
    cfg = config("reg=gp", *given)
    state = new_state(cfg, load_data(cfg.data), CPU)
    said = state.algorithm.warnings(state, cfg)
    assert len(said) == (which is not None) and all(which is not None and which in text for text in said)
