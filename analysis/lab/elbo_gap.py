"""A posterior that is too weak: the gap of the ELBO, and the wrong model that it chooses."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse
from scipy.optimize import minimize_scalar

from analysis.figures.style import MUTED_COLOR, SERIES
from analysis.lab.panel import Array, Check, Data, Panel, dots, legend, line, sheet

MIXING: Array = np.array([[1.0, 0.9], [0.9, 1.0]])
NOISE = 0.5  # variance of x given z, in data and model
DATA: Array = MIXING @ MIXING.T + NOISE * np.eye(2)
SCALES: Array = np.linspace(0.3, 1.5, 9)
COUNT = 20_000


def covariance(w: float) -> Array:
    """Of the model's x: w² AAᵀ + σ²."""
    return np.asarray(w**2 * MIXING @ MIXING.T + NOISE * np.eye(2))


def likelihood(w: float) -> float:
    """E log p(x) over the data."""
    model = covariance(w)
    return float(-np.log(2 * np.pi) - (np.linalg.slogdet(model)[1] + np.trace(np.linalg.solve(model, DATA))) / 2)


def precision(w: float) -> Array:
    """Of the posterior of z: I + w² AᵀA/σ²."""
    return np.asarray(np.eye(2) + w**2 * MIXING.T @ MIXING / NOISE)


def gap(w: float) -> float:
    """KL(q ‖ p(z|x)) of the best factorized q, which is the same for every x: ½ (Σ log Λᵢᵢ - log det Λ)."""
    found = precision(w)
    return float((np.log(np.diag(found)).sum() - np.linalg.slogdet(found)[1]) / 2)


def elbo(w: float) -> float:
    """The largest ELBO with a factorized posterior."""
    return likelihood(w) - gap(w)


def maximum(function: object) -> float:
    """The w that maximizes a function."""
    return float(minimize_scalar(lambda w: -function(w), bounds=(0.1, 2), method="bounded", options={"xatol": 1e-9}).x)  # type: ignore[operator]


def sampled(w: float, rng: np.random.Generator) -> tuple[float, float]:
    """The ELBO on samples in both forms: E log p(x, z) - log q(z), and E log p(x|z) - KL(q ‖ p(z))."""
    x = rng.multivariate_normal(np.zeros(2), DATA, COUNT)
    found = precision(w)
    mean = x @ np.linalg.solve(found, w * MIXING.T / NOISE).T
    variance = 1 / np.diag(found)
    eps = rng.standard_normal((COUNT, 2))
    z = mean + np.sqrt(variance) * eps
    log_x = -np.log(2 * np.pi * NOISE) - ((x - w * z @ MIXING.T) ** 2).sum(1) / (2 * NOISE)
    log_prior = -np.log(2 * np.pi) - (z**2).sum(1) / 2
    log_q = -np.log(2 * np.pi) - (np.log(variance).sum() + (eps**2).sum(1)) / 2
    kl = ((mean**2).sum(1) + (variance - np.log(variance) - 1).sum()) / 2
    return float((log_x + log_prior - log_q).mean()), float((log_x - kl).mean())


def simulate() -> Data:
    """Both forms of the ELBO on samples for each w."""
    rng = np.random.default_rng(0)
    found = np.array([sampled(w, rng) for w in SCALES]).T
    return {"a": found[0], "b": found[1]}


def checks(data: Data) -> list[Check]:
    """Both forms against the closed form, and where the maxima are."""
    exact = np.array([elbo(w) for w in SCALES])
    return [
        Check("form A, E log p(x, z) − log q", data["a"], exact, 0.05),
        Check("form B, E log p(x|z) − KL", data["b"], exact, 0.05),
        Check("the likelihood is largest at w = 1", maximum(likelihood), 1, 1e-4),
        Check("the ELBO is largest below: sign of w − 1", np.sign(maximum(elbo) - 1), -1, 0),
    ]


def draw(data: Data) -> Figure:
    """Likelihood and ELBO over w with their maxima, and the covariances that they choose."""
    fine = np.linspace(0.25, 1.55, 120)
    with sheet("Per sample, in nats", "Covariance of x (two deviations)", width=4.4, height=3.6) as (
        fig,
        (left, right),
    ):
        line(left, fine, [likelihood(w) for w in fine], SERIES[0], "E log p(x)")
        line(left, fine, [elbo(w) for w in fine], SERIES[1], "largest ELBO, factorized q")
        dots(left, SCALES, data["a"], SERIES[1], "form A")
        dots(left, SCALES, data["b"], SERIES[3], "form B", "^")
        for function, color in ((likelihood, SERIES[0]), (elbo, SERIES[1])):
            left.axvline(maximum(function), color=color, lw=0.9, ls=(0, (4, 3)))
        for matrix, color, dash, name in (
            (DATA, SERIES[0], "-", "data, and maximum likelihood"),
            (covariance(maximum(elbo)), SERIES[1], "--", "maximum ELBO"),
        ):
            values, vectors = np.linalg.eigh(matrix)
            angle = float(np.degrees(np.arctan2(vectors[1, 1], vectors[0, 1])))
            width, height = 4 * np.sqrt(values[::-1])
            right.add_patch(
                Ellipse((0, 0), width, height, angle=angle, fill=False, ec=color, ls=dash, lw=1.8, label=name)
            )
        left.set(xlabel="w (data: 1)", ylabel="nats")
        right.set(xlim=(-4, 4), ylim=(-4, 4), aspect="equal", xlabel="x₁", ylabel="x₂")
        right.axhline(0, color=MUTED_COLOR, lw=0.5)
        legend(left, loc="lower right")
        legend(right, loc="upper left")
    return fig


PANEL = Panel(
    "elbo_gap",
    "A weak posterior learns another model",
    (
        "x = wAz + noise, z ~ N(0, I); log p(x) = ELBO + KL(q ‖ p(z|x))",
        "best factorized q: same mean, precision Λᵢᵢ of Λ = I + w²AᵀA/σ²; gap ½ (Σ log Λᵢᵢ − log det Λ)",
    ),
    "The gap grows with w, so the ELBO is largest at a w below the true one, with any number of data and a perfect "
    "optimizer. Both forms of the ELBO estimate the same number; B integrates the KL divergence and A samples it.",
    "Goodfellow, NIPS 2016 tutorial (arXiv 1701.00160), section 2.3.2; Kingma and Welling (arXiv 1312.6114) for both "
    "forms",
    simulate,
    checks,
    draw,
)
