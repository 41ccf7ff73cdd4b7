"""Losses against the fact that defines them: values, gradients, optima on a two-point space."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import pytest
import torch
from support import kinds

from landscape.config import schema
from landscape.config.errors import UserError
from landscape.config.validation import MIXED
from landscape.losses.adversarial import LOSSES, Loss, get_loss

LOG2 = math.log(2)
# name: logit at which D is undecided, L_D and L_G there, dL_G/da at a = -20
TABLE = {
    "ns": (0.0, 2 * LOG2, LOG2, -1.0),
    "wgan": (0.0, 0.0, 0.0, -1.0),
    "minimax": (0.0, 2 * LOG2, -LOG2, -2.0611536e-9),
    "ml": (0.0, 2 * LOG2, -0.5, -1.0305768e-9),
    "ls": (0.5, 0.5, 0.25, -42.0),
    "ls_sigmoid": (0.0, 0.25, 0.125, -2.0611536e-9),
    "hinge": (0.0, 2.0, 0.0, -1.0),
    "rpgan": (0.0, LOG2, LOG2, -1.0),
    "bgan": (0.0, 2 * LOG2, LOG2, -1.0),
    "mbgan": (0.0, 2 * LOG2, LOG2, -1.0),
}


def test_every_loss_has_a_file_and_a_row_here() -> None:
    assert set(LOSSES) == set(kinds("loss", "kind")) == set(TABLE)


@pytest.mark.parametrize("name", TABLE)
def test_values_where_d_is_undecided(name: str) -> None:
    at, d, g, _ = TABLE[name]
    a = torch.full((7,), at, dtype=torch.float64)
    assert LOSSES[name].d(a, a).item() == pytest.approx(d, abs=1e-12)
    assert LOSSES[name].g(a, a).item() == pytest.approx(g, abs=1e-12)


@pytest.mark.parametrize("name", TABLE)
def test_generator_still_learns_when_d_rejects(name: str) -> None:
    a = torch.tensor([-20.0], dtype=torch.float64, requires_grad=True)
    LOSSES[name].g(a, torch.zeros_like(a)).backward()
    assert a.grad is not None and a.grad.item() == pytest.approx(TABLE[name][3], rel=1e-6)


@pytest.mark.parametrize("name", TABLE)
def test_descending_d_separates_and_descending_g_joins(name: str) -> None:
    real, fake = (torch.tensor([x], dtype=torch.float64, requires_grad=True) for x in (0.3, 0.2))
    LOSSES[name].d(real, fake).backward()
    assert real.grad < 0 < fake.grad  # type: ignore[operator]
    fake.grad = None
    LOSSES[name].g(fake, real.detach()).backward()
    assert fake.grad < 0  # type: ignore[operator]


@pytest.mark.parametrize("name", TABLE)
def test_finite_at_extreme_logits(name: str) -> None:
    a = torch.tensor([-1e4, 1e4])
    assert LOSSES[name].d(a, -a).isfinite()
    assert LOSSES[name].g(a, -a).isfinite()


def optimal_logits(name: str, p: torch.Tensor, q: torch.Tensor) -> tuple[torch.Tensor, float]:
    """D's best logits on a discrete space with densities p and q, by descent, and its loss there."""
    a = torch.zeros_like(p, requires_grad=True)
    optimizer = torch.optim.LBFGS([a], max_iter=200, tolerance_grad=1e-12, tolerance_change=0)

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        # Expectations as means over many copies in the proportions of p and q.
        total = LOSSES[name].d(
            a.repeat_interleave((p * 100).round().long()), a.repeat_interleave((q * 100).round().long())
        )
        total.backward()
        return total

    optimizer.step(loss)
    return a.detach(), loss().item()


P = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
Q = torch.tensor([0.2, 0.2, 0.6], dtype=torch.float64)


def test_ns_optimum_is_the_log_ratio_and_its_value_the_js_divergence() -> None:
    a, value = optimal_logits("ns", P, Q)
    m = (P + Q) / 2
    js = 0.5 * (P * (P / m).log()).sum() + 0.5 * (Q * (Q / m).log()).sum()
    torch.testing.assert_close(a, (P / Q).log(), atol=1e-5, rtol=0)
    assert value == pytest.approx(2 * LOG2 - 2 * js.item(), abs=1e-9)


