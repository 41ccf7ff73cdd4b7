"""The training loop against its definition, and what it must leave alone."""

from __future__ import annotations

import copy
import itertools

import pytest
import torch
from support import TINY, kinds
from torch import nn
from torch.overrides import TorchFunctionMode

from landscape.algorithms.optimizers import OPTIMIZERS
from landscape.algorithms.schedules import d_steps_before, generator_moves, instance_noise
from landscape.config.schema import Config, typed
from landscape.data import load_data
from landscape.losses.adversarial import get_loss
from landscape.losses.penalties import get_regularizer
from landscape.networks.build import NETWORKS, build
from landscape.networks.latents import LATENTS, sample_latents
from landscape.networks.normalizers import NORMALIZERS, couples_samples
from landscape.networks.spectral_norm import advance_spectral_norms
from landscape.networks.sync_batchnorm import use_sync_batchnorm
from landscape.rng import stream
from landscape.training.loop import Diverged, train, update_ema
from landscape.training.state import State, new_state
from sweeps.planning.plan import make_plan

CPU = torch.device("cpu")


def config(*overrides: str) -> Config:
    return typed(make_plan([*TINY, *overrides], multirun=False).runs[0].config)


def fresh(cfg: Config) -> State:
    return new_state(cfg, load_data(cfg.data), CPU)


def finish(cfg: Config, watch=lambda state: None) -> State:
    state = fresh(cfg)
    train(state, cfg, watch)
    return state


def weights(state: State) -> list[torch.Tensor]:
    return [value for network in state.modules.values() for value in network.state_dict().values()]


def equal(a: State, b: State) -> bool:
    return all(torch.equal(x, y) for x, y in zip(weights(a), weights(b), strict=True))


def test_every_optimizer_has_a_file() -> None:
    assert set(OPTIMIZERS) == set(kinds("optim", "kind"))


def test_one_step_is_the_definition_written_out() -> None:
    """One D step and one G step of ns + gp with plain Adam and textbook code, to float precision."""
    cfg = config("loss=ns", "reg=gp", "train.steps=1", "train.ema=null")
    state, by_hand = fresh(cfg), fresh(cfg)
    train(state, cfg, lambda s: None)

    g, d = by_hand.modules["g"].train(), by_hand.modules["d"].train()
    real = by_hand.batches.next().images
    z = sample_latents(cfg.latent, len(real), by_hand.streams["latents"])
    alpha = torch.rand(len(real), 1, 1, 1, generator=by_hand.streams["penalty"])
    fake = g(z)
    point = (real + alpha * (fake.detach() - real)).requires_grad_()
    slope = torch.autograd.grad(d(point).sum(), point, create_graph=True)[0].flatten(1)
    penalty = cfg.reg.strength * (((cfg.reg.epsilon + (slope**2).sum(1)).sqrt() - 1) ** 2).mean()  # type: ignore[operator]
    bce = torch.nn.functional.binary_cross_entropy_with_logits
    ones, zeros = torch.ones(len(real)), torch.zeros(len(real))
    loss_d = bce(d(real), ones) + bce(d(fake.detach()), zeros) + penalty
    optim = cfg.optim
    adam = lambda p, lr: torch.optim.Adam(p, lr, (optim.beta1, optim.beta2), optim.epsilon)  # type: ignore[arg-type] # noqa: E731
    opt_d, opt_g = adam(d.parameters(), optim.lr_d), adam(g.parameters(), optim.lr_g)
    loss_d.backward()
    opt_d.step()
    opt_g.zero_grad()
    bce(d(fake), ones).backward()
    opt_g.step()
    # A step of Adam is about the rate, whatever the gradient: where a gradient is rounding alone (a bias
    # before a batch norm), its sign is chance, so those are compared to within two rates.
    for (name, p), q in zip(state.modules["g"].named_parameters(), by_hand.modules["g"].parameters(), strict=True):
        before_norm = name == "linear.bias" or (name.startswith("body.") and name.endswith("bias") and q.ndim == 1)
        torch.testing.assert_close(p, q, atol=2.1 * optim.lr_g if before_norm else 2e-5, rtol=1e-3)
    for p, q in zip(state.modules["d"].parameters(), by_hand.modules["d"].parameters(), strict=True):
        torch.testing.assert_close(p, q, atol=2e-5, rtol=1e-3)


