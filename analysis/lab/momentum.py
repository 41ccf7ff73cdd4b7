"""β₁ on the Dirac-GAN: momentum enlarges the rotation."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from analysis.dirac import METHODS, Steps
from analysis.dirac.figure import COUNT, HOW, sweep_beta1
from analysis.figures.axes import reference
from analysis.lab.panel import Array, Check, Data, Panel, dots, legend, line, sheet

OMEGA, GAMMA = 0.5, 0.3
BETAS: Array = np.linspace(-0.5, 0.95, 16)
GAMES = {"minimax": ({}, 0.0), "r1": ({"gamma": GAMMA}, GAMMA)}


def modulus(beta: float, gamma: float, h: float, alternating: bool) -> float:
    """The largest modulus of a root of the characteristic polynomial of one round.

    With m ← β m + (1 − β) v and z ← z + h m, a shift by one round is a factor x, and G and D are eliminated.
    """
    still = np.poly1d([1, -1]) * np.poly1d([1, -beta])
    damped = still + np.poly1d([h * (1 - beta) * gamma, 0])
    rotation = np.poly1d([(h * OMEGA * (1 - beta)) ** 2] + [0] * (3 if alternating else 2))
    return float(np.abs((damped * still + rotation).roots).max())


def simulate() -> Data:
    """Multipliers of the update itself, by differences, and distances after many rounds."""
    return {
        (name, way): sweep_beta1(METHODS[name](**parameters), steps, BETAS)
        for name, (parameters, _) in GAMES.items()
        for way, (steps, _, _) in HOW.items()
    }


def exact(name: str, steps: Steps, betas: Array) -> Array:
    """`modulus` for each β₁."""
    return np.array([modulus(beta, GAMES[name][1], steps.h, steps.alternating) for beta in betas])


def checks(data: Data) -> list[Check]:
    """Every multiplier against the polynomial; and where turns begin to repel."""
    found = [
        Check(f"{name}, {way}: largest |μ|", data[name, way][0], exact(name, HOW[way][0], BETAS), 1e-5)
        for name, way in data
    ]
    turns = HOW["alternating"][0]
    signs = np.sign(exact("minimax", turns, np.array([-0.1, -0.01, 0.01, 0.1])) - 1)
    return [*found, Check("minimax, alternating: |μ| − 1 has the sign of β₁", signs, [-1, -1, 1, 1], 0)]


def draw(data: Data) -> Figure:
    """The largest modulus over β₁ for each game, and the distances reached."""
    fine = np.linspace(BETAS[0], BETAS[-1], 200)
    with sheet("Minimax", f"R1, γ = {GAMMA}", f"Distance after {COUNT} rounds") as (fig, axes):
        for ax, name in zip(axes, GAMES, strict=False):
            for way, (steps, color, _) in HOW.items():
                line(ax, fine, exact(name, steps, fine), color, way)
                dots(ax, BETAS, data[name, way][0], color)
            reference(ax, 1, "stable below")
            ax.set(xlabel="β₁", ylabel="largest modulus of a multiplier")
        for name, dash in zip(GAMES, ("-", "--"), strict=True):
            for way, (_, color, _) in HOW.items():
                axes[2].semilogy(BETAS, data[name, way][1], dash, color=color, marker=".", label=f"{name}, {way}")
        reference(axes[2], 2**0.5)
        axes[2].set(xlabel="β₁", ylabel="distance to the equilibrium (dotted: start)")
        legend(axes[0])
        legend(axes[2], loc="lower right")
    return fig


PANEL = Panel(
    "momentum",
    "Momentum enlarges the rotation",
    (
        "roots of [(x − 1)(x − β) + hx(1 − β)γ] (x − 1)(x − β) + (hω(1 − β))² xⁿ",
        "n = 2 simultaneous, 3 alternating; ω = ½",
    ),
    "With turns, minimax is stable for every negative β₁ and for no positive one; R1 tolerates some momentum, and "
    "loses its stability at a large one. This is the case for β₁ = 0. It is about rotation alone: on image data β₁ = "
    "0.5 is common and trains.",
    "Mescheder, Geiger and Nowozin, ICML 2018 (arXiv 1801.04406); Gidel et al. 2019 on negative momentum (arXiv "
    "1807.04740); the polynomial is derived here",
    simulate,
    checks,
    draw,
)