def test_ls_optimum_is_the_share_of_real() -> None:
    a, _ = optimal_logits("ls", P, Q)
    torch.testing.assert_close(a, P / (P + Q), atol=1e-5, rtol=0)


def test_hinge_optimum_is_the_sign_and_its_value_the_total_variation() -> None:
    """max(0, 1 - a) p + max(0, 1 + a) q is least at sign(p - q); on P and Q that makes 2 (1 - TV)."""
    a = (P - Q).sign()
    grid = torch.linspace(-3, 3, 601, dtype=torch.float64)
    value = (1 - grid).relu()[:, None] * P + (1 + grid).relu()[:, None] * Q
    torch.testing.assert_close(grid[value.argmin(0)][P != Q], a[P != Q], atol=1e-9, rtol=0)
    tv = (P - Q).abs().sum() / 2
    assert value.min(0).values.sum().item() == pytest.approx(2 * (1 - tv.item()))
    real, fake = a.repeat_interleave((P * 100).round().long()), a.repeat_interleave((Q * 100).round().long())
    assert LOSSES["hinge"].d(real, fake).item() == pytest.approx(2 * (1 - tv.item()))


@pytest.mark.parametrize(
    ("name", "gradient"), [("ml", -74.2066), ("minimax", -0.993307), ("ns", -0.0066929), ("wgan", -1.0), ("ls", 8.0)]
)
def test_generators_gradient_where_it_wins(name: str, gradient: float) -> None:
    a = torch.tensor([5.0], dtype=torch.float64, requires_grad=True)
    LOSSES[name].g(a, None).backward()
    assert a.grad is not None and a.grad.item() == pytest.approx(gradient, rel=1e-4)


def test_ml_caps_its_exponent_and_says_how_often() -> None:
    a = torch.tensor([0.0, 19.0, 21.0, 500.0])
    assert LOSSES["ml"].g(a, None).isfinite()
    watch = LOSSES["ml"].log_extra
    assert watch is not None and watch(a)["capped"].item() == 0.5


def test_pairs_are_by_place_in_the_batch() -> None:
    real, fake = torch.tensor([0.0, 10.0]), torch.tensor([0.0, 10.0])
    assert LOSSES["rpgan"].d(real, fake).item() == pytest.approx(LOG2)
    assert LOSSES["rpgan"].d(real, fake.flip(0)).item() == pytest.approx(5.0, abs=1e-3)


# Losses of batches that mix real and fake images


def mixed(name: str, logits: list[float], share: float) -> float:
    loss = LOSSES[name].mixed
    assert loss is not None
    return loss(torch.tensor(logits, dtype=torch.float64), torch.tensor(share)).item()


def test_losses_of_mixed_batches_are_those_that_planning_knows() -> None:
    assert {name for name, loss in LOSSES.items() if loss.mixed} == set(MIXED)


@pytest.mark.parametrize(
    ("logits", "share", "bgan", "mbgan"),
    [
        ([2, -2], 0.5, 0.693147, 1.126928),
        ([1, 2, -0.5, 0], 0.25, 0.897451, 0.995603),
        ([0.3, 0.3, 0.3], 0.75, 0.629355, 0.629355),  # equal where all logits are
    ],
)
def test_the_loss_of_the_mean_is_at_most_the_mean_of_the_losses(
    logits: list[float], share: float, bgan: float, mbgan: float
) -> None:
    assert mixed("bgan", logits, share) == pytest.approx(bgan, abs=1e-6)
    assert mixed("mbgan", logits, share) == pytest.approx(mbgan, abs=1e-6)


@pytest.mark.parametrize("name", MIXED)
def test_a_batch_of_one_image_is_a_half_of_the_standard_loss(name: str) -> None:
    """The share is 0 or 1, each half of the time."""
    real, fake = (torch.tensor([a], dtype=torch.float64) for a in (0.7, -0.4))
    half = (mixed(name, [0.7], 1) + mixed(name, [-0.4], 0)) / 2
    assert half == pytest.approx(LOSSES["ns"].d(real, fake).item() / 2, rel=1e-12)


@pytest.mark.parametrize("name", MIXED)
def test_its_derivative_is_the_distance_of_the_probability_from_the_share(name: str) -> None:
    a = torch.tensor([0.9], dtype=torch.float64, requires_grad=True)
    loss = LOSSES[name].mixed
    assert loss is not None
    loss(a, torch.tensor(0.3)).backward()
    assert a.grad is not None and a.grad.item() == pytest.approx(1 / (1 + math.exp(-0.9)) - 0.3, rel=1e-6)


