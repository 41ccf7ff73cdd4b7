"""What D's loss says of the distance of fakes from real images: 0 where D cannot tell, a divergence at the optimum."""

from __future__ import annotations

from collections.abc import Callable
from math import log

import pytest
import torch
from support import TINY
from torch import Tensor

from landscape.algorithms import gan
from landscape.config.schema import typed
from landscape.data import load_data
from landscape.losses import adversarial
from landscape.losses.adversarial import LOSSES, Loss
from landscape.training.loop import train
from landscape.training.state import State, new_state
from sweeps.planning.plan import make_plan

P = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
Q = torch.tensor([0.1, 0.3, 0.6], dtype=torch.float64)
MIDDLE = (P + Q) / 2
JS = ((P * (P / MIDDLE).log()).sum() + (Q * (Q / MIDDLE).log()).sum()).item() / 2
TV = (P - Q).abs().sum().item() / 2
TRIANGLE = ((P - Q) ** 2 / (P + Q)).sum().item()


def estimate(loss: Loss, value: Tensor) -> float:
    offset, slope = loss.estimate
    return offset + slope * value.item()


@pytest.mark.parametrize("name", LOSSES)
def test_a_discriminator_that_cannot_tell_estimates_0_and_a_better_one_more(name: str) -> None:
    loss = LOSSES[name]
    undecided = torch.full((4,), loss.threshold or 0.0)
    if loss.mixed is not None:  # a batch of which half is real, and one of which it knows that nine in ten are
        assert estimate(loss, loss.mixed(undecided, torch.tensor(0.5))) == pytest.approx(0, abs=1e-6)
        assert estimate(loss, loss.mixed(undecided + log(9), torch.tensor(0.9))) > 0.1
        return
    assert estimate(loss, loss.d(undecided, undecided)) == pytest.approx(0, abs=1e-6)
    assert estimate(loss, loss.d(undecided + 0.3, undecided - 0.3)) > 0.1


@pytest.mark.parametrize(
    ("names", "logits", "divergence"),
    [
        (("ns", "minimax", "ml"), (P / Q).log(), JS),
        (("ls",), P / (P + Q), TRIANGLE),
        (("ls_sigmoid",), (P / Q).log(), TRIANGLE),
        (("hinge",), (P - Q).sign(), TV),
    ],
)
def test_the_optimal_discriminators_estimate_is_its_divergence(
    names: tuple[str, ...], logits: Tensor, divergence: float
) -> None:
    """On a space of three points: batches hold each point as often as it is likely."""
    real, fake = (logits.repeat_interleave((10 * weights).round().long()) for weights in (P, Q))
    for name in names:
        assert estimate(LOSSES[name], LOSSES[name].d(real, fake)) == pytest.approx(divergence, rel=1e-9)


def test_for_wgan_it_is_the_difference_of_the_means() -> None:
    real, fake = torch.tensor([3.0, 1.0]), torch.tensor([-1.0, 0.0])
    assert estimate(LOSSES["wgan"], LOSSES["wgan"].d(real, fake)) == pytest.approx(2.5)


def recording(name: str, seen: list[float]) -> Loss:
    """The loss, which notes what D's part returned."""
    plain = LOSSES[name]

    def d(real: Tensor, fake: Tensor) -> Tensor:
        value = plain.d(real, fake)
        seen.append(value.item())
        return value

    return plain._replace(d=d)


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[State, list[float]]]:
    def run(*overrides: str, steps: int = 6) -> tuple[State, list[float]]:
        frozen = make_plan([*TINY, *overrides, f"train.steps={steps}"], multirun=False).runs[0].config
        cfg, seen = typed(frozen), list[float]()
        monkeypatch.setitem(adversarial.LOSSES, cfg.loss.kind, recording(cfg.loss.kind, seen))
        state = new_state(cfg, load_data(cfg.data), torch.device("cpu"))
        train(state, cfg, lambda state: None)
        return state, seen

    return run


@pytest.mark.parametrize("name", ["wgan", "ns"])
def test_a_row_has_its_running_mean_without_the_penalty(
    name: str, trained: Callable[..., tuple[State, list[float]]]
) -> None:
    state, seen = trained(f"loss={name}", "reg=gp")
    offset, slope = LOSSES[name].estimate
    mean = offset + slope * seen[0]
    for value in seen[1:]:
        mean += gan.CRITIC_SHARE * (offset + slope * value - mean)
    assert len(seen) == 6 and state.watched["critic"].item() == pytest.approx(mean, rel=1e-4)
    assert state.losses["loss_d"].item() != pytest.approx(seen[-1], rel=1e-3)  # the penalty is in the loss
