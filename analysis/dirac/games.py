"""Vector fields of the methods on the Dirac-GAN. A new method is one function and one entry of `METHODS`.

p_data = δ₀, the generator is δ_θ, the critic D_ψ(x) = ψx (least squares adds a bias b): Mescheder, Geiger and Nowozin
2018, arXiv 1801.04406. Here **high output means fake** (flip ψ for the usual logit): D ascends and G descends
L(θ, ψ) = f(ψθ) + f(0), f(t) = -log(1 + e^-t), ω = f'(0) = 1/2, f''(0) = -1/4. The equilibrium is θ = ψ = 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

Array = NDArray[np.float64]
Field = Callable[..., Any]  # (θ, ψ, ...) -> velocity, or stacked velocities of D; takes arrays of points
OMEGA, BEND = 0.5, -0.25  # f'(0) and f''(0)


@dataclass(frozen=True)
class Game:
    """The velocities of both players, without the step size: `g`(θ, ψ, ...) of θ, `d`(θ, ψ, ...) of D's parameters.

    `eigenvalues` are those of v' at the equilibrium in closed form, None if v jumps there; `knobs` is the parameters as
    text; `bias` is the equilibrium of a third parameter b, D's bias or the lensed data point, which moves with D;
    `clip` bounds |ψ| after every step.
    """

    title: str
    g: Field
    d: Field
    eigenvalues: tuple[complex, ...] | None
    knobs: str = ""
    bias: float | None = None
    clip: float = np.inf

    @property
    def name(self) -> str:
        """The method with its parameters."""
        return ", ".join(filter(None, [self.title, self.knobs]))

    @property
    def equilibrium(self) -> Array:
        """(θ, ψ) = (0, 0), or (θ, ψ, b) = (0, 0, `bias`)."""
        return np.array([0.0, 0.0] if self.bias is None else [0.0, 0.0, self.bias])

    def v_g(self, z: Array) -> Array:
        """dθ/dt, shape (1, ...), at the points `z`, shape (2 or 3, ...)."""
        return np.asarray(self.g(*z), float).reshape(1, *z.shape[1:])

    def v_d(self, z: Array) -> Array:
        """dψ/dt (and db/dt), shape (1 or 2, ...), at the points `z`; at its bound, a clipped ψ moves inwards only."""
        v = np.array(self.d(*z), float).reshape(len(z) - 1, *z.shape[1:])
        v[0] = np.where((np.abs(z[1]) >= self.clip) & (v[0] * z[1] > 0), 0, v[0])
        return v


def slope(t: Any) -> Any:
    """f'(t) = σ(-t)."""
    return expit(-t)


def bend(t: Any) -> Any:
    """f''(t) = -σ(t) σ(-t)."""
    return -expit(t) * expit(-t)


def pair(middle: float, square: float) -> tuple[complex, complex]:
    """middle ± √square; the root is imaginary if `square` is negative."""
    root = complex(np.emath.sqrt(square))
    return middle + root, middle - root


def minimax() -> Game:
    """(-ψ f'(θψ), θ f'(θψ)): θ² + ψ² is conserved, circles."""
    return Game("minimax", lambda t, p: -p * slope(t * p), lambda t, p: t * slope(t * p), pair(0, -(OMEGA**2)))


def ns() -> Game:
    """(-ψ f'(-θψ), θ f'(θψ)): d(θ² + ψ²)/dt = -2θψ tanh(θψ/2) <= 0, so that θ² + ψ² ~ 8/t."""
    return replace(minimax(), title="NS", g=lambda t, p: -p * slope(-t * p))


def rpgan() -> Game:
    """Relativistic pairing (arXiv 2501.05441): D ascends f(a_f - a_r), G f(a_r - a_f). With a_r = ψ·0 it equals NS."""
    real = 0.0
    return replace(
        minimax(),
        title="RpGAN",
        g=lambda t, p: -p * slope(p * real - p * t),
        d=lambda t, p: (t - real) * slope(p * t - p * real),
    )


