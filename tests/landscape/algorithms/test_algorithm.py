"""The loop moves any algorithm: here an autoencoder of three networks, with labels and a network that grows."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from support import TINY
from torch import Tensor, nn

from landscape.algorithms.algorithm import Algorithm, Batch, Model, Step
from landscape.algorithms.registry import ALGORITHMS
from landscape.config.schema import Config, typed
from landscape.data import load_data
from landscape.losses.penalties import REGULARIZERS, Regularizer
from landscape.training import checkpoint
from landscape.training.loop import Diverged, train
from landscape.training.state import State, new_state
from sweeps.planning.plan import make_plan

CPU = torch.device("cpu")
NETS = ("encoder", "lens", "decoder")


class Growing(nn.Module):
    """Keeps in a buffer what it was told."""

    share: Tensor

    def __init__(self, pixels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(4, pixels)
        self.register_buffer("share", torch.tensor(-1.0))

    def set_progress(self, share: float) -> None:
        self.share.fill_(share)

    def forward(self, z: Tensor) -> Tensor:
        out: Tensor = self.linear(z).sigmoid() * (0.5 + self.share / 2)
        return out


def networks(cfg: Config, channels: int) -> dict[str, nn.Module]:
    pixels = channels * cfg.data.size**2
    torch.manual_seed(cfg.seed)
    return {"encoder": nn.Linear(pixels, 4), "lens": nn.Linear(4, 4), "decoder": Growing(pixels)}


def optimizers(modules: dict[str, nn.Module], cfg: Config) -> dict[str, torch.optim.Optimizer]:
    return {name: torch.optim.Adam(net.parameters(), cfg.optim.lr_g) for name, net in modules.items()}


def steps(model: Model, cfg: Config) -> Callable[[Batch], Step]:
    encoder, lens, decoder = (model.modules[name] for name in NETS)

    def step(batch: Batch) -> Step:
        assert batch.labels is not None
        x = batch.images.flatten(1)
        z = encoder(x)
        z = z + 0.1 * torch.randn(z.shape, generator=model.streams["posterior"])
        loss = (decoder(lens(z)) - x).square().mean()
        for optimizer in model.optimizers.values():
            optimizer.zero_grad()
        loss.backward()
        for optimizer in model.optimizers.values():
            optimizer.step()
        model.counts["sevens"] += int((batch.labels == 7).sum())
        return Step({"reconstruction": loss.detach()}, {"spread": z.detach().std()}, sampler_moved=True)

    return step


AUTOENCODER = Algorithm(
    networks,
    optimizers,
    steps,
    sampler="decoder",
    losses=("reconstruction",),
    streams=("posterior",),
    counts=("sevens",),
    labeled=True,
)


# Each algorithm's networks.
TABLE = {
    "gan": ("g", "d"),
    "autoencoder": NETS,
}


def config(*overrides: str) -> Config:
    return typed(make_plan([*TINY, *overrides], multirun=False).runs[0].config)


def fresh(cfg: Config, kind: str = "autoencoder") -> State:
    cfg.algorithm.kind = kind
    return new_state(cfg, load_data(cfg.data), CPU)


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The autoencoder is one of the algorithms."""
    monkeypatch.setitem(ALGORITHMS, "autoencoder", AUTOENCODER)


def test_the_loop_trains_networks_of_any_name_and_averages_the_sampler() -> None:
    cfg = config("train.ema=0.9", "train.steps=5")
    state = fresh(cfg)
    before = copy.deepcopy(state.modules)
    average = copy.deepcopy(state.modules["decoder"])
    told = []

    def watch(state: State) -> None:
        decoder = state.modules["decoder"]
        told.append(decoder.get_buffer("share").item())
        with torch.no_grad():
            for e, p in zip(average.parameters(), decoder.parameters(), strict=True):
                e.mul_(0.9).add_(p, alpha=0.1)

    train(state, cfg, watch)
    for name in NETS:
        assert not any(map(torch.equal, before[name].parameters(), state.modules[name].parameters()))
    assert told == pytest.approx([0, 0.2, 0.4, 0.6, 0.8])
    assert state.scored is state.ema and isinstance(state.ema, Growing)
    assert torch.equal(state.ema.share, state.modules["decoder"].get_buffer("share"))
    for e, p in zip(average.parameters(), state.ema.parameters(), strict=True):
        torch.testing.assert_close(e, p)
    assert state.losses["reconstruction"].isfinite() and state.watched["spread"] > 0 and state.counts["sevens"] > 0


