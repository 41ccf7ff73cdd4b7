"""The training loop: calls an algorithm's step, and handles clocks, divergence, EMA and interruptions.

Algorithms define the step (`landscape.algorithms`). With several ranks, each one runs this loop.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import nn

from landscape import distributed
from landscape.config.schema import Config
from landscape.training.state import State

CHECK_EVERY = 25  # steps between checks that losses are finite (a check waits for the device)
LIMIT = 1e15  # a loss of this size counts as infinite


class Diverged(Exception):
    """A loss or weight is not finite. The message says when."""


def train(state: State, cfg: Config, after_step: Callable[[State], None]) -> None:
    """Train `state` in place for `cfg.train.steps` steps (for a GAN: D updates).

    `after_step` is called between steps, for evaluations, checkpoints and stops. It may raise; the state is then
    consistent. Only rank 0 uses it. Raises `Diverged` if a loss or a weight is not finite (or a loss is beyond 1e15).

    A layer with a method `set_progress(fraction)` is called before each step with the fraction of steps done. It should
    store the result in a buffer, which is saved with the weights and copied to the EMA.
    """
    networks = list(state.modules.values())
    parameters = [p for network in networks for p in network.parameters()]
    hear = listeners(state)
    sampler = state.modules[state.algorithm.sampler]
    train_on = state.algorithm.steps(state, cfg)
    for network in networks:
        network.train()
    while state.step < cfg.train.steps:
        start = time.perf_counter()
        state.meter.start()
        diverged = False
        for set_progress in hear:
            set_progress(state.step / cfg.train.steps)
        state.step += 1
        done = train_on(state.batches.next())
        state.losses.update(done.losses)
        state.watched.update(done.watched)
        for value in done.losses.values():
            state.finite &= value.abs() < LIMIT  # also false for NaN
        if done.sampler_moved and state.ema is not None:
            assert cfg.train.ema is not None
            update_ema(state.ema, sampler, cfg.train.ema)

        looks = state.step % CHECK_EVERY == 0 or state.step == cfg.train.steps
        if looks:
            state.finite &= all(p.isfinite().all() for p in parameters)
            diverged = not state.finite
        state.clocks.add_busy(distributed.sum_seconds(state.meter.stop(), state.device))
        if looks:
            state.sync_clocks()  # the check has waited for the device
        state.clocks.train_s += time.perf_counter() - start
        if diverged:
            raise Diverged(f"a loss or weight is not finite at step {state.step}")
        after_step(state)


def listeners(state: State) -> list[Callable[[float], None]]:
    """The `set_progress` of all layers that have one: training then depends on its length."""
    layers = [layer for network in state.modules.values() for layer in network.modules()]
    return [m.set_progress for m in layers if hasattr(m, "set_progress")]  # type: ignore[misc]


@torch.no_grad()
def update_ema(ema: nn.Module, sampler: nn.Module, decay: float) -> None:
    """ema <- decay * ema + (1 - decay) * sampler for parameters. Buffers (batch statistics) are copied."""
    torch._foreach_lerp_(list(ema.parameters()), list(sampler.parameters()), 1 - decay)
    if buffers := list(sampler.buffers()):  # a network may have no buffers
        torch._foreach_copy_(list(ema.buffers()), buffers)
