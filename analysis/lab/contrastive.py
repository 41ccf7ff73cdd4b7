"""Noise-contrastive estimation learns a model's normalizing constant; self-contrastive estimation cannot."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from scipy.integrate import trapezoid
from scipy.special import expit
from scipy.stats import norm

from analysis.figures.axes import reference
from analysis.figures.style import SERIES
from analysis.lab.costs import softplus
from analysis.lab.panel import Array, Check, Data, Panel, dots, legend, line, sheet

BEST = -0.5 * np.log(2 * np.pi)  # minus the log of the normalizing constant of exp(-x²/2)
NOISE = 2.0  # standard deviation of the noise
COUNT, STEPS, RATE = 40_000, 80, 0.5
OFFSETS: Array = np.linspace(-2, 0.5, 11)
STARTS = (-2.0, 0.5)
FIXED = 0.0  # the c of self-contrastive estimation
MEAN, SCE_RATE = 2.0, 0.2  # where self-contrastive estimation starts; its rate


def logit(x: Array, c: float | Array) -> Array:
    """log p̃(x) + c - log p_noise(x) for p̃ = exp(-x²/2)."""
    return np.asarray(-(x**2) / 2 + c - norm.logpdf(x, scale=NOISE))


def cost(c: float) -> float:
    """J(c) = -E_data log σ(G) - E_noise log(1 - σ(G)), by quadrature."""
    x = np.linspace(-20, 20, 8001)
    return float(trapezoid(norm.pdf(x) * softplus(-logit(x, c)) + norm.pdf(x, scale=NOISE) * softplus(logit(x, c)), x))


def descent(start: float) -> Array:
    """c over the steps of gradient descent on J itself."""
    path = [start]
    for _ in range(STEPS):
        path.append(path[-1] - RATE * (cost(path[-1] + 1e-4) - cost(path[-1] - 1e-4)) / 2e-4)
    return np.array(path)


def simulate() -> Data:
    """J on samples; gradient descent in c by NCE; descent in (μ, c) by SCE, whose noise is a copy of the model."""
    rng = np.random.default_rng(0)
    real, fake = rng.standard_normal(COUNT), NOISE * rng.standard_normal(COUNT)
    sampled = [softplus(-logit(real, c)).mean() + softplus(logit(fake, c)).mean() for c in OFFSETS]
    paths = {}
    for start in STARTS:
        path = [start]
        for _ in range(STEPS):
            slope = expit(logit(fake, path[-1])).mean() - expit(-logit(real, path[-1])).mean()
            path.append(path[-1] - RATE * slope)
        paths[start] = np.array(path)
    means, offsets = [MEAN], [FIXED]
    for _ in range(STEPS):
        data, model = rng.standard_normal(2_000), means[-1] + rng.standard_normal(2_000)
        half = expit(np.zeros(len(data)))  # the copy has the model's density: every logit is 0
        pull = half * (data - means[-1]), half * (model - means[-1])
        means.append(means[-1] + SCE_RATE * (pull[0].mean() - pull[1].mean()))
        offsets.append(offsets[-1] + SCE_RATE * (half.mean() - half.mean()))
    return {"sampled": np.array(sampled), "paths": paths, "means": np.array(means), "offsets": np.array(offsets)}


def checks(data: Data) -> list[Check]:
    """J and its minimum; where c ends; SCE's step of half the likelihood's."""
    exact = np.array([cost(c) for c in OFFSETS])
    shrink = MEAN * (1 - SCE_RATE / 2) ** np.arange(STEPS + 1)
    return [
        Check("J(c*) = 2 log 2 − 2 JS", cost(BEST), 1.200828, 1e-6),
        Check("J on 40,000 samples", data["sampled"], exact, 0.02),
        Check("NCE: c after 80 steps and −½ log 2π", [path[-1] for path in data["paths"].values()], BEST, 0.02),
        Check(
            "NCE: paths of c, and descent on J",
            np.stack([*data["paths"].values()]),
            np.stack([descent(start) for start in STARTS]),
            0.03,
        ),
        Check("SCE: c stays where it starts", data["offsets"], FIXED, 0),
        Check("SCE: μ shrinks by 1 − rate/2", data["means"], shrink, 0.05),
    ]


def draw(data: Data) -> Figure:
    """J over c, the paths of c, and SCE's path of μ."""
    fine, steps = np.linspace(-2, 0.5, 80), np.arange(STEPS + 1)
    with sheet("J over c", "c over steps", "μ over steps, SCE") as (fig, axes):
        line(axes[0], fine, [cost(c) for c in fine], SERIES[0], "NCE")
        dots(axes[0], OFFSETS, data["sampled"], SERIES[0])
        line(axes[0], fine, np.full(80, 2 * np.log(2)), SERIES[1], "SCE: 2 log 2 at every c")
        axes[0].axvline(BEST, color=SERIES[0], lw=0.9, ls=(0, (4, 3)))
        for place, (start, path) in enumerate(data["paths"].items()):
            line(axes[1], steps, descent(start), SERIES[0])
            dots(axes[1], steps[::4], path[::4], SERIES[0], "" if place else "NCE")
        line(axes[1], steps, np.full(STEPS + 1, FIXED), SERIES[1])
        dots(axes[1], steps[::4], data["offsets"][::4], SERIES[1], "SCE")
        reference(axes[1], BEST, "−½ log 2π")
        line(axes[2], steps, MEAN * (1 - SCE_RATE / 2) ** steps, SERIES[1], "2 (1 − rate/2)^k")
        dots(axes[2], steps[::4], data["means"][::4], SERIES[1])
        axes[0].set(xlabel="c", ylabel="J")
        axes[1].set(xlabel="step", ylabel="c")
        axes[2].set(xlabel="step", ylabel="μ (data: 0)")
        for ax in axes:
            legend(ax)
    return fig


PANEL = Panel(
    "contrastive",
    "Noise-contrastive and self-contrastive estimation",
    (
        "G(x) = log p̃(x) + c − log p_noise(x), J = −E_data log σ(G) − E_noise log(1 − σ(G))",
        "data N(0, 1), p̃ = e^(−x²/2), noise N(0, 4): c* = −½ log 2π, J(c*) = 2 log 2 − 2 JS = 1.200828",
        "noise = copy of the model: G = 0, slope by c is ½ − ½ = 0, step of μ is half of maximum likelihood's",
    ),
    "NCE learns the normalizing constant as one more parameter. With the model's own copy as noise the constant "
    "cancels, so self-contrastive estimation needs normalized models. A GAN's D is the same classifier, with G's "
    "samples as noise.",
    "Gutmann and Hyvärinen 2010; Goodfellow 2014 (arXiv 1412.6515); Deep Learning, section 18.6",
    simulate,
    checks,
    draw,
)