def ml() -> Game:
    """Maximum-likelihood cost, (-ψ e^-ψθ / 2, θ f'(θψ)); in the usual logit (ψ e^ψθ / 2, -θ σ(ψθ)).

    d(θ² + ψ²)/dt = θψ e^-θψ tanh(θψ/2) >= 0: outwards, near 0 as θ² + ψ² = 1 / (1/r₀² - t/16).
    """
    return replace(minimax(), title="ML cost", g=lambda t, p: -0.5 * p * np.exp(-t * p))


def wgan() -> Game:
    """(-ψ, θ): circles."""
    return Game("WGAN", lambda t, p: -p, lambda t, p: t, pair(0, -1))


def hinge() -> Game:
    """(-ψ, θ where ψθ < 1, else 0): D descends max(0, 1 - ψθ), WGAN near 0."""
    return replace(wgan(), title="hinge", d=lambda t, p: t * (t * p < 1))


def wgan_clip(c: float = 1.0) -> Game:
    """WGAN with ψ clipped to [-c, c] after each step: a cycle."""
    return replace(wgan(), title="WGAN, clipped", knobs=f"c = {c:g}", clip=c)


def wgan_gp(lam: float = 0.7, g0: float = 1.0) -> Game:
    """(-ψ, θ - λ (|ψ| - g₀) sign ψ): v jumps at ψ = 0, no convergence."""
    return Game(
        "WGAN-GP",
        lambda t, p: -p,
        lambda t, p: t - lam * (np.abs(p) - g0) * np.sign(p),
        None,
        f"λ = {lam:g}, g₀ = {g0:g}",
    )


def ls(bias: bool = True, half: bool = True) -> Game:
    """Least squares, targets 0 (real) and 1 (fake), D(x) = ψx + b; `half` puts the factor ½ on both losses.

    D descends k (b² + (ψθ + b - 1)²), G k (ψθ + b)², k = ½ or 1: eigenvalues ±ki, -4k. Without a bias v' is nilpotent.
    """
    k = 0.5 if half else 1.0
    knobs = ("½ factors" if half else "no ½") + ("" if bias else ", no bias")
    if not bias:
        return Game("LS", lambda t, p: -2 * k * t * p * p, lambda t, p: -2 * k * (p * t - 1) * t, (0j, 0j), knobs)
    return Game(
        "LS",
        lambda t, p, b: -2 * k * (p * t + b) * p,
        lambda t, p, b: np.stack([-2 * k * (p * t + b - 1) * t, -2 * k * (p * t + 2 * b - 1)]),
        (*pair(0, -(k**2)), complex(-4 * k)),
        knobs,
        bias=0.5,
    )


def damped(game: Game, gamma: float, title: str) -> Game:
    """`game` whose D also descends (γ/2)ψ²: eigenvalues -γ/2 ± √(γ²/4 - ω²), critical damping at γ = 2ω."""
    return replace(
        game,
        title=title,
        knobs=f"γ = {gamma:g}",
        d=lambda t, p: game.d(t, p) - gamma * p,
        eigenvalues=pair(-gamma / 2, gamma**2 / 4 - OMEGA**2),
    )


def r1(gamma: float = 0.3) -> Game:
    """Minimax with (γ/2)‖∇D‖² on real samples, where ∇D = ψ."""
    return damped(minimax(), gamma, "R1")


def r2(gamma: float = 0.3) -> Game:
    """Minimax with (γ/2)‖∇D‖² on fake samples: ∇D = ψ there too."""
    return damped(minimax(), gamma, "R2")


def gp0(gamma: float = 0.3) -> Game:
    """Minimax with the zero-centered penalty on interpolates: ∇D = ψ there too."""
    return damped(minimax(), gamma, "zero-centered GP")


def r1r2(gamma: float = 0.3) -> Game:
    """R1 and R2, each with γ; the same as R1 with 2γ."""
    return replace(damped(minimax(), 2 * gamma, "R1 + R2"), knobs=f"γ = {gamma:g}")


def ns_r1(gamma: float = 0.3) -> Game:
    """NS with R1."""
    return damped(ns(), gamma, "NS + R1")


