"""Everything that training changes, in one object that can be saved and put back to the bit."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Generator, Tensor, nn

from landscape import distributed
from landscape.config.schema import Config
from landscape.data import Dataset
from landscape.networks.build import build
from landscape.networks.sync_batchnorm import synchronise
from landscape.rng import stream
from landscape.training.data_loader import Batches
from landscape.training.meter import Meter
from landscape.training.optimizers import make_optimizer


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
        return cls(**{"train_busy_s": None, "eval_busy_s": None, **saved})

    def add_busy(self, train_s: float = 0.0, eval_s: float = 0.0) -> None:
        if self.train_busy_s is not None:
            self.train_busy_s += train_s
        if self.eval_busy_s is not None:
            self.eval_busy_s += eval_s


@dataclass
class State:
    """A run between two steps."""

    g: nn.Module
    d: nn.Module
    average: nn.Module | None  # exponential moving average of g, its buffers copied
    opt_g: torch.optim.Optimizer
    opt_d: torch.optim.Optimizer
    batches: Batches
    latents: Generator
    penalty: Generator
    noise: Generator  # instance noise
    device: torch.device
    step: int = 0  # D updates
    g_step: int = 0
    since_g: int = 0  # D updates since the last G update
    rows: int = 0  # lines of metrics.jsonl that belong to this history
    finite: Tensor = field(default_factory=lambda: torch.tensor(True))  # no loss so far was infinite or NaN
    loss_d: Tensor = field(default_factory=lambda: torch.tensor(torch.nan))  # newest values, left on the device
    loss_g: Tensor = field(default_factory=lambda: torch.tensor(torch.nan))
    watched: dict[str, Tensor] = field(default_factory=dict)  # what losses and regularizers ask to be logged
    clocks: Clocks = field(default_factory=Clocks)

    def __post_init__(self) -> None:
        self.meter = Meter(self.device)

    def settle(self) -> None:
        """Bring the clocks up to date with what the device still does, for which this waits."""
        self.clocks.add_busy(self.meter.rest() * distributed.size())

    @property
    def scored(self) -> nn.Module:
        """The generator whose samples are scored and kept first: the average where there is one."""
        return self.g if self.average is None else self.average

    def weights(self) -> dict[str, Any]:
        """What is kept of a finished run: G, its average and D."""
        average = None if self.average is None else self.average.state_dict()
        return {"g": self.g.state_dict(), "average": average, "d": self.d.state_dict(), "step": self.step}

    def state_dict(self) -> dict[str, Any]:
        self.settle()
        return {
            **self.weights(),
            "opt_g": self.opt_g.state_dict(),
            "opt_d": self.opt_d.state_dict(),
            "batches": self.batches.state_dict(),
            "latents": self.latents.get_state(),
            "penalty": self.penalty.get_state(),
            "noise": self.noise.get_state(),
            "g_step": self.g_step,
            "since_g": self.since_g,
            "watched": self.watched,
            "rows": self.rows,
            "finite": self.finite,
            "loss_d": self.loss_d,
            "loss_g": self.loss_g,
            "clocks": vars(self.clocks).copy(),
        }

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        self.g.load_state_dict(saved["g"])
        self.d.load_state_dict(saved["d"])
        if self.average is not None:
            self.average.load_state_dict(saved["average"])
        self.opt_g.load_state_dict(saved["opt_g"])
        self.opt_d.load_state_dict(saved["opt_d"])
        self.batches.load_state_dict(saved["batches"])
        self.latents.set_state(saved["latents"].cpu())
        self.penalty.set_state(saved["penalty"].cpu())
        self.noise.set_state(saved["noise"].cpu())
        self.step, self.g_step, self.rows = saved["step"], saved["g_step"], saved["rows"]
        self.since_g, self.watched = saved["since_g"], saved["watched"]
        self.finite, self.loss_d, self.loss_g = saved["finite"], saved["loss_d"], saved["loss_g"]
        self.clocks = Clocks.of(saved["clocks"])


def new_state(cfg: Config, data: Dataset, device: torch.device) -> State:
    """The state of a run before its first step; raises `UserError` for what the configuration cannot mean."""
    g, d = build(cfg, data.channels)
    if cfg.train.sync_bn:
        synchronise(g)
        synchronise(d)
    g = g.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # faster wide, equal narrow
    d = d.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = None if cfg.train.ema is None else copy.deepcopy(g).requires_grad_(False).eval()
    return State(
        g=g,
        d=d,
        average=average,
        opt_g=make_optimizer(g.parameters(), cfg.optim.lr_g, cfg.optim),
        opt_d=make_optimizer(d.parameters(), cfg.optim.lr_d, cfg.optim),
        batches=Batches(data.images, data.train, cfg.train.batch_size, cfg.seed, device),
        latents=stream(cfg.seed, "latents", device),
        penalty=stream(cfg.seed, "penalty", device),
        noise=stream(cfg.seed, "noise", device),
        device=device,
        finite=torch.tensor(True, device=device),
    )
