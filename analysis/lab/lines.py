"""Two parallel lines: W₁ is continuous in their distance, JS, KL and TV are not."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from scipy.stats import entropy

from analysis.figures.style import SERIES
from analysis.lab.panel import Array, Check, Data, Panel, dots, legend, line, sheet

THETAS: Array = np.linspace(-1, 1, 21)
PAIRS, COUNT, CELLS = 300, 20_000, 10


def distances(theta: float, rng: np.random.Generator) -> list[float]:
    """W₁ by the optimal assignment of samples; JS, TV and KL of histograms over `CELLS` cells on each line."""
    here = np.stack([np.zeros(PAIRS), rng.random(PAIRS)], 1)
    there = np.stack([np.full(PAIRS, theta), rng.random(PAIRS)], 1)
    cost = cdist(here, there)
    w1 = cost[linear_sum_assignment(cost)].mean()
    p, q = (np.histogram(rng.random(COUNT), CELLS, (0, 1))[0] / COUNT for _ in range(2))
    if theta:  # different lines share no cell
        p, q = np.concatenate([p, np.zeros(CELLS)]), np.concatenate([np.zeros(CELLS), q])
    middle = (p + q) / 2
    js = (entropy(p, middle) + entropy(q, middle)) / 2
    return [float(w1), float(js), float(np.abs(p - q).sum() / 2), float(entropy(p, q))]


def simulate() -> Data:
    """The four distances of samples for each θ."""
    rng = np.random.default_rng(0)
    found = np.array([distances(round(theta, 6), rng) for theta in THETAS]).T
    return dict(zip(("w1", "js", "tv", "kl"), found, strict=True))


def checks(data: Data) -> list[Check]:
    """Against |θ|, and the values at and off θ = 0."""
    off = np.abs(THETAS) > 1e-6
    return [
        Check("W₁ of 300 samples and |θ|", data["w1"], np.abs(THETAS), 0.05),
        Check("JS and log 2 (0 at θ = 0)", data["js"], np.where(off, np.log(2), 0), 1e-3),
        Check("TV and 1 (0 at θ = 0)", data["tv"], np.where(off, 1.0, 0.0), 0.03),
        Check("KL and ∞ (0 at θ = 0)", data["kl"], np.where(off, np.inf, 0), 1e-3),
    ]


def draw(data: Data) -> Figure:
    """W₁ on the left; on the right what jumps. KL is drawn at the upper edge where it is infinite."""
    off, jumps = np.abs(THETAS) > 1e-6, (("js", "JS", np.log(2), SERIES[1]), ("tv", "TV", 1.0, SERIES[2]))
    with sheet("W₁", "JS, TV and KL", width=4.4) as (fig, (left, right)):
        line(left, THETAS, np.abs(THETAS), SERIES[0], "|θ|")
        dots(left, THETAS, data["w1"], SERIES[0])
        for key, name, level, color in jumps:
            for side in (THETAS < -1e-6, THETAS > 1e-6):
                line(right, THETAS[side], np.full(side.sum(), level), color, name if side[0] else "")
            dots(right, THETAS, data[key], color)
        right.plot(THETAS[off], np.full(off.sum(), 1.32), "^", color=SERIES[3], ms=5, label="KL = ∞ (beyond the axis)")
        dots(right, [0], data["kl"][~off], SERIES[3])
        left.set(xlabel="θ", ylabel="distance", xticks=(-1, -0.5, 0, 0.5, 1))
        right.set(xlabel="θ", xticks=(-1, -0.5, 0, 0.5, 1), ylim=(-0.08, 1.4), ylabel="divergence")
        legend(left)
        legend(right, loc="lower right", bbox_to_anchor=(1, 0.1))
    return fig


PANEL = Panel(
    "lines",
    "Parallel lines: which distance can be descended",
    (
        "P₀ = (0, U), P_θ = (θ, U), U uniform on [0, 1]",
        "W₁ = |θ|; for θ ≠ 0: JS = log 2, TV = 1, KL = ∞; all 0 at θ = 0",
    ),
    "JS, TV and KL have no slope in θ where the lines differ, W₁ has. A generator on a manifold of its own meets the "
    "left picture with a good critic, and the right one with a perfect classifier.",
    "Arjovsky, Chintala and Bottou, Wasserstein GAN (arXiv 1701.07875), example 1",
    simulate,
    checks,
    draw,
)
