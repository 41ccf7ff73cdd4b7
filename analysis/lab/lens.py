"""The tempered lens on the Dirac-GAN: it damps as R1 does."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from analysis.dirac import METHODS, flow, jacobian
from analysis.figures.style import MUTED_COLOR, SERIES
from analysis.lab.panel import Check, Data, Panel, dots, legend, line, sheet

STRENGTHS = np.linspace(0, 1, 9)
SHOWN = (0.0, 0.25, 1.0)
TIMES = np.linspace(0, 80, 321)


def simulate() -> Data:
    """Jacobians by differences, and flows from (1, 1) with the lens as a third player."""
    return {
        "fast": np.array([np.poly(jacobian(METHODS["lens"](lam=lam))) for lam in STRENGTHS]).real,
        "player": np.array([np.poly(jacobian(METHODS["lens_player"](lam=lam))) for lam in STRENGTHS]).real,
        "flows": {lam: np.linalg.norm(flow(METHODS["lens_player"](lam=lam), TIMES), axis=1) for lam in SHOWN},
    }


def checks(data: Data) -> list[Check]:
    """Characteristic polynomials: of a fast lens, of R1 at γ = λ/8, and of the three players."""
    lam, one = STRENGTHS, np.ones_like(STRENGTHS)
    r1 = np.array([np.poly(jacobian(METHODS["r1"](gamma=s / 8))) for s in lam]).real
    return [
        Check("fast lens: x² + λx/8 + ¼", data["fast"], np.stack([one, lam / 8, one / 4], 1), 1e-8),
        Check("fast lens and R1 with γ = λ/8", data["fast"], r1, 1e-8),
        Check(
            "third player: x³ + 2x² + (1 + λ)x/4 + ½",
            data["player"],
            np.stack([one, 2 * one, (1 + lam) / 4, one / 2], 1),
            1e-8,
        ),
        Check("λ = 0: the distance stays", data["flows"][0.0], 2**0.5, 1e-6),
    ]


def slowest(polynomials: np.ndarray) -> np.ndarray:
    """The largest real part of the roots of each polynomial."""
    return np.array([np.roots(one).real.max() for one in polynomials])


def draw(data: Data) -> Figure:
    """Damping over λ, and the distance over time for some λ."""
    fine = np.linspace(0, 1, 100)
    with sheet("Damping", "Distance over time, lens as third player", width=4.4) as (fig, (left, right)):
        line(left, fine, -fine / 16, SERIES[0], "fast lens = R1 with γ = λ/8: −λ/16")
        cubic = slowest(np.stack([np.ones(100), np.full(100, 2.0), (1 + fine) / 4, np.full(100, 0.5)], 1))
        line(left, fine, cubic, SERIES[1], "lens as third player: root of the cubic")
        dots(left, STRENGTHS, slowest(data["fast"]), SERIES[0])
        dots(left, STRENGTHS, slowest(data["player"]), SERIES[1])
        left.set(xlabel="λ", ylabel="largest real part of an eigenvalue")
        for lam, color in zip(SHOWN, (MUTED_COLOR, SERIES[4], SERIES[0]), strict=True):
            right.semilogy(TIMES, data["flows"][lam], color=color, lw=1.5, label=f"λ = {lam:g}")
        right.set(xlabel="time", ylabel="distance to the equilibrium")
        legend(left)
        legend(right)
    return fig


PANEL = Panel(
    "lens",
    "A lens damps as R1 does",
    (
        "fast lens: b = λψ/4, eigenvalues −λ/16 ± √(λ²/256 − ¼), R1 with γ = λ/8",
        "three players: x³ + 2x² + (1 + λ)x/4 + ½",
    ),
    "The lens moves real data to b, where D takes it for fake. Its pull on D's slope is a penalty, so the game stops "
    "going round while λ > 0. Once λ has reached 0 the rotation is back: what was won must then last by itself.",
    "Sajjadi et al., Tempered Adversarial Networks, ICML 2018 (arXiv 1802.04374); the linearization is derived here",
    simulate,
    checks,
    draw,
)
