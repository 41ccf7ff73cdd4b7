"""Weight clipping at initialization: which share of the weights the first clamp takes to its bound."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from scipy.special import erf, erfc

from analysis.figures.style import SERIES
from analysis.lab.panel import Array, Check, Data, Panel, dots, legend, line, sheet

BOUNDS: Array = np.geomspace(1e-3, 1, 13)
DRAWS = 200_000
# Name -> standard deviation, deviations at which the normal is truncated.
LAWS = {
    "N(0, 0.02²), as the code": (0.02, np.inf),
    "the same, truncated at 2 sd": (0.02, 2.0),
    "variance 0.02, as the notes say": (0.02**0.5, np.inf),
}
COLORS = dict(zip(LAWS, (SERIES[0], SERIES[4], SERIES[1]), strict=True))
USUAL = 0.01  # WGAN's bound


def share(bound: float | Array, sd: float, truncated: float = np.inf) -> Array:
    """The share of weights beyond `bound`: erfc(c / sd√2), or what of it lies within the truncation."""
    inside = erf(truncated / 2**0.5)
    return np.asarray(np.maximum(inside - erf(np.asarray(bound) / (sd * 2**0.5)), 0) / inside)


def left_over(bound: Array, sd: float) -> Array:
    """The standard deviation of normal weights after the clamp."""
    c = bound / sd
    density = np.exp(-(c**2) / 2) / np.sqrt(2 * np.pi)
    return np.asarray(sd * np.sqrt(erf(c / 2**0.5) - 2 * c * density + c**2 * erfc(c / 2**0.5)))


def simulate() -> Data:
    """Drawn weights beyond each bound, and their deviation once clamped."""
    rng = np.random.default_rng(0)
    found: Data = {}
    for name, (sd, truncated) in LAWS.items():
        weights = rng.standard_normal(DRAWS)
        weights = sd * weights[np.abs(weights) <= truncated]
        found[name] = np.array([(np.abs(weights) > bound).mean() for bound in BOUNDS])
        if truncated == np.inf:
            found[name, "sd"] = np.array([np.clip(weights, -bound, bound).std() for bound in BOUNDS])
    return found


def checks(data: Data) -> list[Check]:
    """Shares and deviations against their closed forms."""
    made = [Check(f"{name}: share beyond", data[name], share(BOUNDS, *law), 0.005) for name, law in LAWS.items()]
    plain = [name for name, (_, truncated) in LAWS.items() if truncated == np.inf]
    found = np.concatenate([data[name, "sd"] / left_over(BOUNDS, LAWS[name][0]) for name in plain])
    return [
        *made,
        Check("deviation after the clamp, relative", found, 1, 0.01),
        Check("c = 0.01, sd 0.02: share", share(USUAL, 0.02), 0.617075, 1e-6),
    ]


def draw(data: Data) -> Figure:
    """Shares over the bound, and the deviation that is left."""
    fine = np.geomspace(1e-3, 1, 200)
    with sheet("Weights beyond the bound", "Deviation after the first clamp", width=4.4) as (fig, (left, right)):
        for name, law in LAWS.items():
            line(left, fine, share(fine, *law), COLORS[name], name)
            dots(left, BOUNDS, data[name], COLORS[name])
            if (name, "sd") in data:
                line(right, fine, left_over(fine, law[0]), COLORS[name], name)
                dots(right, BOUNDS, data[name, "sd"], COLORS[name])
        for ax in (left, right):
            ax.axvline(USUAL, color="#999999", lw=0.9, ls=(0, (4, 3)))
            ax.set(xscale="log", xlabel="bound c (dashed: WGAN's 0.01)")
        left.set_ylabel("share of the weights")
        right.set(yscale="log", ylabel="standard deviation of the weights")
        legend(left, loc="upper right")
        legend(right, loc="upper left")
    return fig


PANEL = Panel(
    "clipping",
    "The initialization against the clip",
    ("share of N(0, s²) beyond c: erfc(c / s√2); for s = 0.02 and c = 0.01 it is 0.617",),
    "At WGAN's values six in ten weights stand at the bound before the first step, and their deviation is less than "
    "half of what they were given. Scales of normalizers start at 1, so all of them are cut to 0.01 unless "
    "reg.norms=false. The share in training is the column saturated of a run.",
    "Arjovsky, Chintala and Bottou, Wasserstein GAN (arXiv 1701.07875), algorithm 1, and its authors' code",
    simulate,
    checks,
    draw,
)
