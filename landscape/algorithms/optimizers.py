"""Optimizers by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.nn import Parameter

from landscape.config.registry import lookup
from landscape.config.schema import Optim


class TFAdam(torch.optim.Adam):
    """Adam as in TensorFlow 1: epsilon is added to the root of the uncorrected second moment.

    This is torch's Adam with epsilon / sqrt(1 - beta2^t) at update t. Early steps are smaller for small gradients. The
    update count is part of the optimizer's state.
    """

    def __init__(self, parameters: Iterable[Parameter], lr: float, betas: tuple[float, float], epsilon: float) -> None:
        super().__init__(parameters, lr, betas, epsilon, fused=True)
        self.epsilon = epsilon
        for group in self.param_groups:
            group["updates"] = 0

    def step(self, closure: Any = None) -> Any:
        """One update of all parameters."""
        for group in self.param_groups:
            group["updates"] += 1
            group["eps"] = self.epsilon / math.sqrt(1 - group["betas"][1] ** group["updates"])
        return super().step(closure)


def adam(parameters: Iterable[Parameter], lr: float, optim: Optim) -> torch.optim.Optimizer:
    """Adam (arXiv 1412.6980), fused, because small networks are limited by kernel launches."""
    assert optim.beta1 is not None and optim.beta2 is not None and optim.epsilon is not None
    betas = optim.beta1, optim.beta2
    if optim.epsilon_form == "tf":
        return TFAdam(parameters, lr, betas, optim.epsilon)
    return torch.optim.Adam(parameters, lr, betas, optim.epsilon, fused=True)


def rmsprop(parameters: Iterable[Parameter], lr: float, optim: Optim) -> torch.optim.Optimizer:
    """RMSprop without momentum, as for the WGAN paper's critic (arXiv 1701.07875, algorithm 1)."""
    assert optim.alpha is not None and optim.epsilon is not None
    return torch.optim.RMSprop(parameters, lr, optim.alpha, optim.epsilon, foreach=True)


OPTIMIZERS: dict[str, Callable[[Iterable[Parameter], float, Optim], torch.optim.Optimizer]] = {
    "adam": adam,
    "rmsprop": rmsprop,
}


def make_optimizer(parameters: Iterable[Parameter], lr: float, optim: Optim) -> torch.optim.Optimizer:
    """The optimizer `optim.kind` with learning rate `lr`. Raises `UserError` with the legal names."""
    return lookup("optim.kind", optim.kind, OPTIMIZERS)(parameters, lr, optim)