def test_generator_moves_after_steps_1_and_every_n_dis() -> None:
    moves = []
    cfg = config("optim.n_dis=3", "train.steps=8")
    last = {}

    def watch(state: State) -> None:
        now = state.modules["g"].linear.weight.detach().clone()
        if not torch.equal(now, last.get("w", fresh(cfg).modules["g"].linear.weight)):
            moves.append(state.step)
        last["w"] = now

    state = finish(cfg, watch)
    assert moves == [1, 4, 7] and state.counts["g_step"] == 3


def test_a_g_step_leaves_d_alone() -> None:
    """With G's rate at zero or not, D after the first step is the same: nothing of the G step reaches it."""
    a = finish(config("train.steps=1", "reg=sn"))
    b = finish(config("train.steps=1", "reg=sn", "optim.lr_g=1e-12"))
    d, e = (state.modules["d"].state_dict() for state in (a, b))
    assert all(torch.equal(d[name], e[name]) for name in d)


def test_seed_decides_everything_and_repeat_nothing() -> None:
    a, b, c, d = (finish(config(*o)) for o in ((), (), ("seed=1",), ("repeat=1",)))
    assert equal(a, b) and equal(a, d) and not equal(a, c)


def test_average_is_the_recursion_on_weights_with_buffers_copied() -> None:
    cfg = config("train.ema=0.9", "train.steps=5")
    expected = copy.deepcopy(fresh(cfg).modules["g"])

    def watch(state: State) -> None:
        with torch.no_grad():
            for e, p in zip(expected.parameters(), state.modules["g"].parameters(), strict=True):
                e.mul_(0.9).add_(p, alpha=0.1)

    state = finish(cfg, watch)
    assert state.ema is not None
    for e, p in zip(expected.parameters(), state.ema.parameters(), strict=True):
        torch.testing.assert_close(p, e)
    for a, b in zip(state.ema.buffers(), state.modules["g"].buffers(), strict=True):
        assert torch.equal(a, b)


def test_average_does_not_change_what_it_averages() -> None:
    assert equal(finish(config("train.ema=0.9")), finish(config("train.ema=null")))


def test_epochs_show_every_image_once_without_the_remainder() -> None:
    cfg = config("train.batch_size=100")
    state = fresh(cfg)
    data = load_data(cfg.data)
    epochs = len(data.train) // 100
    seen = torch.cat([state.batches.next().images for _ in range(epochs)])
    order = state.batches.order
    assert len(set(order.tolist())) == len(data.train)
    expected = torch.from_numpy(data.images[data.train])[order[: epochs * 100]].float() / 255
    torch.testing.assert_close(seen, expected)
    state.batches.next()
    assert not torch.equal(state.batches.order, order)


def test_latents_follow_their_law() -> None:
    from landscape.config.keys import keys
    from landscape.config.schema import Latent

    legal = keys()["latent.dist"].range
    assert legal is not None and legal.words.split(", ") == sorted(LATENTS, reverse=True)
    u, n = (sample_latents(Latent(dim=50, dist=law), 2000, stream(0, "z")) for law in ("uniform", "normal"))
    assert u.min() >= -1 and u.max() <= 1 and u.var().item() == pytest.approx(1 / 3, rel=0.02)
    assert n.mean().item() == pytest.approx(0, abs=0.01) and n.var().item() == pytest.approx(1, rel=0.02)


@pytest.mark.parametrize("loss", ["ns", "wgan", "ls", "hinge"])
@pytest.mark.parametrize("reg", ["none", "gp"])
def test_a_rate_of_a_thousand_diverges_and_says_when(loss: str, reg: str) -> None:
    cfg = config("optim.lr=1e3", "train.steps=50", f"reg={reg}", f"loss={loss}")
    with pytest.raises(Diverged, match=r"is not finite at step \d+"):
        finish(cfg)


# Options of the loop


def test_d_with_batch_norm_sees_real_and_fake_apart_and_only_its_own_passes_move_its_statistics() -> None:
    cfg = config("norm=bn", "reg=gp", "train.steps=1", "train.ema=null")
    state, by_hand = fresh(cfg), fresh(cfg)
    train(state, cfg, lambda s: None)
    g, d = by_hand.modules["g"].train(), by_hand.modules["d"].train()
    real = by_hand.batches.next().images
    d(real)
    d(g(sample_latents(cfg.latent, len(real), by_hand.streams["latents"])))
    for (name, a), b in zip(state.modules["d"].named_buffers(), d.buffers(), strict=True):
        torch.testing.assert_close(a, b, msg=name)


