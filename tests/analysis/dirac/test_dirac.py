"""The Dirac-GAN against its closed forms: eigenvalues, fields as gradients, what flows conserve, how fast they go."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from analysis.dirac import METHODS, Steps, flow, jacobian, multipliers, trajectory, velocity
from analysis.dirac.figure import PANELS
from analysis.dirac.games import lensed

SIM = Steps()
POINTS = np.random.default_rng(0).uniform(-2, 2, (2, 200))

# method, its parameters -> eigenvalues at the equilibrium (None: v jumps there)
ROTATION: tuple[complex, ...] = (0.5j, -0.5j)
EIGENVALUES: list[tuple[str, dict[str, Any], tuple[complex, ...] | None]] = [
    ("minimax", {}, ROTATION),
    ("ns", {}, ROTATION),
    ("rpgan", {}, ROTATION),
    ("ml", {}, ROTATION),
    ("ls", {}, (*ROTATION, -2)),
    ("ls", {"half": False}, (1j, -1j, -4)),
    ("ls", {"bias": False}, (0, 0)),
    ("ls", {"bias": False, "half": False}, (0, 0)),
    ("wgan", {}, (1j, -1j)),
    ("hinge", {}, (1j, -1j)),
    ("wgan_clip", {}, (1j, -1j)),
    ("wgan_gp", {}, None),
    ("r1", {"gamma": 0.6}, (-0.3 + 0.4j, -0.3 - 0.4j)),
    ("r1", {"gamma": 1.0}, (-0.5, -0.5)),
    ("r1", {"gamma": 1.25}, (-0.25, -1)),
    ("r2", {"gamma": 0.6}, (-0.3 + 0.4j, -0.3 - 0.4j)),
    ("gp0", {"gamma": 0.6}, (-0.3 + 0.4j, -0.3 - 0.4j)),
    ("ns_r1", {"gamma": 0.6}, (-0.3 + 0.4j, -0.3 - 0.4j)),
    ("r1r2", {"gamma": 0.3}, (-0.3 + 0.4j, -0.3 - 0.4j)),
    ("noise", {"sigma": 1.2**0.5}, (-0.3 + 0.4j, -0.3 - 0.4j)),
    ("noise", {"sigma": 2**0.5}, (-0.5, -0.5)),
    ("noise", {"sigma": 2.5**0.5}, (-0.25, -1)),
    ("lens", {"lam": 0.0}, ROTATION),
    ("lens", {"lam": 1.0}, (-1 / 16 + (1 / 256 - 1 / 4 + 0j) ** 0.5, -1 / 16 - (1 / 256 - 1 / 4 + 0j) ** 0.5)),
    ("lens", {"lam": 8.0}, (-0.5, -0.5)),
    ("lens_player", {"lam": 0.0}, (*ROTATION, -2)),
    ("lens_player", {"lam": 1.0}, tuple(np.roots([1, 2, 0.5, 0.5]))),
    ("consensus", {"gamma": 1.0}, (-0.25 + 0.5j, -0.25 - 0.5j)),
    ("consensus", {"gamma": 4.0}, (-1 + 0.5j, -1 - 0.5j)),
]


def r2(path: Any) -> Any:
    return (path**2).sum(-1)


def test_every_method_has_a_row_and_a_panel() -> None:
    assert set(METHODS) == {name for name, *_ in EIGENVALUES} == {name for names, _ in PANELS for name in names}


@pytest.mark.parametrize(("name", "parameters", "expected"), EIGENVALUES)
def test_eigenvalues(name: str, parameters: dict[str, Any], expected: tuple[complex, ...] | None) -> None:
    game = METHODS[name](**parameters)
    if expected is None:
        assert game.eigenvalues is None
        return
    assert velocity(game, game.equilibrium) == pytest.approx(0, abs=1e-15)
    # Compared by their characteristic polynomials, which a double eigenvalue does not blur.
    polynomial = pytest.approx(np.poly(np.array(expected, complex)).real, abs=1e-8)
    assert np.poly(np.array(game.eigenvalues)).real == polynomial
    assert np.poly(jacobian(game)) == polynomial
    updated = np.array([1 + SIM.h * value for value in expected])
    assert np.poly(multipliers(game, SIM)).real == pytest.approx(np.poly(updated).real, abs=1e-8)


@pytest.mark.parametrize(("names", "parameters"), [panel for panel in PANELS if len(panel[0]) > 1])
def test_a_panel_has_the_field_of_all_its_methods(names: tuple[str, ...], parameters: dict[str, Any]) -> None:
    first, *others = [velocity(METHODS[name](**parameters), POINTS) for name in names]
    for other in others:
        assert other == pytest.approx(first, abs=1e-15)


def test_fields_are_the_gradients_of_their_losses() -> None:
    t, p = POINTS
    eps = 1e-6

    def f(x: Any) -> Any:
        return -np.logaddexp(0, -x)

    def slope_of(loss: Any, wrt: int) -> Any:
        step = [(eps, 0), (0, eps)][wrt]
        return (loss(t + step[0], p + step[1]) - loss(t - step[0], p - step[1])) / (2 * eps)

    # name -> what G descends and what D ascends, high output for fake
    losses = {
        "minimax": (lambda t, p: f(p * t), lambda t, p: f(p * t)),
        "ns": (lambda t, p: -f(-p * t), lambda t, p: f(p * t)),
        "rpgan": (lambda t, p: -f(0 - p * t), lambda t, p: f(p * t - 0)),
        "ml": (lambda t, p: -np.exp(-p * t) / 2, lambda t, p: f(p * t)),
        "wgan": (lambda t, p: p * t, lambda t, p: p * t),
        "hinge": (lambda t, p: p * t, lambda t, p: -np.maximum(0, 1 - p * t)),
        "wgan_gp": (lambda t, p: p * t, lambda t, p: p * t - 0.35 * (np.abs(p) - 1) ** 2),
        "r1": (lambda t, p: f(p * t), lambda t, p: f(p * t) - 0.15 * p**2),
        "r1r2": (lambda t, p: f(p * t), lambda t, p: f(p * t) - 0.3 * p**2),
        "ns_r1": (lambda t, p: -f(-p * t), lambda t, p: f(p * t) - 0.15 * p**2),
    }
    for name, (descended, ascended) in losses.items():
        v = velocity(METHODS[name](), POINTS)
        assert v[0] == pytest.approx(-slope_of(descended, 0), abs=1e-7), name
        assert v[1] == pytest.approx(slope_of(ascended, 1), abs=1e-7), name


def test_ml_cost_in_the_usual_logit() -> None:
    t, p = POINTS
    v = velocity(METHODS["ml"](), np.stack([t, -p]))  # ψ flipped, and so its velocity
    assert v[0] == pytest.approx(p * np.exp(p * t) / 2)
    assert -v[1] == pytest.approx(-t / (1 + np.exp(-p * t)))


def test_ml_cost_with_the_half_on_both_losses() -> None:
    matrix = jacobian(METHODS["ml"]()) * [[1], [0.5]]
    assert np.poly(matrix) == pytest.approx(np.array([1, 0, 1 / 8]), abs=1e-8)  # ±i/√8


def test_the_lens_as_a_third_player_damps_by_what_was_worked_out() -> None:
    for lam, expected in ((1.0, -0.062225 + 0.512559j), (0.5, -0.030216 + 0.506830j), (0.0, 0.5j)):
        slowest = METHODS["lens_player"](lam=lam).eigenvalues
        assert slowest is not None and complex(slowest[0].real, abs(slowest[0].imag)) == pytest.approx(
            expected, abs=1e-6
        )


@pytest.mark.parametrize("lam", [0.3, 1.0])
def test_a_fast_lens_is_where_its_loss_is_least(lam: float) -> None:
    for psi in (-2.0, 0.3, 1.5):
        around = float(lensed(psi, lam)) + np.linspace(-1e-2, 1e-2, 21)
        assert np.argmin(lam * np.logaddexp(0, -psi * around) + around**2) == 10


def test_consensus_is_v_minus_gamma_times_transposed_jacobian_v() -> None:
    plain, eps = METHODS["minimax"](), 1e-6
    for z in POINTS.T[:20]:
        columns = [(velocity(plain, z + e) - velocity(plain, z - e)) / (2 * eps) for e in eps * np.eye(2)]
        v = velocity(plain, z)
        assert velocity(METHODS["consensus"](gamma=0.7), z) == pytest.approx(v - 0.7 * np.array(columns) @ v, abs=1e-8)


def test_wgan_gp_jumps_where_psi_changes_sign() -> None:
    game = METHODS["wgan_gp"](lam=0.7, g0=1.0)
    assert game.v_d(np.array([0.0, 1e-9])) - game.v_d(np.array([0.0, -1e-9])) == pytest.approx(2 * 0.7)


def test_a_clipped_psi_at_its_bound_moves_inwards_only() -> None:
    game = METHODS["wgan_clip"](c=1.0)
    theta, psi = np.array([[0.5, -0.5, 0.5, -0.5, 0.5], [1.0, 1.0, -1.0, -1.0, 0.9]])
    assert game.v_d(np.stack([theta, psi]))[0].tolist() == [0, -0.5, 0.5, 0, 0.5]


def test_instance_noise_without_noise_is_minimax() -> None:
    assert velocity(METHODS["noise"](sigma=0.0), POINTS) == pytest.approx(velocity(METHODS["minimax"](), POINTS))


def test_least_squares_without_bias_is_nilpotent_and_stops_off_the_equilibrium() -> None:
    game = METHODS["ls"](bias=False)
    matrix = jacobian(game)
    assert np.abs(matrix).max() == pytest.approx(1) and matrix @ matrix == pytest.approx(np.zeros((2, 2)), abs=1e-9)
    theta, psi = trajectory(game, SIM, 500)[-1]
    assert theta == pytest.approx(0, abs=1e-6) and psi > 1


@pytest.mark.parametrize("name", ["minimax", "wgan"])
def test_the_flow_goes_round_in_a_circle(name: str) -> None:
    assert r2(flow(METHODS[name](), np.linspace(0, 60, 30))) == pytest.approx(np.full(30, 2.0), rel=1e-6)


# d(θ² + ψ²)/dt at x = θψ
RADIAL = {
    "minimax": lambda x: 0 * x,
    "ns": lambda x: -2 * x * np.tanh(x / 2),
    "rpgan": lambda x: -2 * x * np.tanh(x / 2),
    "ml": lambda x: x * np.exp(-x) * np.tanh(x / 2),
    "wgan": lambda x: 0 * x,
}


@pytest.mark.parametrize("name", RADIAL)
def test_radial_speed(name: str) -> None:
    found = 2 * (POINTS * velocity(METHODS[name](), POINTS)).sum(0)
    assert found == pytest.approx(RADIAL[name](POINTS.prod(0)), abs=1e-12)


def test_ns_converges_as_8_over_t() -> None:
    times = np.array([0.0, 1e3, 4e3])
    assert (times * r2(flow(METHODS["ns"](), times)))[1:] == pytest.approx([8, 8], rel=0.02)


def test_ml_cost_goes_outwards_until_it_blows_up() -> None:
    times = np.array([0.0, 200, 400])
    near = r2(flow(METHODS["ml"](), times, start=(0.1, 0.1)))
    assert near == pytest.approx(1 / (1 / near[0] - times / 16), rel=0.01)
    assert np.isnan(flow(METHODS["ml"](), np.array([0.0, 100]))[-1]).all()
