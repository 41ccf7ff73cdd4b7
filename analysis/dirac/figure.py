"""Figures of the Dirac-GAN: phase portraits, a panel per vector field, and the effect of momentum."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.dirac.dynamics import Steps, distance, multipliers, trajectory, velocity
from analysis.dirac.games import METHODS, Array, Game
from analysis.figures.axes import reference
from analysis.figures.style import MUTED_COLOR, RC_PARAMS, SERIES, TEXT_COLOR

COUNT = 500  # rounds per path
EDGE = 2.3  # half the width of a portrait
BETAS: Array = np.linspace(-0.5, 0.95, 30)
# Drawn in this order: the thin dark line stays visible on the broad light one, also in gray.
HOW = {
    "alternating": (Steps(alternating=True), SERIES[5], 1.7),
    "simultaneous": (Steps(), SERIES[0], 0.8),
}

# (methods that share the field, parameters of the first); every method is in some panel.
PANELS: list[tuple[tuple[str, ...], dict[str, float]]] = [
    (("minimax",), {}),
    (("ns", "rpgan"), {}),
    (("ml",), {}),
    (("ls",), {}),
    (("wgan",), {}),
    (("hinge",), {}),
    (("wgan_clip",), {}),
    (("wgan_gp",), {}),
    (("r1", "r2", "gp0"), {}),
    (("r1",), {"gamma": 1.0}),
    (("r1r2",), {}),
    (("ns_r1",), {}),
    (("noise",), {}),
    (("noise",), {"sigma": 2**0.5}),
    (("consensus",), {}),
    (("lens",), {}),
    (("lens_player",), {}),
    (("ls",), {"bias": False}),
]


def games() -> dict[str, Game]:
    """The game of each of `PANELS`, by the names of all its methods."""
    found = {}
    for names, parameters in PANELS:
        game = METHODS[names[0]](**parameters)
        found[replace(game, title=" = ".join(METHODS[name]().title for name in names)).name] = game
    return found


def portraits() -> Figure:
    """A phase portrait for each of `PANELS`, titled with the eigenvalues at the equilibrium."""
    rows = -(-len(PANELS) // 4)
    with rc_context({**RC_PARAMS, "axes.grid": False}):
        fig = Figure(figsize=(10.4, 0.6 + 2.75 * rows), layout="constrained")
        axes = fig.subplots(rows, 4, sharex=True, sharey=True, squeeze=False).ravel()
        for ax, (name, game) in zip(axes, games().items(), strict=False):
            portrait(ax, game)
            ax.set_title(f"{name}\neigenvalues {format_eigenvalues(game.eigenvalues)}", fontsize=9)
        for ax in axes[len(PANELS) :]:
            ax.set_axis_off()
        labels = [f"{COUNT} {label} steps" for label in HOW] + ["start", "equilibrium"]
        fig.legend(axes[0].lines, labels, loc="outside upper left", ncols=4, frameon=False)
        fig.supxlabel("θ (generator)", fontsize=9.5, color=TEXT_COLOR)
        fig.supylabel("ψ (critic; high means fake)", fontsize=9.5, color=TEXT_COLOR)
    return fig


def portrait(ax: Axes, game: Game) -> Axes:
    """The vector field over θ and ψ (b at its equilibrium), with `COUNT` rounds from (1, 1), both kinds of steps."""
    side = np.linspace(-EDGE, EDGE, 41)
    theta, psi = np.meshgrid(side, side)
    rest = [np.full_like(theta, b) for b in game.equilibrium[2:]]
    v = velocity(game, np.stack([theta, psi, *rest]))
    ax.streamplot(side, side, v[0], v[1], color="#c4c4c4", linewidth=0.6, density=0.75, arrowsize=0.7, zorder=1)
    for steps, color, width in HOW.values():
        path = trajectory(game, steps, COUNT)
        ax.plot(path[:, 0], path[:, 1], color=color, lw=width, zorder=3)
    ax.plot(1, 1, "o", ms=4, mfc="white", mec=TEXT_COLOR, mew=0.9, ls="none", zorder=5)
    ax.plot(0, 0, "+", ms=8, color=TEXT_COLOR, mew=1.3, ls="none", zorder=4)
    if np.isfinite(game.clip):
        for bound in (-game.clip, game.clip):
            ax.axhline(bound, color=MUTED_COLOR, lw=0.8, ls=(0, (4, 3)), zorder=2)
    ax.set(xlim=(-EDGE, EDGE), ylim=(-EDGE, EDGE), aspect="equal", xticks=(-2, 0, 2), yticks=(-2, 0, 2))
    return ax


def momentum(names: tuple[str, ...] = ("minimax", "ns", "r1")) -> Figure:
    """Over β₁: the largest modulus of a multiplier at the equilibrium, and the distance after `COUNT` rounds."""
    with rc_context(RC_PARAMS):
        fig = Figure(figsize=(8.6, 5), layout="constrained")
        axes = fig.subplots(2, len(names), sharex=True, sharey="row", squeeze=False)
        for (above, below), name in zip(axes.T, names, strict=True):
            game = METHODS[name]()
            above.set_title(game.name)
            for label, (steps, color, width) in HOW.items():
                moduli, ends = sweep_beta1(game, steps, BETAS)
                above.plot(BETAS, moduli, color=color, lw=1.5 * width, label=label)
                below.semilogy(BETAS, ends, color=color, lw=1.5 * width)
            reference(above, 1, "stable below" if name == names[-1] else "")
            reference(below, 2**0.5, "start" if name == names[-1] else "")
            below.set_xlabel("β₁")
        axes[0, 0].set_ylabel("largest modulus\nof a multiplier")
        axes[1, 0].set_ylabel(f"distance after {COUNT} steps")
        fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper left", ncols=2, frameon=False)
    return fig


def sweep_beta1(game: Game, steps: Steps, betas: Array) -> tuple[Array, Array]:
    """Largest modulus of a multiplier, and distance after `COUNT` rounds from (1, 1), for each of `betas`."""
    each = [replace(steps, beta1=float(beta)) for beta in betas]
    moduli = [abs(multipliers(game, one)[0]) for one in each]
    ends = [distance(game, trajectory(game, one, COUNT))[-1] for one in each]
    return np.array(moduli), np.array(ends)


def format_eigenvalues(eigenvalues: tuple[complex, ...] | None) -> str:
    """Eigenvalues as text, conjugate and double ones once: '−0.15 ± 0.48i', '±0.5i, −2', '−0.5 twice', '±i'."""
    if eigenvalues is None:
        return "undefined, v jumps"
    parts = []
    for value in dict.fromkeys(complex(round(x.real, 6), round(abs(x.imag), 6)) for x in eigenvalues):
        real = f"{value.real:.3g}".replace("-", "−")
        if value.imag:
            middle = f"{real} ± " if value.real else "±"
            parts.append(middle + f"{value.imag:.3g}i".replace("1i", "i" if value.imag == 1 else "1i"))
        else:
            twice = sum(abs(x - value) < 1e-6 for x in eigenvalues) == 2
            parts.append(f"{real} twice" if twice else real)
    return ", ".join(parts)
