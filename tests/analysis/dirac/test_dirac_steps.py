"""Steps on the Dirac-GAN: exact factors, multipliers, distances after 500 steps, momentum; and the page of it all."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import ROOT
from synthetic import add_run, config

import analysis.dirac.__main__ as cli
from analysis.dirac import METHODS, Game, Steps, distance, jacobian, multipliers, trajectory, update
from analysis.dirac.figure import format_eigenvalues, games
from analysis.report import make_report
from landscape.store import Store

SIM, ALT = Steps(), Steps(alternating=True)
H = SIM.h

# method, its parameters -> distance after 500 steps of 0.2 from (1, 1), simultaneous and alternating, and its digits
DISTANCES: list[tuple[str, dict[str, Any], str, str]] = [
    ("minimax", {}, "3.097", "1.421"),
    ("ns", {}, "0.640", "0.284"),
    ("rpgan", {}, "0.640", "0.284"),
    ("wgan", {}, "2.56e+04", "1.398"),
    ("r1", {"gamma": 0.3}, "2.6e-06", "2.3e-07"),
    ("r2", {"gamma": 0.3}, "2.6e-06", "2.3e-07"),
    ("gp0", {"gamma": 0.3}, "2.6e-06", "2.3e-07"),
    ("wgan_gp", {"lam": 0.7, "g0": 1.0}, "1.802", "1.221"),
    ("consensus", {"gamma": 1.0}, "2.6e-10", "1.7e-11"),
]


def r2(path: Any) -> Any:
    return (path**2).sum(-1)


@pytest.mark.parametrize(("name", "parameters", "simultaneous", "alternating"), DISTANCES)
def test_distances_after_500_steps(name: str, parameters: dict[str, Any], simultaneous: str, alternating: str) -> None:
    game = METHODS[name](**parameters)
    for steps, printed in ((SIM, simultaneous), (ALT, alternating)):
        end = distance(game, trajectory(game, steps, 500))[-1]
        mantissa, _, exponent = printed.partition("e")
        decimals = len(mantissa.partition(".")[2])
        assert f"{end:.{decimals}{'e' if exponent else 'f'}}" == printed


def test_simultaneous_minimax_grows_by_its_exact_factor() -> None:
    path = trajectory(METHODS["minimax"](), SIM, 300)
    factor = 1 + H**2 / (1 + np.exp(path.prod(-1))) ** 2
    assert r2(path)[1:] == pytest.approx(r2(path)[:-1] * factor[:-1], rel=1e-12)
    assert (np.diff(r2(path)) > 0).all()


def test_simultaneous_wgan_grows_by_one_plus_h_squared() -> None:
    assert r2(trajectory(METHODS["wgan"](), SIM, 300)) == pytest.approx(2 * (1 + H**2) ** np.arange(301), rel=1e-11)


def test_alternating_linear_game_conserves_its_ellipse() -> None:
    theta, psi = trajectory(METHODS["wgan"](), ALT, 2000).T
    assert theta**2 + psi**2 - H * theta * psi == pytest.approx(np.full(2001, 2 - H), rel=1e-11)


@pytest.mark.parametrize(("h", "n_g", "n_d"), [(0.2, 1, 1), (0.2, 1, 5), (0.2, 3, 2), (1.9, 1, 1), (2.5, 1, 1)])
@pytest.mark.parametrize(("name", "omega"), [("wgan", 1.0), ("minimax", 0.5)])
def test_alternating_multipliers(name: str, omega: float, h: float, n_g: int, n_d: int) -> None:
    alpha = (n_g * n_d) ** 0.5 * h * omega
    middle = 1 - alpha**2 / 2
    root = np.emath.sqrt(middle**2 - 1)
    found = multipliers(METHODS[name](), Steps(h, alternating=True, n_g=n_g, n_d=n_d))
    assert np.poly(found).real == pytest.approx(np.poly([middle + root, middle - root]).real, abs=1e-7)
    assert (np.abs(found).max() < 1 + 1e-6) == (alpha <= 2)


@pytest.mark.parametrize("gamma", [0.1, 0.3, 0.9])
def test_simultaneous_r1_below_critical_gamma(gamma: float) -> None:
    for h in (0.2, 0.99 * gamma / 0.25, 1.01 * gamma / 0.25):
        radius = abs(multipliers(METHODS["r1"](gamma=gamma), Steps(h))[0])
        assert radius == pytest.approx((1 - h * gamma + h**2 * 0.25) ** 0.5, abs=1e-7)
        assert (radius < 1) == (h < gamma / 0.25)


@pytest.mark.parametrize(
    ("name", "knob", "critical"), [("r1", "gamma", 1.0), ("r1r2", "gamma", 0.5), ("noise", "sigma", 2**0.5)]
)
def test_rotation_stops_at_the_critical_strength(name: str, knob: str, critical: float) -> None:
    for factor, turns in ((0.99, True), (1.01, False)):
        game = METHODS[name](**{knob: factor * critical})
        assert game.eigenvalues and (game.eigenvalues[0].imag != 0) == turns
        assert (abs(np.linalg.eigvals(jacobian(game))[0].imag) > 1e-3) == turns


def test_clipped_wgan_cycles() -> None:
    for steps, low, high in ((SIM, "1.00", "1.27"), (ALT, "0.95", "1.05")):
        game = METHODS["wgan_clip"](c=1.0)
        path = trajectory(game, steps, 1000)
        assert np.abs(path[:, 1]).max() <= 1
        radii = distance(game, path)[500:]
        assert (f"{radii.min():.2f}", f"{radii.max():.2f}") == (low, high)


@pytest.mark.parametrize("steps", [SIM, ALT])
def test_momentum_enlarges_the_rotation(steps: Steps) -> None:
    game = METHODS["minimax"]()
    betas = (-0.5, 0.0, 0.3, 0.6, 0.9)
    radii = [abs(multipliers(game, Steps(alternating=steps.alternating, beta1=beta))[0]) for beta in betas]
    assert radii == sorted(radii)
    assert (radii[0] < 1) == steps.alternating and radii[2] > 1
    r1 = METHODS["r1"](gamma=0.3)
    r1_radii = [abs(multipliers(r1, Steps(alternating=steps.alternating, beta1=beta))[0]) for beta in betas]
    assert r1_radii == sorted(r1_radii) and r1_radii[1] < 1 < r1_radii[-1]


def test_momentum_by_hand() -> None:
    game, steps = METHODS["wgan"](), Steps(h=0.5, alternating=True, beta1=0.5)
    once = update(game, np.array([[1.0, 1.0], [0.0, 0.0]]), steps)
    assert once == pytest.approx(np.array([[0.75, 1.1875], [-0.5, 0.375]]))


def test_several_steps_of_a_player_need_turns() -> None:
    with pytest.raises(ValueError, match="alternating"):
        Steps(n_d=5)


def test_the_table_of_the_documentation_is_what_the_command_prints() -> None:
    written = re.findall(r"^\|.*$", (ROOT / "docs" / "dirac.md").read_text(), re.M)
    for there, here in zip(written, cli.markdown(cli.table()).splitlines(), strict=True):
        for old, new in zip(there.split(" | "), here.split(" | "), strict=True):
            number = re.fullmatch(r"[\d.e+-]+[ |]*", new)
            assert old == new or (number and float(old.strip(" |")) == pytest.approx(float(new.strip(" |")), rel=2e-3))


def test_the_command_writes_a_page_that_opens_offline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    few: dict[str, Game] = dict(list(games().items())[:2])
    monkeypatch.setattr(cli, "games", lambda: few)
    monkeypatch.setattr("analysis.dirac.figure.games", lambda: few)
    monkeypatch.setattr("analysis.dirac.figure.BETAS", [0.0, 0.5])
    assert cli.main(["--out", str(tmp_path / "dirac")]) == 0
    assert "2 phase portraits" in capsys.readouterr().out
    page = (tmp_path / "dirac" / "index.html").read_text()
    assert "http" not in page and "NS = RpGAN" in page
    for link in set(re.findall(r'(?:href|src)="([^"]+)"', page)) - {"data:,"}:
        assert (tmp_path / "dirac" / link).is_file(), link


def test_somebody_elses_page_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "index.html").write_text("mine")
    assert cli.main(["--out", str(tmp_path)]) == 2
    assert "not written by this program" in capsys.readouterr().err and (tmp_path / "index.html").read_text() == "mine"


def test_eigenvalues_in_words() -> None:
    assert [
        format_eigenvalues(game().eigenvalues) for game in (METHODS["wgan"], METHODS["ls"], METHODS["wgan_gp"])
    ] == [
        "±i",
        "±0.5i, −2",
        "undefined, v jumps",
    ]
    assert format_eigenvalues((complex(-0.5), complex(-0.5))) == "−0.5 twice"


def test_the_report_links_to_the_page_where_there_is_one(tmp_path: Path) -> None:
    store, out = Store(tmp_path / "store"), tmp_path / "report"
    add_run(store, [100.0, 10.0], config())
    make_report(store, out)
    assert "dirac" not in (out / "index.html").read_text()
    (out / "dirac").mkdir()
    (out / "dirac" / "index.html").touch()
    make_report(store, out)
    assert 'href="dirac/index.html"' in (out / "index.html").read_text()
    assert (out / "dirac" / "index.html").exists()