class Crowd(nn.Module):
    """A layer that looks at the batch: it takes off the batch's mean."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x - x.mean(0, keepdim=True)


class Scaled(nn.Module):
    """A layer that does not."""

    couples_samples = False

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 2 * x


def looks_at_others(d: nn.Module, x: torch.Tensor) -> bool:
    """Whether the first logit depends on any sample but the first."""
    x = x.requires_grad_()
    (gradient,) = torch.autograd.grad(d(x)[0], x)
    return bool(gradient[1:].any())


@pytest.mark.parametrize("norm", NORMALIZERS)
@pytest.mark.parametrize("arch", NETWORKS)
def test_what_layers_declare_of_samples_is_what_they_do(arch: str, norm: str) -> None:
    size, channels = (1, 2) if arch == "mlp" else (32, 1)
    cfg = config(f"norm={norm}")
    cfg.arch.kind, cfg.data.size = arch, size
    _, d = build(cfg, channels)
    x = torch.rand(4, channels, size, size)
    assert couples_samples(d) == looks_at_others(d, x) == (norm == "bn")
    use_sync_batchnorm(d)
    assert couples_samples(d) == (norm == "bn")


@pytest.mark.parametrize(("layer", "couples"), [(Crowd(), True), (Scaled(), False), (nn.LazyBatchNorm2d(), True)])
def test_a_layer_that_nobody_knows_is_taken_to_couple_samples(
    layer: nn.Module, couples: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """D never sees real and fake in one pass then, whatever the layer's type."""
    cfg = config("train.steps=1", "train.ema=null")
    state = fresh(cfg)
    seen: list[int] = []
    state.modules["d"].linear.register_forward_pre_hook(lambda module, given: seen.append(len(given[0])))
    state.modules["d"].body.append(layer)
    assert couples_samples(state.modules["d"]) == couples
    train(state, cfg, lambda s: None)
    assert seen == ([16, 16, 16] if couples else [32, 16])  # D's passes, then G's


def test_instance_noise_falls_to_zero_and_is_on_all_that_d_sees() -> None:
    cfg = config("train.noise_std=0.2", "train.steps=10")
    assert [round(instance_noise(s, cfg), 3) for s in (1, 6, 10)] == [0.2, 0.1, 0.02]
    assert instance_noise(5, config()) == 0
    assert not equal(finish(cfg), finish(config("train.steps=10")))


def test_rates_decay_linearly() -> None:
    cfg = config("optim.decay=linear", "optim.lr=1e-3", "train.steps=4")
    seen = []
    finish(
        cfg, lambda s: seen.append((s.optimizers["d"].param_groups[0]["lr"], s.optimizers["g"].param_groups[0]["lr"]))
    )
    assert seen == [pytest.approx((r, r)) for r in (1e-3, 7.5e-4, 5e-4, 2.5e-4)]


def test_wgans_burn_in() -> None:
    optim = config("loss=wgan", "optim.n_dis=5", "optim.burn_in=true").optim
    assert [d_steps_before(i, optim) for i in (0, 24, 25, 499, 500, 501, 1000)] == [100, 100, 5, 5, 100, 5, 100]
    moves, since, g_step = [], 0, 0
    for step in range(1, 2650):
        since += 1
        if generator_moves(step, g_step, since, optim):
            moves.append(step)
            since, g_step = 0, g_step + 1
    assert moves[:2] == [100, 200] and moves[24:27] == [2500, 2505, 2510]


@pytest.mark.parametrize("when", ["before", "after"])
def test_weights_are_clipped_before_or_after_the_step(when: str) -> None:
    cfg = config("loss=wgan", "reg=clip", f"reg.when={when}", "optim=rmsprop", "optim.lr=1e-2")
    state = finish(cfg)
    largest = max(p.abs().max().item() for p in state.modules["d"].parameters())
    assert (largest <= 0.01) == (when == "after")
    assert 0 < state.watched["saturated"].item() <= 1


def test_g_with_spectral_norm_moves_its_iteration_once_a_g_update() -> None:
    cfg = config("arch.g_spectral=true", "optim.n_dis=2", "train.steps=4")
    seen = []
    finish(cfg, lambda s: seen.append(s.modules["g"].linear.parametrizations.weight[0].u.clone()))
    assert [torch.equal(a, b) for a, b in itertools.pairwise(seen)] == [True, False, True]


