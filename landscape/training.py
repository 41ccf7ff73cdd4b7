"""The training loop: one function, read from top to bottom, that never asks which loss it runs.

What is settled here is part of what a run's id means: steps are D updates; G moves after D steps 1, 1+n_dis,
1+2*n_dis, ...; the G step uses the D step's latents, so the fakes of a D step that G follows are made once,
with their graph, and all others without; D sees real and fake in one pass; spectral norm's power iteration
moves once per D update and nowhere else.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import nn
from torch.nn.utils import parametrize

from landscape.config import Config
from landscape.latents import draw
from landscape.losses import get_loss
from landscape.penalties import get_penalty
from landscape.spectral import advance_spectral_norms
from landscape.state import State

CHECK_EVERY = 25  # D steps between looks at whether the losses are still finite (a look waits for the device)
LIMIT = 1e15  # a loss of this size is as good as infinite: single precision has nothing left to learn from


class Diverged(Exception):
    """Training left the finite numbers; the text says what and when."""


def generator_moves(step: int, n_dis: int) -> bool:
    """Whether a G update follows D update number `step` (from 1)."""
    return (step - 1) % n_dis == 0


def train(state: State, cfg: Config, after_step: Callable[[State], None]) -> None:
    """Train `state` in place up to `cfg.train.steps` D updates.

    `after_step` is called between steps, where evaluations, checkpoints and stops belong: it may raise, and
    nothing of the state is half done then. Raises `Diverged` when a loss or a weight is no finite number
    (a loss beyond 1e15 counts as none).
    """
    loss, penalty = get_loss(cfg.loss.kind), get_penalty(cfg.reg.penalty)
    g, d = state.g, state.d
    d_parameters = list(d.parameters())
    g.train()
    d.train()
    while state.step < cfg.train.steps:
        start = time.perf_counter()
        diverged = False
        g_follows = generator_moves(state.step + 1, cfg.optim.n_dis)

        # Discriminator: real against detached fakes in one pass, and the penalty.
        real = state.batches.next()
        z = draw(cfg.latent, len(real), state.latents)
        with torch.set_grad_enabled(g_follows):
            fake = g(z)
        advance_spectral_norms(d)
        with parametrize.cached():  # the penalty's pass reuses the normalized weights
            logits_real, logits_fake = d(torch.cat([real, fake.detach()])).chunk(2)
            loss_d = loss.d(logits_real, logits_fake)
            if penalty is not None:
                loss_d = loss_d + penalty(d, real, fake.detach(), cfg.reg, state.penalty)
        state.opt_d.zero_grad()
        loss_d.backward()
        state.opt_d.step()
        state.step += 1
        state.loss_d = loss_d.detach()
        state.finite &= state.loss_d.abs() < LIMIT  # false for NaN too

        # Generator: the same latents, D frozen.
        if g_follows:
            freeze(d_parameters, True)
            loss_g = loss.g(d(fake))
            state.opt_g.zero_grad()
            loss_g.backward()
            state.opt_g.step()
            freeze(d_parameters, False)
            state.g_step += 1
            state.loss_g = loss_g.detach()
            state.finite &= state.loss_g.abs() < LIMIT
            if state.average is not None:
                assert cfg.train.ema is not None
                move_average(state.average, g, cfg.train.ema)

        if state.step % CHECK_EVERY == 0 or state.step == cfg.train.steps:
            state.finite &= all(p.isfinite().all() for p in (*g.parameters(), *d_parameters))
            diverged = not state.finite
        state.clocks.train_s += time.perf_counter() - start
        if diverged:
            raise Diverged(f"a loss or weight left the finite numbers by step {state.step}")
        after_step(state)


def freeze(parameters: list[nn.Parameter], frozen: bool) -> None:
    """Keep a network's parameters out of the graph, or let them in again."""
    for p in parameters:
        p.requires_grad_(not frozen)


@torch.no_grad()
def move_average(average: nn.Module, g: nn.Module, decay: float) -> None:
    """average <- decay * average + (1 - decay) * g for parameters; buffers (batch statistics) are copied."""
    torch._foreach_lerp_(list(average.parameters()), list(g.parameters()), 1 - decay)
    torch._foreach_copy_(list(average.buffers()), list(g.buffers()))
