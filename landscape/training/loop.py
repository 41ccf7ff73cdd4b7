"""The training loop: it moves an algorithm and looks after clocks, divergence, the average and the places to stop.

What a step is, the algorithm says (`landscape.algorithms`); the loop asks no family's name. A run of several ranks is
this same loop in each of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import nn

from landscape import distributed
from landscape.config.schema import Config
from landscape.training.state import State

CHECK_EVERY = 25  # steps between looks at whether the losses are still finite (a look waits for the device)
LIMIT = 1e15  # a loss of this size is as good as infinite: single precision has nothing left to learn from


class Diverged(Exception):
    """Training left the finite numbers; the text says what and when."""


def train(state: State, cfg: Config, after_step: Callable[[State], None]) -> None:
    """Train `state` in place up to `cfg.train.steps` steps (of a GAN: D updates).

    `after_step` is called between steps, where evaluations, checkpoints and stops belong: it may raise, and
    nothing of the state is half done then. (Of several ranks only rank 0 has any use for it.) Raises `Diverged` when a
    loss or a weight is no finite number (a loss beyond 1e15 counts as none).

    A layer with a method `set_progress(share)` is told before each step which share of the steps lies behind it. What
    it makes of that belongs into a buffer: those are kept with the weights and copied to the average.
    """
    networks = list(state.modules.values())
    parameters = [p for network in networks for p in network.parameters()]
    layers = [layer for network in networks for layer in network.modules()]
    listeners: list[Callable[[float], None]] = [m.set_progress for m in layers if hasattr(m, "set_progress")]  # type: ignore[misc]
    sampler = state.modules[state.algorithm.sampler]
    train_on = state.algorithm.steps(state, cfg)
    for network in networks:
        network.train()
    while state.step < cfg.train.steps:
        start = time.perf_counter()
        state.meter.start()
        diverged = False
        for set_progress in listeners:
            set_progress(state.step / cfg.train.steps)
        state.step += 1
        done = train_on(state.batches.next())
        state.losses.update(done.losses)
        state.watched.update(done.watched)
        for value in done.losses.values():
            state.finite &= value.abs() < LIMIT  # false for NaN too
        if done.sampler_moved and state.average is not None:
            assert cfg.train.ema is not None
            move_average(state.average, sampler, cfg.train.ema)

        looks = state.step % CHECK_EVERY == 0 or state.step == cfg.train.steps
        if looks:
            state.finite &= all(p.isfinite().all() for p in parameters)
            diverged = not state.finite
        state.clocks.add_busy(distributed.together(state.meter.stop(), state.device))
        if looks:
            state.settle()  # the look has waited for the device
        state.clocks.train_s += time.perf_counter() - start
        if diverged:
            raise Diverged(f"a loss or weight left the finite numbers by step {state.step}")
        after_step(state)


@torch.no_grad()
def move_average(average: nn.Module, sampler: nn.Module, decay: float) -> None:
    """average <- decay * average + (1 - decay) * sampler for parameters; buffers (batch statistics) are copied."""
    torch._foreach_lerp_(list(average.parameters()), list(sampler.parameters()), 1 - decay)
    if buffers := list(sampler.buffers()):  # a network may have none
        torch._foreach_copy_(list(average.buffers()), buffers)
