"""A generator in one dimension as the inverse distribution function, or a rearrangement of it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure
from scipy.stats import norm, spearmanr

from analysis.figures.style import MUTED_COLOR, SERIES
from analysis.lab.panel import Array, Check, Data, Panel, dots, legend, line, sheet

MODES, WIDTH = (-1.5, 1.5), 0.5
KNOTS, BATCH, STEPS, RATE = 33, 1024, 800, 0.02
GRID: Array = np.linspace(-4, 4, 20_001)
STARTS = {"rising": (-1.0, 1.0), "falling": (1.0, -1.0)}
COLORS = {"rising": SERIES[0], "falling": SERIES[1]}


def density(x: Array) -> Array:
    """The data: two modes."""
    return np.asarray(np.mean([norm.pdf(x, mode, WIDTH) for mode in MODES], axis=0))


BELOW: Array = np.mean([norm.cdf(GRID, mode, WIDTH) for mode in MODES], axis=0)


def quantile(u: Array) -> Array:
    """The inverse distribution function of the data."""
    return np.interp(u, BELOW, GRID)


def train(values: Array) -> Array:
    """Train the values of a piecewise linear G at equally spaced z in [0, 1] to the least W₁, on stratified samples.

    In one dimension the best critic is known: samples are matched by rank, and each descends by the sign of its error.
    """
    knots, z = np.linspace(0, 1, KNOTS), (np.arange(BATCH) + 0.5) / BATCH
    hats = np.maximum(0, 1 - np.abs(z[:, None] - knots) * (KNOTS - 1))  # d G(z) / d values
    weights, real = hats.sum(0), quantile(z)
    errors = np.empty(BATCH)
    for step in range(STEPS):
        fake = hats @ values
        order = np.argsort(fake)
        errors[order] = np.sign(fake[order] - real)
        values = values - RATE * (1 - step / STEPS) * (errors @ hats) / weights
    return values


def distance(values: Array) -> float:
    """W₁ = ∫ |Q_G(u) - F⁻¹(u)| du: by sorting G's values, so that a rearrangement does not matter."""
    u = (np.arange(8192) + 0.5) / 8192
    return float(np.abs(np.sort(np.interp(u, np.linspace(0, 1, KNOTS), values)) - quantile(u)).mean())


def maps() -> dict[str, tuple[Array, Array, Array, Array]]:
    """For maps in closed form: latents z, their density, G(z), and the data's density there."""
    z, u = np.linspace(-2.5, 2.5, 241), np.linspace(0.02, 0.98, 241)
    return {
        "1 + 0.5 z, normal z": (z, norm.pdf(z), 1 + 0.5 * z, norm.pdf(1 + 0.5 * z, 1, 0.5)),
        "−log(1 − u), uniform u": (u, np.ones(241), -np.log1p(-u), 1 - u),
        "F⁻¹(u), two modes": (u, np.ones(241), quantile(u), density(quantile(u))),
    }


def simulate() -> Data:
    """G trained from a rising and from a falling start; densities by change of variables with numerical slopes."""
    rng, eps = np.random.default_rng(0), 1e-4
    learned = {name: train(np.linspace(*ends, KNOTS)) for name, ends in STARTS.items()}
    forms: tuple[Callable[[Array], Array], ...] = (lambda z: 1 + 0.5 * z, lambda u: -np.log1p(-u), quantile)
    changed = []
    for form, (z, prior, _, _) in zip(forms, maps().values(), strict=True):
        changed.append(prior / np.abs((form(z + eps) - form(z - eps)) / (2 * eps)))
    real = np.sort(quantile(rng.random((50, BATCH))), axis=1)
    floor = float(np.abs(real - quantile((np.arange(BATCH) + 0.5) / BATCH)).mean())
    return {"learned": learned, "changed": changed, "floor": floor}


def checks(data: Data) -> list[Check]:
    """W₁ and monotony of what was learned; densities of maps in closed form."""
    u = np.linspace(0, 1, KNOTS)
    learned = data["learned"]
    found = {name: float(spearmanr(u, values)[0]) for name, values in learned.items()}
    dense = np.concatenate([exact for *_, exact in maps().values()])
    return [
        Check("W₁ of both generators", [distance(values) for values in learned.values()], 0, 0.03),
        Check("Spearman(z, G(z)): 1 and −1", [found["rising"], found["falling"]], [1, -1], 2e-3),
        Check("rising G and F⁻¹(z), from 0.06 to 0.94", learned["rising"][2:-2], quantile(u[2:-2]), 0.1),
        Check("density by change of variables, three maps", np.concatenate(data["changed"]), dense, 2e-3),
    ]


def draw(data: Data) -> Figure:
    """Both generators with their inverse distribution functions, and densities by change of variables."""
    u, knots = np.linspace(0.001, 0.999, 400), np.linspace(0, 1, KNOTS)
    with sheet("G(z), z uniform", "Density of G(z): 1 / |G′|", "Change of variables, maps in closed form") as (
        fig,
        axes,
    ):
        for name, values in data["learned"].items():
            sign = 1 if name == "rising" else -1
            exact = quantile(u if sign > 0 else 1 - u)
            line(axes[0], u, exact, COLORS[name], "F⁻¹(z)" if sign > 0 else "F⁻¹(1 − z)")
            dots(axes[0], knots, values, COLORS[name], f"{name}: W₁ = {distance(values):.3f}")
            middle, slope = (values[1:] + values[:-1]) / 2, np.diff(values) * (KNOTS - 1)
            dots(axes[1], middle, 1 / np.abs(slope), COLORS[name])
        x = np.linspace(-3.2, 3.2, 300)
        line(axes[1], x, density(x), MUTED_COLOR, "data")
        for (name, (_, _, at, exact)), found, color in zip(maps().items(), data["changed"], SERIES[2:], strict=False):
            line(axes[2], at, exact, color, name)
            dots(axes[2], at[::20], found[::20], color)
        axes[0].set(xlabel="z", ylabel="G(z)", ylim=(-4.2, 5.4))
        axes[0].text(
            0.98,
            0.02,
            f"floor of {BATCH} samples: W₁ = {data['floor']:.3f}",
            transform=axes[0].transAxes,
            ha="right",
            fontsize=8,
            color=MUTED_COLOR,
        )
        axes[1].set(xlabel="x", ylabel="density", ylim=(0, 0.65))
        axes[2].set(xlabel="x", ylabel="density", ylim=(0, 1.35))
        legend(axes[0], loc="upper center", ncols=2, columnspacing=1)
        legend(axes[1])
        legend(axes[2])
    return fig


PANEL = Panel(
    "transport",
    "A generator as an inverse distribution function",
    (
        "G = F⁻¹ pushes uniform z to the data, F⁻¹(Φ(z)) normal z; W₁ = ∫ |Q_G(u) − F⁻¹(u)| du",
        "p(G(z)) = p(z) / |G′(z)| where G is monotone",
    ),
    "The answer to a question of the notes: in one dimension the monotone generator is the quantile function, and "
    "descent in W₁ finds it from a rising start. From a falling start it finds the mirror image, which has the same "
    "W₁: a GAN may learn any rearrangement. Between the modes G is steep, as few samples may fall there.",
    "Deep Learning, section 20.10.2 (change of variables); inverse transform sampling; Arjovsky et al. (arXiv "
    "1701.07875) for W₁",
    simulate,
    checks,
    draw,
)
