"""The reparametrization trick: gradients through a Gaussian sample, against the score-function estimator."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from analysis.figures.style import SERIES
from analysis.lab.panel import Array, Check, Data, Panel, dots, legend, line, sheet

MU = 1.0
SIGMAS: Array = np.array([0.2, 0.35, 0.5, 0.75, 1, 1.5, 2])
DRAWS = 400_000
FINE: Array = np.linspace(0.15, 2.1, 100)


def through_sample(sigma: Array) -> Array:
    """Variance of d(y²)/dμ = 2y."""
    return 4 * sigma**2


def by_score(sigma: Array) -> Array:
    """Variance of y² ∂ log p/∂μ = y² ε/σ."""
    return (MU**4 + 18 * MU**2 * sigma**2 + 15 * sigma**4) / sigma**2 - 4 * MU**2


def simulate() -> Data:
    """Both estimators of dE y²/dμ, and gradients by μ and σ against differences with the same noise."""
    eps = np.random.default_rng(0).standard_normal(DRAWS)
    y = MU + SIGMAS[:, None] * eps
    step = 1e-5

    def cost(mu: float, sigma: float) -> float:
        return float(((mu + sigma * eps) ** 2).mean())

    differences = [
        ((cost(MU + step, s) - cost(MU - step, s)) / (2 * step), (cost(MU, s + step) - cost(MU, s - step)) / (2 * step))
        for s in SIGMAS
    ]
    return {
        "path": (2 * y).var(1),
        "score": (y**2 * eps / SIGMAS[:, None]).var(1),
        "means": np.stack([(2 * y).mean(1), (2 * y * eps).mean(1)], 1),
        "differences": np.array(differences),
    }


def checks(data: Data) -> list[Check]:
    """Variances, differences, and the gradients 2μ and 2σ."""
    exact = np.stack([np.full(len(SIGMAS), 2 * MU), 2 * SIGMAS], 1)
    return [
        Check("through the sample: variance, relative", data["path"] / through_sample(SIGMAS), 1, 0.02),
        Check("score function: variance, relative", data["score"] / by_score(SIGMAS), 1, 0.04),
        Check("gradients by μ and σ against differences, same noise", data["means"], data["differences"], 1e-8),
        Check("gradients by μ and σ: 2μ and 2σ", data["means"], exact, 0.02),
    ]


def draw(data: Data) -> Figure:
    """Variances of both estimators, and the gradients."""
    with sheet("Variance of one sample's gradient by μ", "Gradients through the sample", width=4.4) as (
        fig,
        (left, right),
    ):
        line(left, FINE, by_score(FINE), SERIES[1], "score function (REINFORCE)")
        dots(left, SIGMAS, data["score"], SERIES[1])
        line(left, FINE, through_sample(FINE), SERIES[0], "through the sample: 4σ²")
        dots(left, SIGMAS, data["path"], SERIES[0])
        for place, (name, exact, color) in enumerate(
            (("by μ: 2μ", 0 * FINE + 2, SERIES[2]), ("by σ: 2σ", 2 * FINE, SERIES[3]))
        ):
            line(right, FINE, exact, color, name)
            dots(right, SIGMAS, data["means"][:, place], color)
        left.set(yscale="log", xlabel="σ", ylabel="variance")
        right.set(xlabel="σ", ylabel="gradient of E y²")
        legend(left)
        legend(right)
    return fig


PANEL = Panel(
    "reparametrize",
    "The reparametrization trick",
    (
        "y = μ + σε, ε ~ N(0, 1): dE y²/dμ = E 2y, dE y²/dσ = E 2yε",
        "variances by μ: 4σ² through the sample, (μ⁴ + 18μ²σ² + 15σ⁴)/σ² − 4μ² by the score function",
    ),
    "Written as a function of noise, a sample has a derivative. Its gradient is the less noisy the narrower the "
    "distribution; that of the score function is the more noisy.",
    "Kingma and Welling (arXiv 1312.6114); the variances are derived here",
    simulate,
    checks,
    draw,
)
