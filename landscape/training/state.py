"""The complete state of training, which can be saved and restored exactly."""

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
from landscape.networks.population_batchnorm import use_population_variance
from landscape.networks.sync_batchnorm import use_sync_batchnorm
from landscape.rng import stream
from landscape.training.data_loader import Batches
from landscape.training.meter import Meter


@dataclass
class Clocks:
    """Seconds spent to reach this state. Work lost by interruptions is counted elsewhere.

    `train_s` and `eval_s` are wall time. The `busy` values are CPU seconds of all processes or, on CUDA, device seconds
    (`landscape.training.meter`); None if the run began before they were recorded.
    """

    train_s: float = 0.0
    eval_s: float = 0.0
    train_busy_s: float | None = 0.0
    eval_busy_s: float | None = 0.0

    @classmethod
    def of(cls, saved: dict[str, Any]) -> Clocks:
        """The clocks of a checkpoint. Busy seconds that an older checkpoint lacks are None."""
        return cls(**{"train_busy_s": None, "eval_busy_s": None, **saved})

    def add_busy(self, train_s: float = 0.0, eval_s: float = 0.0) -> None:
        """Add busy seconds, unless the run began before they were recorded."""
        if self.train_busy_s is not None:
            self.train_busy_s += train_s
        if self.eval_busy_s is not None:
            self.eval_busy_s += eval_s


@dataclass(kw_only=True)
class State(Model):
    """A run between two steps: its model, and the loop's own state."""

    algorithm: Algorithm
    ema: nn.Module | None  # moving average of the sampler's parameters; buffers are copied
    batches: Batches
    rows: int = 0  # number of rows in metrics.jsonl up to this state
    finite: Tensor = field(default_factory=lambda: torch.tensor(True))  # whether all losses so far were finite
    clocks: Clocks = field(default_factory=Clocks)

    def __post_init__(self) -> None:
        self.meter = Meter(self.device)

    def sync_clocks(self) -> None:
        """Add the device time that is not known yet. Waits for the device."""
        self.clocks.add_busy(self.meter.rest() * distributed.size())

    @property
    def scored(self) -> nn.Module:
        """The network that is scored and saved first: the EMA of the sampler if there is one."""
        return self.modules[self.algorithm.sampler] if self.ema is None else self.ema

    def weights(self) -> dict[str, Any]:
        """The weights kept of a finished run: all networks and the EMA."""
        average = None if self.ema is None else self.ema.state_dict()
        return {**_states(self.modules), "average": average, "step": self.step}

    def load_weights(self, kept: dict[str, Any]) -> None:
        """Restore the result of `weights`."""
        for name, module in self.modules.items():
            module.load_state_dict(kept[name])
        if self.ema is not None:
            self.ema.load_state_dict(kept["average"])

    def state_dict(self) -> dict[str, Any]:
        """The content of a checkpoint. Waits for the device."""
        self.sync_clocks()
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
        """Restore the result of `state_dict` exactly. Raises `KeyError` if something is missing."""
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
    """The state of a run before its first step. Raises `UserError` for an unknown name in the configuration."""
    algorithm = algorithm_of(cfg)
    modules = algorithm.networks(cfg, data.channels)
    for name, module in modules.items():
        if cfg.train.sync_bn:
            use_sync_batchnorm(module)
        if cfg.train.bn_variance == "population":
            use_population_variance(module)
        # channels-last is faster for wide networks and equal for narrow ones
        modules[name] = module.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    sampler = modules[algorithm.sampler]
    labels = data.labels if algorithm.labeled or cfg.arch.conditional else None
    return State(
        algorithm=algorithm,
        modules=modules,
        ema=None if cfg.train.ema is None else copy.deepcopy(sampler).requires_grad_(False).eval(),
        optimizers=algorithm.optimizers(modules, cfg),
        streams={name: stream(cfg.seed, name, device) for name in (*algorithm.streams, *algorithm.more_streams(cfg))},
        counts=dict.fromkeys(algorithm.counts, 0),
        losses={name: torch.tensor(torch.nan) for name in algorithm.losses},
        batches=Batches(data.images, data.train, cfg.train.batch_size, cfg.seed, device, labels=labels),
        device=device,
        finite=torch.tensor(True, device=device),
    )