def best_share(log_ratios: list[float], law: str = "uniform") -> float:
    """E[r | batch] by summing over all masks, of images whose densities have these log ratios."""
    n, ratios = len(log_ratios), [math.exp(log_ratio) for log_ratio in log_ratios]
    total = share = 0.0
    for mask in itertools.product((0, 1), repeat=n):
        k = sum(mask)
        prior = math.gamma(k + 1) * math.gamma(n - k + 1) / math.gamma(n + 2) if law == "uniform" else 0.5**n
        weight = prior * math.prod(ratio if m else 1.0 for ratio, m in zip(ratios, mask, strict=True))
        total, share = total + weight, share + weight * k / n
    return share / total


@pytest.mark.parametrize(
    ("log_ratios", "law", "best"),
    [
        ([1, 1], "uniform", 0.787605),
        ([1, 0], "uniform", 0.654039),
        ([1, -1], "uniform", 0.5),
        ([1] * 4, "uniform", 0.862985),
        ([1, 1], "half", 0.731059),  # no more than the mean over single images
        ([0] * 6, "uniform", 0.5),
    ],
)
def test_the_best_d_is_the_expected_share(log_ratios: list[float], law: str, best: float) -> None:
    assert best_share(log_ratios, law) == pytest.approx(best, abs=1e-6)


def test_a_batch_tells_more_than_an_image() -> None:
    """64 images of log ratio 0.1: 0.852962, an image alone 0.524979. (Masks of equal share are summed at once.)"""
    n, ratio = 64, math.exp(0.1)
    weights = [ratio**k for k in range(n + 1)]  # (n choose k) B(k + 1, n - k + 1) is 1 / (n + 1)
    share = sum(k / n * weight for k, weight in enumerate(weights)) / sum(weights)
    assert share == pytest.approx(0.852962, abs=1e-6)
    assert best_share([0.1]) == pytest.approx(ratio / (1 + ratio)) == pytest.approx(0.524979, abs=1e-6)


def test_trained_on_drawn_masks_a_table_reaches_the_expected_share() -> None:
    """D as a table over the batches of two images from three points, by BGAN's loss on the masks' exact weights."""
    p, q = [0.5, 0.3, 0.2], [0.2, 0.2, 0.6]
    batches = list(itertools.product(range(3), repeat=2))
    cases = [
        (
            batch,
            sum(mask) / 2,
            (1 / 3 if sum(mask) in (0, 2) else 1 / 6)
            * math.prod(p[i] if m else q[i] for i, m in zip(batch, mask, strict=True)),
        )
        for batch in batches
        for mask in itertools.product((0, 1), repeat=2)
    ]
    a = torch.zeros(len(batches), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([a], max_iter=200, tolerance_grad=1e-12, tolerance_change=0)
    loss = LOSSES["bgan"].mixed
    assert loss is not None

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        total = sum((w * loss(a[batches.index(b)].repeat(2), torch.tensor(r)) for b, r, w in cases), torch.zeros(()))
        total.backward()
        return total

    optimizer.step(closure)
    for batch, logit in zip(batches, a.detach().sigmoid().tolist(), strict=True):
        assert logit == pytest.approx(best_share([math.log(p[i] / q[i]) for i in batch]), abs=1e-5)


def test_unknown_loss_names_the_known_ones() -> None:
    with pytest.raises(UserError) as error:
        get_loss(schema.Loss("nss"))
    assert str(error.value) == f"loss.kind=nss is unknown; legal: {', '.join(sorted(LOSSES))}"


def test_a_loss_reads_the_parameters_that_the_run_sets_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass
    class Margin(schema.Loss):
        margin: float = 1.0

    def with_margin(own: schema.Loss) -> Loss:
        assert isinstance(own, Margin)
        return plain._replace(d=lambda real, fake: LOSSES["hinge"].d(real / own.margin, fake / own.margin))

    plain = LOSSES["hinge"]
    monkeypatch.setitem(LOSSES, "margin", plain._replace(configure=with_margin))
    real, fake = torch.tensor([1.5]), torch.tensor([-2.0])
    assert get_loss(Margin("margin", margin=2.0)).d(real, fake).item() == pytest.approx(0.25)
    assert get_loss(schema.Loss("hinge")) is plain
