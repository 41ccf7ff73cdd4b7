"""The phase portraits of `analysis.dirac` as a panel, with their eigenvalues checked."""

from __future__ import annotations

import numpy as np

from analysis.dirac import jacobian
from analysis.dirac.figure import games, portraits
from analysis.lab.panel import Check, Data, Panel


def simulate() -> Data:
    """For each game with a smooth field: its Jacobian at the equilibrium by differences."""
    return {name: jacobian(game) for name, game in games().items() if game.eigenvalues is not None}


def checks(data: Data) -> list[Check]:
    """Characteristic polynomials, which a double eigenvalue does not blur."""
    exact = {name: np.poly(np.array(games()[name].eigenvalues)).real for name in data}
    found = {name: np.poly(matrix).real for name, matrix in data.items()}
    one, other = (np.concatenate(list(part.values())) for part in (found, exact))
    return [Check(f"characteristic polynomials of {len(data)} fields", one, other, 1e-8)]


PANEL = Panel(
    "fields",
    "The Dirac-GAN: a phase portrait for each method",
    ("data δ₀, generator δ_θ, critic ψx; G descends and D ascends f(ψθ) + f(0), f(t) = −log(1 + e^−t)",),
    "Gray: the vector field. Lines: 500 steps of 0.2 from (1, 1), both ways of stepping. docs/dirac.md has the table "
    "of eigenvalues, multipliers and distances.",
    "Mescheder, Geiger and Nowozin, ICML 2018 (arXiv 1801.04406)",
    simulate,
    checks,
    lambda _: portraits(),
)
