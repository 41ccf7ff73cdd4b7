"""V(a, b) = ab: descent for one player and ascent for the other do not reach the saddle point."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from analysis.dirac import METHODS, Steps, flow, trajectory
from analysis.figures.style import MUTED_COLOR, SERIES
from analysis.lab.panel import Check, Data, Panel, dots, legend, line, sheet

H, COUNT = 0.2, 60
COLORS = {"simultaneous": SERIES[1], "alternating": SERIES[0], "continuous": MUTED_COLOR}


def simulate() -> Data:
    """Paths from (1, 1): the same game as the Dirac-GAN's linear critic, θ = a, ψ = b."""
    game = METHODS["wgan"]()
    return {
        "simultaneous": trajectory(game, Steps(H), COUNT).T,
        "alternating": trajectory(game, Steps(H, alternating=True), COUNT).T,
        "continuous": flow(game, np.linspace(0, H * COUNT, COUNT + 1)).T,
    }


def checks(data: Data) -> list[Check]:
    """What each way of stepping conserves or multiplies."""
    (a, b), (c, d), (e, f) = (data[name] for name in COLORS)
    grown = 2 * (1 + H**2) ** np.arange(COUNT + 1)
    return [
        Check("simultaneous: (a² + b²) / 2(1 + h²)^k", (a**2 + b**2) / grown, 1, 1e-12),
        Check("alternating: a² + b² − hab", c**2 + d**2 - H * c * d, 2 - H, 1e-12),
        Check("continuous: a² + b²", e**2 + f**2, 2, 1e-6),
    ]


def draw(data: Data) -> Figure:
    """The paths, and their squared distance to the saddle."""
    steps = np.arange(COUNT + 1)
    with sheet("Paths from (1, 1)", "Squared distance to the saddle") as (fig, (left, right)):
        for name, color in COLORS.items():
            left.plot(*data[name], color=color, lw=1.2, marker=".", ms=4, label=name)
            if name != "continuous":
                dots(right, steps[::3], (data[name] ** 2).sum(0)[::3], color)
        line(right, steps, 2 * (1 + H**2) ** steps, SERIES[1], "2 (1 + h²)^k")
        a, b = data["alternating"]
        line(right, steps, 2 - H + H * a * b, SERIES[0], "2 − h + hab")
        line(right, steps, np.full(COUNT + 1, 2.0), MUTED_COLOR, "2 (continuous time)", (0, (4, 3)))
        left.set(aspect="equal", ylim=(-4.4, 5.6), xlabel="a (minimizes ab)", ylabel="b (maximizes ab)")
        left.plot(0, 0, "+", color=MUTED_COLOR, ms=9)
        right.set(yscale="log", xlabel=f"step of {H}", ylabel="a² + b²")
        right.set_yticks([1, 2, 5, 10, 20], ["1", "2", "5", "10", "20"])
        right.minorticks_off()
        legend(left, loc="upper right")
        legend(right)
    return fig


PANEL = Panel(
    "saddle",
    "The saddle V(a, b) = ab",
    ("simultaneous: a² + b² grows by 1 + h² a step", "alternating: a² + b² − hab stays", "continuous: a² + b² stays"),
    "No step size makes simultaneous descent converge here, and taking turns only keeps the distance. The saddle is "
    "a minimum for one player and a maximum for the other, and a minimum of V for neither.",
    "Goodfellow, NIPS 2016 tutorial (arXiv 1701.00160), section 7.1",
    simulate,
    checks,
    draw,
)
