"""Interface between the training loop and an algorithm (a family of models).

A new one needs a file like `landscape/algorithms/gan.py`; CONTRIBUTING.md has the recipe.
`tests/landscape/algorithms/test_algorithm.py` trains an algorithm with three networks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Generator, Tensor, nn

from landscape.config.schema import Config


class Batch(NamedTuple):
    """Real images (batch, channels, side, side) in [0, 1] and, for conditional models, class labels."""

    images: Tensor
    labels: Tensor | None = None  # int64 (batch,)


@dataclass(kw_only=True)
class Model:
    """What an algorithm trains, by name. A checkpoint has everything under these names (optimizers with prefix
    "opt_")."""

    modules: dict[str, nn.Module]
    optimizers: dict[str, torch.optim.Optimizer]
    streams: dict[str, Generator]  # random generators by purpose
    counts: dict[str, int]  # the algorithm's own counters
    device: torch.device
    step: int = 0  # number of training steps done
    losses: dict[str, Tensor] = field(default_factory=dict)  # latest values, on the device; NaN before the first step
    watched: dict[str, Tensor] = field(default_factory=dict)  # further values to log


class Step(NamedTuple):
    """Results of one step: detached scalars on the device."""

    losses: dict[str, Tensor]  # computed in this step; the run has diverged if one is not finite
    watched: dict[str, Tensor]
    sampler_moved: bool  # whether the sampler was updated (then the EMA is too)


class Algorithm(NamedTuple):
    """A family of models and their training step.

    `networks(cfg, channels)` returns the modules by name, initialized, on the CPU. `optimizers(modules, cfg)` is called
    when they are on their device. `steps(model, cfg)` is called once before the first step and returns the function
    that trains on a batch; `model.step` is then the step's number (from 1). That function averages over the ranks
    everything that it computes from its slice of the batch. The module named `sampler` maps latents to images: it is
    scored, and the EMA follows it. `warnings(model, cfg)` returns messages for the user.
    """

    networks: Callable[[Config, int], dict[str, nn.Module]]
    optimizers: Callable[[dict[str, nn.Module], Config], dict[str, torch.optim.Optimizer]]
    steps: Callable[[Model, Config], Callable[[Batch], Step]]
    sampler: str
    losses: tuple[str, ...]
    streams: tuple[str, ...] = ()
    counts: tuple[str, ...] = ()
    labeled: bool = False  # whether its batches carry labels although the networks are not conditional
    more_streams: Callable[[Config], tuple[str, ...]] = lambda cfg: ()  # those that only some configurations draw from
    warnings: Callable[[Model, Config], list[str]] = lambda model, cfg: []
