"""What the training loop asks of a family of models, and what it gives to it.

Adding a family is a file like `landscape/algorithms/gan.py` that ends in an `Algorithm` (a recipe is in
CONTRIBUTING.md); `tests/landscape/algorithms/test_algorithm.py` trains one of three networks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Generator, Tensor, nn

from landscape.config.schema import Config


class Batch(NamedTuple):
    """Real images (batch, channels, side, side) in [0, 1] and, where the algorithm takes them, their classes."""

    images: Tensor
    labels: Tensor | None = None  # int64 (batch,)


@dataclass(kw_only=True)
class Model:
    """What an algorithm moves, by name. A checkpoint keeps all of it under these names ("opt_" before optimizers)."""

    modules: dict[str, nn.Module]
    optimizers: dict[str, torch.optim.Optimizer]
    streams: dict[str, Generator]  # random numbers, one generator a purpose
    counts: dict[str, int]  # whatever an algorithm counts beside the loop's steps
    device: torch.device
    step: int = 0  # of the loop: batches that have been trained on
    losses: dict[str, Tensor] = field(default_factory=dict)  # newest values, left on the device; NaN before the first
    watched: dict[str, Tensor] = field(default_factory=dict)  # what else is worth logging


class Step(NamedTuple):
    """What one step has to say; values are detached scalars, left on the device."""

    losses: dict[str, Tensor]  # those that were made in this step: the run has diverged where one is not finite
    watched: dict[str, Tensor]
    sampler_moved: bool  # whether an average of the sampler has something new to follow


class Algorithm(NamedTuple):
    """A family of models: what it is made of and how a step moves it.

    `networks(cfg, channels)` are its modules by name, initialized, on the CPU; `optimizers(modules, cfg)` is called
    when they are on their device. `steps(model, cfg)` looks once at the model, before the first step, and returns the
    function that trains it on a batch; `model.step` is the number of the step (from 1) by then. That function averages
    over the ranks whatever it makes of its slice of the batch. The module named `sampler` turns latents into images:
    its samples are scored, its average is kept. `warnings(model, cfg)` are sentences for the user.
    """

    networks: Callable[[Config, int], dict[str, nn.Module]]
    optimizers: Callable[[dict[str, nn.Module], Config], dict[str, torch.optim.Optimizer]]
    steps: Callable[[Model, Config], Callable[[Batch], Step]]
    sampler: str
    losses: tuple[str, ...]
    streams: tuple[str, ...] = ()
    counts: tuple[str, ...] = ()
    labelled: bool = False  # whether its batches carry labels
    warnings: Callable[[Model, Config], list[str]] = lambda model, cfg: []
