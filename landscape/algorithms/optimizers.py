"""The optimizers, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch.nn import Parameter

from landscape.config.registry import lookup
from landscape.config.schema import Optim


def adam(parameters: Iterable[Parameter], lr: float, optim: Optim) -> torch.optim.Optimizer:
    """Adam (arXiv 1412.6980), fused: small networks are bound by the number of calls, not by arithmetic."""
    assert optim.beta1 is not None and optim.beta2 is not None and optim.epsilon is not None
    return torch.optim.Adam(parameters, lr, (optim.beta1, optim.beta2), optim.epsilon, fused=True)


def rmsprop(parameters: Iterable[Parameter], lr: float, optim: Optim) -> torch.optim.Optimizer:
    """RMSprop without momentum, as the WGAN paper's critic (arXiv 1701.07875, algorithm 1)."""
    assert optim.alpha is not None and optim.epsilon is not None
    return torch.optim.RMSprop(parameters, lr, optim.alpha, optim.epsilon, foreach=True)


OPTIMIZERS: dict[str, Callable[[Iterable[Parameter], float, Optim], torch.optim.Optimizer]] = {
    "adam": adam,
    "rmsprop": rmsprop,
}


def make_optimizer(parameters: Iterable[Parameter], lr: float, optim: Optim) -> torch.optim.Optimizer:
    """The optimizer `optim.kind` at rate `lr`; raises `UserError` naming the known ones."""
    return lookup("optim.kind", optim.kind, OPTIMIZERS)(parameters, lr, optim)