def test_every_algorithm_is_tried_below() -> None:
    assert TABLE.keys() == ALGORITHMS.keys()


MORE = [
    ("gan", ("reg=gp", "reg.every=2")),  # cut between two penalties
    ("gan", ("lens=tempered", "lens.steps=6")),  # in mid-schedule
    ("gan", ("loss=bgan", "arch.symmetric=true")),
    ("gan", ("reg_g=clamp", "arch.minibatch=discrimination")),
]


@pytest.mark.parametrize(("kind", "more"), [*((kind, ()) for kind in TABLE), *MORE])
def test_a_state_goes_on_to_the_bit(kind: str, more: tuple[str, ...], tmp_path: Path) -> None:
    cfg = config("train.ema=0.9", "train.steps=8", *more)
    whole, cut, other = (fresh(cfg, kind) for _ in range(3))
    names = (*TABLE[kind], *(("lens",) if "lens=tempered" in more else ()))
    assert tuple(whole.modules) == names and whole.algorithm.sampler in TABLE[kind]
    train(whole, cfg, lambda state: None)

    class Cut(Exception):
        pass

    def stop(state: State) -> None:
        if state.step == 3:
            checkpoint.save(tmp_path / "half.pt", state.state_dict())
            raise Cut

    with pytest.raises(Cut):
        train(cut, cfg, stop)
    other.load_state_dict(checkpoint.load(tmp_path / "half.pt"))
    train(other, cfg, lambda state: None)
    a, b = whole.state_dict(), other.state_dict()
    for name in (*names, "average"):
        assert all(torch.equal(a[name][key], b[name][key]) for key in a[name])
    for name in (*whole.streams, *whole.losses):
        assert torch.equal(a[name], b[name])
    counts = ("step", *ALGORITHMS[kind].counts)
    assert [a[name] for name in counts] == [b[name] for name in counts]


def test_a_lazy_penalty_is_paid_at_every_kth_step_and_k_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """A constant penalty of 2 leaves the weights alone, so that losses differ by it alone."""
    monkeypatch.setitem(REGULARIZERS, "r1", Regularizer(lambda *_: torch.tensor(2.0)))

    def losses(*overrides: str) -> list[float]:
        cfg = config("train.steps=8", *overrides)
        state, found = fresh(cfg, "gan"), []
        train(state, cfg, lambda state: found.append(state.losses["loss_d"].item()))
        return found

    plain = losses("reg=none")
    for every, paid in ((1, [2.0] * 8), (3, [6.0, 0, 0] * 3), (100, [200.0, *[0] * 7])):
        lazy = losses("reg=r1", f"reg.every={every}")
        assert [a - b for a, b in zip(lazy, plain, strict=True)] == pytest.approx(paid[:8], abs=1e-4)


def test_its_losses_can_diverge() -> None:
    cfg = config("train.steps=3")
    state = fresh(cfg)
    with torch.no_grad():
        state.modules["lens"].weight.fill_(torch.nan)
    with pytest.raises(Diverged):
        train(state, cfg, lambda state: None)


def test_a_checkpoint_of_a_gan_has_the_keys_that_it_always_had() -> None:
    cfg = config()
    saved = new_state(cfg, load_data(cfg.data), CPU).state_dict()
    networks = {"g", "average", "d", "step", "opt_g", "opt_d"}
    streams = {"batches", "latents", "penalty", "noise"}
    rest = {"g_step", "since_g", "watched", "rows", "finite", "loss_d", "loss_g", "clocks"}
    assert saved.keys() == networks | streams | rest
