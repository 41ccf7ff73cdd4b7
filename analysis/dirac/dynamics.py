"""Dynamics of a game: linearization, discrete steps (simultaneous or alternating), continuous flow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

from analysis.dirac.games import Array, Game

START = (1.0, 1.0)


@dataclass(frozen=True)
class Steps:
    """One round of updates of step size `h`: simultaneous, or alternating, `n_g` steps of G and then `n_d` of D.

    `beta1` averages each player's velocity as Adam's first moment, without bias correction: m <- β₁ m + (1 - β₁) v.
    Raises `ValueError` for several steps without `alternating`.
    """

    h: float = 0.2
    alternating: bool = False
    n_g: int = 1
    n_d: int = 1
    beta1: float = 0.0

    def __post_init__(self) -> None:
        if not self.alternating and (self.n_g, self.n_d) != (1, 1):
            raise ValueError(f"n_g = {self.n_g}, n_d = {self.n_d} need alternating=True; simultaneous means 1 and 1")


def velocity(game: Game, z: Array) -> Array:
    """The vector field v at the points `z`; both have the shape (2 or 3, ...)."""
    return np.concatenate([game.v_g(z), game.v_d(z)])


def jacobian(game: Game, eps: float = 1e-5) -> Array:
    """v' at the equilibrium by central differences of step `eps`, which check the closed forms."""
    return _derivative(lambda z: velocity(game, z), game.equilibrium, eps)


def update(game: Game, state: Array, steps: Steps) -> Array:
    """The state after one round; `state` has two rows, the parameters and the averaged velocities."""
    z, m = state.copy()

    def move(who: slice, v: Array) -> None:
        m[who] = steps.beta1 * m[who] + (1 - steps.beta1) * v
        z[who] += steps.h * m[who]
        z[1] = np.clip(z[1], -game.clip, game.clip)

    g, d = slice(0, 1), slice(1, None)
    if not steps.alternating:
        move(slice(None), velocity(game, z))
    else:
        for _ in range(steps.n_g):
            move(g, game.v_g(z))
        for _ in range(steps.n_d):
            move(d, game.v_d(z))
    return np.stack([z, m])


def multipliers(game: Game, steps: Steps, eps: float = 1e-5) -> NDArray[np.complex128]:
    """Eigenvalues of the Jacobian of `update` at the equilibrium, largest modulus first; stable if all moduli are < 1.

    Simultaneous steps have 1 + hλ for each eigenvalue λ of v'. Alternating steps of the linear game have
    1 - α²/2 ± √((1 - α²/2)² - 1), α = √(n_g n_d) hω: modulus 1 up to α = 2. With `beta1`, the averages are part of the
    state.
    """
    n = len(game.equilibrium)
    rest = np.stack([game.equilibrium, np.zeros(n)])
    if steps.beta1 == 0:  # the averages do not matter

        def one(z: Array) -> Array:
            return np.asarray(update(game, np.stack([z, rest[1]]), steps)[0])

        matrix = _derivative(one, rest[0], eps)
    else:
        matrix = _derivative(lambda s: update(game, s.reshape(2, n), steps).ravel(), rest.ravel(), eps)
    found = np.linalg.eigvals(matrix).astype(np.complex128)
    return found[np.argsort(-np.abs(found), kind="stable")]


def trajectory(game: Game, steps: Steps, count: int, start: tuple[float, float] = START) -> Array:
    """Parameters after 0 to `count` rounds from (θ, ψ) = `start` (b at its equilibrium), shape (count + 1, 2 or 3)."""
    z = _from(game, start)
    state = np.stack([z, np.zeros_like(z)])
    path = [z]
    with np.errstate(over="ignore", invalid="ignore"):  # a diverging game ends in inf or NaN
        for _ in range(count):
            state = update(game, state, steps)
            path.append(state[0])
    return np.array(path)


def flow(game: Game, times: Array, start: tuple[float, float] = START) -> Array:
    """The solution of dz/dt = v(z) at ascending `times` >= 0, shape (len(times), 2 or 3); NaN after a blow-up."""
    z = _from(game, start)
    with np.errstate(over="ignore", invalid="ignore"):
        found = solve_ivp(
            lambda _, z: velocity(game, z),
            (0, float(times[-1])),
            z,
            t_eval=times,
            method="DOP853",
            rtol=1e-9,
            atol=1e-11,
        )
    path = np.full((len(times), len(z)), np.nan)
    path[: found.y.shape[1]] = found.y.T
    return path


def distance(game: Game, path: Array) -> Array:
    """Euclidean distance of each point of `path`, shape (..., 2 or 3), to the equilibrium."""
    return np.asarray(np.linalg.norm(path - game.equilibrium, axis=-1))


def _from(game: Game, start: tuple[float, float]) -> Array:
    return np.array([*start, *game.equilibrium[2:]])


def _derivative(function: Callable[[Array], Array], at: Array, eps: float) -> Array:
    steps = eps * np.eye(len(at))
    return np.stack([(function(at + e) - function(at - e)) / (2 * eps) for e in steps], axis=1)
