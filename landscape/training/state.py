"""Everything that training changes, in one object that can be saved and put back to the bit."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from landscape import distributed
from landscape.algorithms.algorithm import Algorithm, Model
from landscape.algorithms.registry import algorithm_of
from landscape.config.schema import Config
from landscape.data import Dataset
from landscape.networks.population_batchnorm import keep_population_variance
from landscape.networks.sync_batchnorm import synchronise
from landscape.rng import stream
from landscape.training.data_loader import Batches
from landscape.training.meter import Meter


@dataclass
class Clocks:
    """Seconds, of the history that led to this state: what a resume threw away is counted apart.

    `busy`: CPU seconds of all its processes or, on CUDA, the devices' (`landscape.training.meter`), where the others
    are by the clock. None where the run began before these were kept.
    """

    train_s: float = 0.0
    eval_s: float = 0.0
    train_busy_s: float | None = 0.0
    eval_busy_s: float | None = 0.0

    @classmethod
    def of(cls, saved: dict[str, Any]) -> Clocks:
        """The clocks of a checkpoint; busy seconds that an older one lacks are None."""
        return cls(**{"train_busy_s": None, "eval_busy_s": None, **saved})

    def add_busy(self, train_s: float = 0.0, eval_s: float = 0.0) -> None:
        """Add busy seconds, unless the run began before these were kept."""
        if self.train_busy_s is not None:
            self.train_busy_s += train_s
        if self.eval_busy_s is not None:
            self.eval_busy_s += eval_s


@dataclass(kw_only=True)
class State(Model):
    """A run between two steps: its model, and what the loop keeps beside it."""

    algorithm: Algorithm
    average: nn.Module | None  # exponential moving average of the sampler, its buffers copied
    batches: Batches
    rows: int = 0  # lines of metrics.jsonl that belong to this history
    finite: Tensor = field(default_factory=lambda: torch.tensor(True))  # no loss so far was infinite or NaN
    clocks: Clocks = field(default_factory=Clocks)

    def __post_init__(self) -> None:
        self.meter = Meter(self.device)

    def settle(self) -> None:
        """Bring the clocks up to date with what the device still does, for which this waits."""
        self.clocks.add_busy(self.meter.rest() * distributed.size())

    @property
    def scored(self) -> nn.Module:
        """The network whose samples are scored and kept first: the sampler's average where there is one."""
        return self.modules[self.algorithm.sampler] if self.average is None else self.average

    def weights(self) -> dict[str, Any]:
        """What is kept of a finished run: every network, and the sampler's average."""
        average = None if self.average is None else self.average.state_dict()
        return {**_states(self.modules), "average": average, "step": self.step}

    def load_weights(self, kept: dict[str, Any]) -> None:
        """Put back the networks that `weights` gave."""
        for name, module in self.modules.items():
            module.load_state_dict(kept[name])
        if self.average is not None:
            self.average.load_state_dict(kept["average"])

    def state_dict(self) -> dict[str, Any]:
        """All that a checkpoint needs; waits for the device, whose time counts."""
        self.settle()
        return {
            **self.weights(),
            **{f"opt_{name}": state for name, state in _states(self.optimizers).items()},
            **{name: rng.get_state() for name, rng in self.streams.items()},
            **self.counts,
            **self.losses,
            "batches": self.batches.state_dict(),
            "watched": self.watched,
            "rows": self.rows,
            "finite": self.finite,
            "clocks": vars(self.clocks).copy(),
        }

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Put back what `state_dict` gave: the run goes on to the bit. Raises `KeyError` where something is missing."""
        self.load_weights(saved)
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(saved[f"opt_{name}"])
        for name, rng in self.streams.items():
            rng.set_state(saved[name].cpu())
        self.counts.update((name, saved[name]) for name in self.counts)
        self.losses.update((name, saved[name]) for name in self.losses)
        self.batches.load_state_dict(saved["batches"])
        self.step, self.rows = saved["step"], saved["rows"]
        self.finite, self.watched = saved["finite"], saved["watched"]
        self.clocks = Clocks.of(saved["clocks"])


def _states(parts: Mapping[str, nn.Module] | Mapping[str, torch.optim.Optimizer]) -> dict[str, Any]:
    return {name: part.state_dict() for name, part in parts.items()}


def new_state(cfg: Config, data: Dataset, device: torch.device) -> State:
    """The state of a run before its first step; raises `UserError` for what the configuration cannot mean."""
    algorithm = algorithm_of(cfg)
    modules = algorithm.networks(cfg, data.channels)
    for name, module in modules.items():
        if cfg.train.sync_bn:
            synchronise(module)
        if cfg.train.bn_variance == "population":
            keep_population_variance(module)
        # faster wide, equal narrow
        modules[name] = module.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    sampler = modules[algorithm.sampler]
    labels = data.labels if algorithm.labelled else None
    return State(
        algorithm=algorithm,
        modules=modules,
        average=None if cfg.train.ema is None else copy.deepcopy(sampler).requires_grad_(False).eval(),
        optimizers=algorithm.optimizers(modules, cfg),
        streams={name: stream(cfg.seed, name, device) for name in algorithm.streams},
        counts=dict.fromkeys(algorithm.counts, 0),
        losses={name: torch.tensor(torch.nan) for name in algorithm.losses},
        batches=Batches(data.images, data.train, cfg.train.batch_size, cfg.seed, device, labels=labels),
        device=device,
        finite=torch.tensor(True, device=device),
    )
