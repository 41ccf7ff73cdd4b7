"""The score-function estimator for a discrete variable, and what a baseline takes off its variance."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from analysis.figures.style import SERIES
from analysis.lab.panel import Array, Check, Data, Panel, dots, legend, line, sheet

TARGET = 0.45
CHANCES = (0.3, 0.5)
BASELINES: Array = np.linspace(0, 0.5, 11)
BATCHES = (2, 4, 8, 16, 32, 64)
DRAWS, REPEATS = 200_000, 40_000
SMALL, PLAIN, OWN = "leave-one-out mean", "no baseline", "mean with the sample itself"
COLORS = {PLAIN: SERIES[1], SMALL: SERIES[0], OWN: SERIES[3]}


def values(target: float) -> tuple[float, float]:
    """f(1) and f(0) of f(b) = (b - target)²."""
    return (1 - target) ** 2, target**2


def gradient(theta: float, target: float) -> float:
    """dE f/dφ with θ = σ(φ): θ(1 - θ)(1 - 2t)."""
    return theta * (1 - theta) * (1 - 2 * target)


def variance(theta: float, target: float, c: float | Array) -> float | Array:
    """Variance of one sample (f(b) - c) ∂ log p(b)/∂φ."""
    one, zero = values(target)
    second = theta * ((one - c) * (1 - theta)) ** 2 + (1 - theta) * ((zero - c) * theta) ** 2
    return second - gradient(theta, target) ** 2


def best_baseline(theta: float, target: float) -> float:
    """c* = E[f s²] / E[s²]."""
    one, zero = values(target)
    return (1 - theta) * one + theta * zero


def of_batches(theta: float, target: float, m: int) -> dict[str, tuple[float, float]]:
    """Mean and variance of each estimator from m samples.

    Leaving one out makes it f(1) - f(0) times the unbiased sample variance of b; with the sample in its own mean it is
    (m - 1)/m of that.
    """
    slope, spread = gradient(theta, target), theta * (1 - theta)
    fourth = spread * (1 - 3 * spread)
    out = (1 - 2 * target) ** 2 * (fourth - spread**2 * (m - 3) / (m - 1)) / m
    share = (m - 1) / m
    return {
        PLAIN: (slope, float(variance(theta, target, 0.0)) / m),
        SMALL: (slope, out),
        OWN: (share * slope, share**2 * out),
    }


def simulate() -> Data:
    """Sampled variances over the baseline; means and variances of estimators from batches."""
    rng = np.random.default_rng(0)
    one, zero = values(TARGET)
    found: Data = {}
    for theta in CHANCES:
        b = rng.random(DRAWS) < theta
        f, s = np.where(b, one, zero), b - theta
        found[theta] = np.array([((f - c) * s).var() for c in BASELINES])
    theta = CHANCES[0]
    for m in BATCHES:
        b = rng.random((REPEATS, m)) < theta
        f, s = np.where(b, one, zero), b - theta
        mean = f.mean(1, keepdims=True)
        estimates = {
            PLAIN: (f * s).mean(1),
            SMALL: ((f - (m * mean - f) / (m - 1)) * s).mean(1),
            OWN: ((f - mean) * s).mean(1),
        }
        found[m] = {name: (each.mean(), each.var()) for name, each in estimates.items()}
    return found


def checks(data: Data) -> list[Check]:
    """Variances over c; means and variances over m; no variance at θ = ½ with the best baseline."""
    made = [
        Check(f"θ = {theta}: variance over the baseline", data[theta], variance(theta, TARGET, BASELINES), 4e-4)
        for theta in CHANCES
    ]
    for place, what, tolerance in ((0, "mean", 1.5e-3), (1, "variance", 1e-4)):
        found = [[data[m][name][place] for name in COLORS] for m in BATCHES]
        exact = [[of_batches(CHANCES[0], TARGET, m)[name][place] for name in COLORS] for m in BATCHES]
        made.append(Check(f"estimators from 2 to 64 samples: {what}", found, exact, tolerance))
    best = [variance(theta, TARGET, best_baseline(theta, TARGET)) for theta in CHANCES]
    return [*made, Check("variance with the best baseline", best, 0, 1e-16)]


def draw(data: Data) -> Figure:
    """Variance over the baseline, and variance and bias over the number of samples."""
    fine, theta = np.linspace(0, 0.5, 100), CHANCES[0]
    titles = ("One sample: variance over c", f"m samples: variance, θ = {theta}", "m samples: mean")
    with sheet(*titles) as (fig, axes):
        for chance, color in zip(CHANCES, (SERIES[2], SERIES[4]), strict=True):
            line(axes[0], fine, variance(chance, TARGET, fine), color, f"θ = {chance}")
            dots(axes[0], BASELINES, data[chance], color)
            best = best_baseline(chance, TARGET)
            axes[0].axvline(best, color=color, lw=0.9, ls=(0, (4, 3)))
        for name, color in COLORS.items():
            exact = [of_batches(theta, TARGET, m)[name] for m in BATCHES]
            for ax, place in ((axes[1], 1), (axes[2], 0)):
                line(ax, BATCHES, [pair[place] for pair in exact], color, name)
                dots(ax, BATCHES, [data[m][name][place] for m in BATCHES], color)
        axes[0].set(xlabel="baseline c (dashed: the best)", ylabel="variance")
        axes[1].set(xscale="log", yscale="log", ylabel="variance")
        axes[2].set(xscale="log", ylabel="mean of the estimate")
        for ax in axes[1:]:
            ax.set_xticks(BATCHES, [str(m) for m in BATCHES])
            ax.minorticks_off()
            ax.set_xlabel("samples m")
        legend(axes[0])
        legend(axes[2], loc="lower right")
    return fig


PANEL = Panel(
    "reinforce",
    "REINFORCE and its baseline",
    (
        "b ~ Bernoulli(θ), θ = σ(φ), f(b) = (b − t)²; ∂E f/∂φ = E[(f − c) ∂ log p/∂φ] = θ(1 − θ)(1 − 2t)",
        "best c = (1 − θ) f(1) + θ f(0); with two outcomes it leaves no variance at all",
    ),
    "Discrete samples have no derivative; this estimator needs none. A baseline that does not depend on the sample "
    "keeps it unbiased and takes off most of its variance. The mean over the batch with the sample in it shrinks the "
    "gradient by (m − 1)/m.",
    "Williams 1992; Goodfellow, Bengio and Courville, Deep Learning, section 20.9.1; the toy is Grathwohl et al. "
    "(arXiv 1711.00123)",
    simulate,
    checks,
    draw,
)
