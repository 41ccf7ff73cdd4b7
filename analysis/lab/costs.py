"""The generator's costs and their gradients over D(G(z)): which keep a gradient where D rejects, which are noisy."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from scipy.special import expit

from analysis.figures.style import SERIES
from analysis.lab.panel import Array, Check, Data, Panel, dots, legend, line, sheet

SPREAD = 0.5  # standard deviation of the logits among samples
MEANS: Array = np.linspace(-5, 5, 11)
LOGITS: Array = np.linspace(-6, 6, 25)


class Cost(NamedTuple):
    """A cost of G as a function of D's logit a (high means real), and its derivative."""

    value: Callable[[Array], Array]
    slope: Callable[[Array], Array]
    color: str


def softplus(a: Array) -> Array:
    """log(1 + e^a)."""
    return np.logaddexp(0, a)


COSTS = {
    "minimax": Cost(lambda a: -softplus(a), lambda a: -expit(a), SERIES[0]),
    "ns": Cost(lambda a: softplus(-a), lambda a: -expit(-a), SERIES[1]),
    "ml": Cost(lambda a: -0.5 * np.exp(a), lambda a: -0.5 * np.exp(a), SERIES[2]),
}


def deviation(cost: Cost, mean: float) -> float:
    """The standard deviation of the slope at logits N(`mean`, `SPREAD`²), by quadrature."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    slopes, weights = cost.slope(mean + SPREAD * nodes), weights / weights.sum()
    return float(np.sqrt(weights @ slopes**2 - (weights @ slopes) ** 2))


def simulate() -> Data:
    """Slopes by differences of the costs, and their deviation among random logits."""
    draws = MEANS[:, None] + SPREAD * np.random.default_rng(0).standard_normal((len(MEANS), 100_000))
    eps = 1e-5
    return {
        name: (
            (cost.value(LOGITS + eps) - cost.value(LOGITS - eps)) / (2 * eps),
            cost.slope(draws).std(1),
        )
        for name, cost in COSTS.items()
    }


def checks(data: Data) -> list[Check]:
    """Slopes, deviations, and the gradients where D is sure."""
    found = []
    for name, cost in COSTS.items():
        slopes, spread = data[name]
        exact = np.array([deviation(cost, mean) for mean in MEANS])
        found += [
            Check(f"{name}: slope by differences, relative", slopes / cost.slope(LOGITS), 1, 1e-4),
            Check(f"{name}: deviation of the slope, relative", spread / exact, 1, 0.03),
        ]
    ml = np.exp(MEANS + SPREAD**2 / 2) / 2 * np.sqrt(np.exp(SPREAD**2) - 1)
    return [*found, Check("ml: deviation, lognormal", [deviation(COSTS["ml"], m) for m in MEANS] / ml, 1, 1e-9)]


def draw(data: Data) -> Figure:
    """Costs and gradients over D(G(z)), and the noise of the gradient."""
    a = np.linspace(-8, 8, 400)
    with sheet("Cost of G", "Gradient by the logit", "Noise of the gradient") as (fig, axes):
        for name, (value, slope, color) in COSTS.items():
            line(axes[0], expit(a), value(a), color, name)
            line(axes[1], expit(a), -slope(a), color)
            dots(axes[1], expit(LOGITS), -data[name][0], color)
            spread = [deviation(COSTS[name], mean) for mean in a[40:-40]]
            line(axes[2], expit(a[40:-40]), spread, color)
            dots(axes[2], expit(MEANS), data[name][1], color)
        axes[0].set(ylim=(-10, 6), xlabel="D(G(z))", ylabel="cost")
        axes[1].set(yscale="log", ylim=(1e-3, 50), xlabel="D(G(z))", ylabel="|dJ/da|")
        axes[2].set(
            yscale="log", ylim=(1e-3, 50), xlabel="D(G(z)) of the mean logit", ylabel="sd of dJ/da among samples"
        )
        legend(axes[0], loc="lower left")
    return fig


PANEL = Panel(
    "costs",
    "Three costs of the generator",
    (
        "minimax: log(1 − D), slope −σ(a)",
        "ns: −log D, slope −σ(−a)",
        "ml: −½ e^a = −½ D/(1 − D), slope −½ e^a",
    ),
    "Where D rejects a sample (left), only ns still has a gradient. Where D is fooled (right), the "
    "maximum-likelihood cost has a steep one, so few samples decide the step: its noise grows as the gradient itself "
    "does. The costs are those of loss=minimax, ns and ml.",
    "Goodfellow, NIPS 2016 tutorial (arXiv 1701.00160), figure 16",
    simulate,
    checks,
    draw,
)