class Roundings(TorchFunctionMode):
    """Keeps every result of arithmetic that a gradient reaches, for the size of each rounding's effect."""

    def __init__(self) -> None:
        super().__init__()
        self.results: dict[int, torch.Tensor] = {}

    def __torch_function__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        if isinstance(out, torch.Tensor) and out.grad_fn is not None and out.is_floating_point():
            out.retain_grad()
            self.results[id(out)] = out
        return out


def rounding_allows(cfg: Config, of_g: bool) -> tuple[float, float]:
    """The first step's loss without its penalty in double precision, and how far bf16 may be from it.

    Each rounding of a result or a weight is relative, of at most u = 2**-8, and moves the loss by |value * gradient| u.
    Roundings have either sign, so that their sum is beyond k u sqrt(sum (value * gradient)**2) with a chance of
    2 exp(-k**2 / 2) (Higham and Mary 2019); k = 6 here, twice for operands that are rounded once more on their way in.
    """
    state = fresh(cfg)
    g, d = state.modules["g"].double(), state.modules["d"].double()
    real = state.batches.next().images.double()
    advance_spectral_norms(d)
    loss = get_loss(cfg.loss)
    with Roundings() as kept:
        fake = g(sample_latents(cfg.latent, len(real), state.streams["latents"]).double())
        value = loss.g(d(fake), None) if of_g else loss.d(*d(torch.cat([real, fake])).chunk(2))
    value.backward()
    values = [*g.parameters(), *d.parameters(), *kept.results.values()]
    squares = sum((v * v.grad).square().sum().item() for v in values if v.grad is not None)
    return value.item(), 2 * 6 * 2**-8 * squares**0.5


def first_penalty(cfg: Config) -> float:
    """The first step's penalty, in single precision, at the fakes that the run's own precision gives."""
    term = get_regularizer(cfg.reg.penalty).term
    if term is None:
        return 0.0
    state = fresh(cfg)
    real = state.batches.next().images
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=cfg.train.precision == "bf16"):
        fake = state.modules["g"](sample_latents(cfg.latent, len(real), state.streams["latents"])).float()
    return term(state.modules["d"], real, fake, cfg.reg, state.streams["penalty"]).item()


@pytest.mark.parametrize("reg", ["none", "gp", "sn"])
@pytest.mark.slow
def test_bf16_is_another_run_that_stays_as_near_as_rounding_allows(reg: str) -> None:
    """At a rate at which D's step moves nothing, so that both losses are of the weights that training begins with."""
    overrides = (f"reg={reg}", "train.steps=1", "arch.width=0.2", "optim.lr=1e-12")
    for precision in ("fp32", "bf16"):
        cfg = config(*overrides, f"train.precision={precision}")
        state, penalty = finish(cfg), first_penalty(cfg)
        for name, of_g in (("loss_d", False), ("loss_g", True)):
            expected, allowed = rounding_allows(config(*overrides), of_g)
            added = 0.0 if of_g else penalty
            error = abs(state.losses[name].item() - added - expected)
            single = 1e-5 * (abs(expected) + added)  # what single precision leaves open
            assert error <= (single if precision == "fp32" else allowed + single), name
            assert allowed < abs(expected)
        assert all(p.dtype == torch.float32 for network in state.modules.values() for p in network.parameters())
        if precision == "bf16":
            assert not equal(state, finish(config(*overrides)))


def test_penalties_and_sigma_are_single_precision_under_bf16() -> None:
    seen: set[torch.dtype] = set()
    cfg = config("reg=gp", "norm=sn", "train.precision=bf16", "train.steps=1", "train.ema=null")
    state = fresh(cfg)
    first = state.modules["d"].body[0]
    first.register_forward_hook(lambda m, i, out: seen.add(out.dtype))
    sigma = first.parametrizations.weight[0]
    weights: set[torch.dtype] = set()
    sigma.register_forward_hook(lambda m, i, out: weights.add(out.dtype))
    train(state, cfg, lambda s: None)
    assert seen == {torch.bfloat16, torch.float32} and weights == {torch.float32}


def test_a_network_without_buffers_has_its_average() -> None:
    average, g = torch.nn.Linear(2, 1), torch.nn.Linear(2, 1)
    expected = average.weight.detach() * 0.75 + g.weight.detach() * 0.25
    update_ema(average, g, 0.75)
    torch.testing.assert_close(average.weight.detach(), expected)
