"""The forms of the study's code beside ours: TF1's Adam, variances of batch norms, moves of spectral norm's iteration.

That the defaults keep their bits is `test_pinned_bits.py`'s.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from support import TINY
from torch import Tensor, nn

from landscape.algorithms.optimizers import make_optimizer
from landscape.config.schema import Config, Optim, typed
from landscape.data import load_data
from landscape.networks.population_batchnorm import use_population_variance
from landscape.networks.spectral_norm import SpectralNorm
from landscape.networks.sync_batchnorm import use_sync_batchnorm
from landscape.training.loop import train
from landscape.training.state import State, new_state
from sweeps.planning.plan import make_plan


def configured(*overrides: str) -> Config:
    return typed(make_plan([*TINY, *overrides], multirun=False).runs[0].config)


def trained(cfg: Config) -> State:
    state = new_state(cfg, load_data(cfg.data), torch.device("cpu"))
    train(state, cfg, lambda s: None)
    return state


def adam_by_hand(form: str, gradients: list[Tensor], lr: float, b1: float, b2: float, epsilon: float) -> Tensor:
    """Where a parameter that starts at 0 ends. Kingma and Ba's algorithm 1 (torch), or the form before their section
    2.1 ends, as TF1's documentation has it (tf)."""
    x = m = v = torch.zeros_like(gradients[0])
    for t, gradient in enumerate(gradients, 1):
        m, v = b1 * m + (1 - b1) * gradient, b2 * v + (1 - b2) * gradient**2
        if form == "tf":
            x = x - lr * (1 - b2**t) ** 0.5 / (1 - b1**t) * m / (v.sqrt() + epsilon)
        else:
            x = x - lr * m / (1 - b1**t) / ((v / (1 - b2**t)).sqrt() + epsilon)
    return x


@pytest.mark.parametrize("form", [None, "torch", "tf"])
def test_adam_is_the_definition_of_its_form(form: str | None) -> None:
    """With an epsilon of the gradients' size, where the forms are far apart; also after the state was put back."""
    rng = torch.Generator().manual_seed(0)
    gradients = [torch.randn(5, generator=rng, dtype=torch.float64) for _ in range(6)]
    optim = Optim(kind="adam", lr=0.1, beta1=0.5, beta2=0.99, epsilon=0.3, epsilon_form=form)
    x = nn.Parameter(torch.zeros(5, dtype=torch.float64))
    optimizer = make_optimizer([x], 0.1, optim)
    for i, gradient in enumerate(gradients):
        if i == 3:
            saved = optimizer.state_dict()
            optimizer = make_optimizer([x], 0.1, optim)
            optimizer.load_state_dict(saved)
        x.grad = gradient
        optimizer.step()
    expected = {f: adam_by_hand(f, gradients, 0.1, 0.5, 0.99, 0.3) for f in ("torch", "tf")}
    torch.testing.assert_close(x.detach(), expected[form or "torch"])
    assert (expected["tf"] - expected["torch"]).abs().max() > 0.05


@pytest.mark.parametrize("make", [nn.BatchNorm1d, nn.BatchNorm2d])
@pytest.mark.parametrize("sync", [False, True])
def test_running_variance_is_the_populations(make: Callable[..., nn.Module], sync: bool) -> None:
    net = nn.Sequential(make(3))
    if sync:
        use_sync_batchnorm(net)
    use_population_variance(net)
    sets = [torch.randn(4, 3, *([2, 2] if make is nn.BatchNorm2d else [])) for _ in range(2)]
    expected = torch.ones(3)
    for x in sets:
        x.requires_grad_()
        y = net(x)
        expected = 0.9 * expected + 0.1 * x.detach().transpose(0, 1).flatten(1).var(1, correction=0)
        (first,) = torch.autograd.grad(y.square().sum(), x, create_graph=True)  # nothing that a graph needs was changed
        first.square().sum().backward()
    torch.testing.assert_close(net[0].running_var, expected)
    net.eval()(sets[0])
    torch.testing.assert_close(net[0].running_var, expected)


def test_a_runs_variances_are_the_populations_where_it_asks_for_them() -> None:
    """Nothing else of its weights changes."""
    options = ("norm=bn", "train.steps=1", "train.batch_size=4")
    plain, population = (trained(configured(*options, f"train.bn_variance={v}")) for v in ("unbiased", "population"))
    for name in ("g", "d"):
        ours, theirs = plain.modules[name].state_dict(), population.modules[name].state_dict()
        different = {key for key in ours if not torch.equal(ours[key], theirs[key])}
        assert different == {key for key in ours if key.endswith("running_var")} and different
    first, second = (state.modules["g"].state_dict()["norm.running_var"] for state in (plain, population))
    torch.testing.assert_close(second - 0.9, (first - 0.9) * 3 / 4)  # of four latents


# Passes of D that move the iteration: two D updates and the G update after the first (n_dis=2).
MOVES = [("none", 2 * 2 + 1), ("l2", 2 * 2 + 1), ("gp", 2 * 3 + 1)]


@pytest.mark.parametrize(("reg", "passes"), MOVES)
def test_the_iteration_moves_at_each_pass_where_it_is_asked_to(
    reg: str, passes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    moves: list[int] = []
    advance = SpectralNorm.advance

    def counted(self: SpectralNorm, weight: Tensor) -> None:
        moves.append(1)
        advance(self, weight)

    monkeypatch.setattr(SpectralNorm, "advance", counted)
    options = ("norm=sn", f"reg={reg}", "optim.n_dis=2", "train.steps=2", "train.batch_size=4")
    layers = 8
    for how, expected in (("update", 2), ("pass", passes)):
        moves.clear()
        trained(configured(*options, f"norm.moves={how}"))
        assert len(moves) == expected * layers
