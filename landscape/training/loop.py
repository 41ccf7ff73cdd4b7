"""The training loop: one function, read from top to bottom, that never asks which loss it runs.

What is settled here is part of what a run's id means: steps are D updates; G moves after D steps 1, 1+n_dis,
1+2*n_dis, ...; the G step uses the D step's latents, so the fakes of a D step that G follows are made once,
with their graph, and all others without; D sees real and fake in one pass, in two where it normalizes over the
batch; spectral norm's power iteration moves once per D update (G's, where it has one, once per G update) and
nowhere else; nothing but a D step's own passes moves D's running statistics.

A run of several ranks is this same loop in each of them, on its slice of every batch: what they average is gradients,
the losses' values and running statistics, so that their states stay equal.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Generator, Tensor, nn
from torch.nn.utils import parametrize

from landscape import distributed
from landscape.config.schema import Config
from landscape.losses.adversarial import get_loss
from landscape.losses.penalties import get_regularizer
from landscape.networks.latents import draw
from landscape.networks.normalizers import couples_samples
from landscape.networks.spectral_norm import advance_spectral_norms
from landscape.training.schedules import generator_moves, instance_noise, rate_factor
from landscape.training.state import State

CHECK_EVERY = 25  # D steps between looks at whether the losses are still finite (a look waits for the device)
LIMIT = 1e15  # a loss of this size is as good as infinite: single precision has nothing left to learn from


class Diverged(Exception):
    """Training left the finite numbers; the text says what and when."""


def train(state: State, cfg: Config, after_step: Callable[[State], None]) -> None:
    """Train `state` in place up to `cfg.train.steps` D updates.

    `after_step` is called between steps, where evaluations, checkpoints and stops belong: it may raise, and
    nothing of the state is half done then. (Of several ranks only rank 0 has any use for it.) Raises `Diverged` when a
    loss or a weight is no finite number (a loss beyond 1e15 counts as none).
    """
    loss, regularizer = get_loss(cfg.loss.kind), get_regularizer(cfg.reg.penalty)
    g, d = state.g, state.d
    d_parameters = list(d.parameters())
    apart = couples_samples(d)

    def half() -> torch.autocast:
        """Networks in bfloat16 where the run asks for it; losses, penalties and sigma stay in single precision."""
        return torch.autocast(state.device.type, torch.bfloat16, enabled=cfg.train.precision == "bf16")

    g.train()
    d.train()
    while state.step < cfg.train.steps:
        start = time.perf_counter()
        state.meter.start()
        diverged = False
        step = state.step + 1
        g_follows = generator_moves(step, state.g_step, state.since_g + 1, cfg.optim)
        set_rates(state, rate_factor(step, cfg), cfg)
        noise = instance_noise(step, cfg)

        # Discriminator: real against detached fakes, and the penalty.
        real = state.batches.next()
        z = distributed.share(draw(cfg.latent, cfg.train.batch_size, state.latents))
        if g_follows:
            advance_spectral_norms(g)
        with torch.set_grad_enabled(g_follows), half():
            fake = g(z)
        fake = fake.float()
        seen_real, seen_fake = blur(real, noise, state.noise), blur(fake, noise, state.noise)
        if regularizer.clamp is not None and cfg.reg.when == "before":
            state.watched["saturated"] = regularizer.clamp(d, cfg.reg)
        advance_spectral_norms(d)
        with parametrize.cached():  # the penalty's pass reuses the normalized weights
            with half():
                if apart:
                    logits_real, logits_fake = d(seen_real), d(seen_fake.detach())
                else:
                    logits_real, logits_fake = d(torch.cat([seen_real, seen_fake.detach()])).chunk(2)
            loss_d = loss.d(logits_real.float(), logits_fake.float())
            if regularizer.term is not None:
                with frozen_statistics(d):
                    loss_d = loss_d + regularizer.term(d, seen_real, seen_fake.detach(), cfg.reg, state.penalty)
        state.opt_d.zero_grad()
        loss_d.backward()
        state.loss_d = loss_d.detach()
        moved = (
            distributed.statistics(d) if g_follows else distributed.statistics(g, d)
        )  # G's graph still needs its own
        distributed.average([*(p.grad for p in d_parameters), *moved, state.loss_d])
        state.opt_d.step()
        if regularizer.clamp is not None and cfg.reg.when == "after":
            state.watched["saturated"] = regularizer.clamp(d, cfg.reg)
        state.step, state.since_g = step, state.since_g + 1
        state.finite &= state.loss_d.abs() < LIMIT  # false for NaN too

        # Generator: the same latents, D frozen with its buffers.
        if g_follows:
            freeze(d_parameters, True)
            with frozen_statistics(d), half():
                logits_fake = d(seen_fake).float()
                with torch.no_grad():
                    logits_real = d(seen_real).float() if loss.pairs else None
            loss_g = loss.g(logits_fake, logits_real)
            state.opt_g.zero_grad()
            loss_g.backward()
            state.loss_g = loss_g.detach()
            watched = {} if loss.watch is None else loss.watch(logits_fake.detach())
            state.watched.update(watched)
            distributed.average(
                [*(p.grad for p in g.parameters()), *distributed.statistics(g), *watched.values(), state.loss_g]
            )
            state.opt_g.step()
            freeze(d_parameters, False)
            state.g_step, state.since_g = state.g_step + 1, 0
            state.finite &= state.loss_g.abs() < LIMIT
            if state.average is not None:
                assert cfg.train.ema is not None
                move_average(state.average, g, cfg.train.ema)

        looks = state.step % CHECK_EVERY == 0 or state.step == cfg.train.steps
        if looks:
            state.finite &= all(p.isfinite().all() for p in (*g.parameters(), *d_parameters))
            diverged = not state.finite
        state.clocks.add_busy(distributed.together(state.meter.stop(), state.device))
        if looks:
            state.settle()  # the look has waited for the device
        state.clocks.train_s += time.perf_counter() - start
        if diverged:
            raise Diverged(f"a loss or weight left the finite numbers by step {state.step}")
        after_step(state)


def freeze(parameters: list[nn.Parameter], frozen: bool) -> None:
    """Keep a network's parameters out of the graph, or let them in again."""
    for p in parameters:
        p.requires_grad_(not frozen)


@contextmanager
def frozen_statistics(network: nn.Module) -> Iterator[None]:
    """Batch norms use their batch's statistics but do not move the running ones: penalties and G steps are no data."""
    norms = [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    for m in norms:
        m.track_running_stats = False
    try:
        yield
    finally:
        for m in norms:
            m.track_running_stats = True


def blur(images: Tensor, std: float, rng: Generator) -> Tensor:
    """Images with instance noise of this deviation; the images themselves where it is 0."""
    if std == 0:
        return images
    return images + std * distributed.normal(images.shape, images, rng)


def set_rates(state: State, factor: float, cfg: Config) -> None:
    """Learning rates of this step."""
    if cfg.optim.decay == "none":
        return
    for optimizer, lr in ((state.opt_d, cfg.optim.lr_d), (state.opt_g, cfg.optim.lr_g)):
        for group in optimizer.param_groups:
            group["lr"] = lr * factor


@torch.no_grad()
def move_average(average: nn.Module, g: nn.Module, decay: float) -> None:
    """average <- decay * average + (1 - decay) * g for parameters; buffers (batch statistics) are copied."""
    torch._foreach_lerp_(list(average.parameters()), list(g.parameters()), 1 - decay)
    if buffers := list(g.buffers()):  # a network may have none
        torch._foreach_copy_(list(average.buffers()), buffers)