def noise(sigma: float = 1.0) -> Game:
    """Minimax averaged over Gaussian noise of `sigma` on real and fake samples: f''(0)σ² ± √(f''(0)²σ⁴ - ω²).

    (-ψ E f'(ψ(θ + σξ)), E (θ + σξ) f'(ψ(θ + σξ)) - E σξ f'(-ψσξ)), ξ ~ N(0, 1), by Gauss-Hermite quadrature.
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(41)
    xi, weights = sigma * nodes, weights / weights.sum()

    def parts(t: Any, p: Any) -> tuple[Any, Any]:
        return np.asarray(t)[..., None] + xi, np.asarray(p)[..., None]

    def g(t: Any, p: Any) -> Any:
        x, q = parts(t, p)
        return -(q * slope(q * x)) @ weights

    def d(t: Any, p: Any) -> Any:
        x, q = parts(t, p)
        return (x * slope(q * x) - xi * slope(-q * xi)) @ weights

    drift = BEND * sigma**2
    return Game("instance noise", g, d, pair(drift, drift**2 - OMEGA**2), f"σ² = {sigma**2:g}")


def lensed(psi: Any, lam: float) -> Any:
    """Where a fast lens takes the data: b of the least λ log(1 + e^-ψb) + b², so 2b = λψσ(-ψb), by Newton's method."""
    b = lam * np.asarray(psi, float) / 4
    for _ in range(20):
        pull = expit(-psi * b)
        b = b - (2 * b - lam * psi * pull) / (2 + lam * psi**2 * pull * (1 - pull))
    return b


def lens(lam: float = 1.0) -> Game:
    """Minimax with a tempered lens (arXiv 1802.04374) that follows at once: real data at b, which D takes for fake.

    (-ψ f'(θψ), θ f'(θψ) - b f'(-ψb)), near 0 b = λψ/4: R1 with γ = λ/8, eigenvalues -λ/16 ± √(λ²/256 - ω²).
    """

    def d(t: Any, p: Any) -> Any:
        b = lensed(p, lam)
        return t * slope(t * p) - b * slope(-p * b)

    linear = damped(minimax(), lam / 8, "")
    return replace(minimax(), title="lens, fast", d=d, eigenvalues=linear.eigenvalues, knobs=f"λ = {lam:g}")


def lens_player(lam: float = 1.0) -> Game:
    """The lens as a third player that moves with D: db/dt = λψσ(-ψb) - 2b. Roots of x³ + 2x² + (1 + λ)x/4 + ½."""
    roots = np.roots([1, 2, (1 + lam) / 4, 0.5])
    return Game(
        "lens, third player",
        lambda t, p, b: -p * slope(t * p),
        lambda t, p, b: np.stack([t * slope(t * p) - b * slope(-p * b), lam * p * slope(p * b) - 2 * b]),
        tuple(complex(root) for root in roots[np.argsort(-np.abs(roots.imag), kind="stable")]),
        f"λ = {lam:g}",
        bias=0.0,
    )


def consensus(gamma: float = 1.0) -> Game:
    """v - γ (v')ᵀ v of minimax (Mescheder et al. 2017, arXiv 1705.10461), i.e. - γ ∇‖v‖²/2: -γω² ± iω.

    ‖v‖²/2 = (θ² + ψ²) f'(θψ)² / 2, whose derivative by θ is f' (θf' + (θ² + ψ²) ψf''); for ψ swap the two.
    """

    def descent(x: Any, y: Any) -> Any:
        return slope(x * y) * (x * slope(x * y) + (x * x + y * y) * y * bend(x * y))

    plain = minimax()
    return Game(
        "consensus",
        lambda t, p: plain.g(t, p) - gamma * descent(t, p),
        lambda t, p: plain.d(t, p) - gamma * descent(p, t),
        pair(-gamma * OMEGA**2, -(OMEGA**2)),
        f"γ = {gamma:g}",
    )


METHODS: dict[str, Callable[..., Game]] = {
    "minimax": minimax,
    "ns": ns,
    "rpgan": rpgan,
    "ml": ml,
    "ls": ls,
    "wgan": wgan,
    "hinge": hinge,
    "wgan_clip": wgan_clip,
    "wgan_gp": wgan_gp,
    "r1": r1,
    "r2": r2,
    "gp0": gp0,
    "r1r2": r1r2,
    "ns_r1": ns_r1,
    "noise": noise,
    "lens": lens,
    "lens_player": lens_player,
    "consensus": consensus,
}
