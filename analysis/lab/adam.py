"""Adam on a dictionary of arrays, for the networks and generators that the laboratory trains by hand."""

from __future__ import annotations

import numpy as np

from analysis.lab.panel import Array

Params = dict[str, Array]


class Adam:
    """Adam (arXiv 1412.6980) with β₁ = 0.9, β₂ = 0.999 and a rate that falls linearly to 0 over `steps`."""

    def __init__(self, params: Params, rate: float, steps: int) -> None:
        self.params, self.rate, self.steps, self.step = params, rate, steps, 0
        self.first = {name: np.zeros_like(value) for name, value in params.items()}
        self.second = {name: np.zeros_like(value) for name, value in params.items()}

    def descend(self, gradients: Params) -> None:
        """Move the parameters in place."""
        self.step += 1
        rate = self.rate * (1 - (self.step - 1) / self.steps)
        for name, slope in gradients.items():
            self.first[name] += 0.1 * (slope - self.first[name])
            self.second[name] += 0.001 * (slope**2 - self.second[name])
            middle = self.first[name] / (1 - 0.9**self.step)
            spread = np.sqrt(self.second[name] / (1 - 0.999**self.step))
            self.params[name] -= rate * middle / (spread + 1e-8)
