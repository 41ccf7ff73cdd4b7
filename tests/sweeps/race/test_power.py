"""Power before a sweep: predictions hold by simulation, a pilot's error is counted, and the command says it."""

import numpy as np
import pandas as pd
import pytest
from power_simulated import by_pilots, by_races, by_the_tests
from synthetic import add_run, config

from landscape.config.errors import UserError
from landscape.config.seeds import POWER, seeds_for
from landscape.store import Store, run_table
from sweeps.__main__ import VERBS
from sweeps.race.power import assumed, fixed_costs, slope, theta


def test_the_best_of_k_against_the_best_of_k_is_counted_right():
    rng = np.random.default_rng(0)
    a, b = np.sort(np.round(rng.normal(size=7), 1)), np.sort(np.append(np.round(rng.normal(size=6), 1), np.inf))
    lows = [rng.choice(x, (200_000, 3)).min(axis=1) for x in (a, b)]
    won = (lows[0] < lows[1]).mean() + (lows[0] == lows[1]).mean() / 2
    assert theta(a, b, 3) == pytest.approx(won, abs=0.005) and theta(a, a, 3) == pytest.approx(0.5)
    assert theta(np.full(3, np.inf), np.full(3, np.inf), 2) == 0.5


def test_at_one_model_and_two_cells_it_is_the_formula_of_the_report():
    assert slope(1) == pytest.approx(2.1, abs=0.01)
    for sd in (0.5, 1.0, 2.0):
        runs, _ = fixed_costs([assumed(2, 0.4, float(np.exp(0.4 * sd)))], 1).at(POWER)
        assert runs / 2 == pytest.approx(seeds_for(sd, 2), abs=2)


@pytest.mark.parametrize(("cells", "k", "sets"), [(2, 1, 400), (4, 1, 200), (2, 3, 300)])
def test_eighty_percent_is_eighty_percent_by_the_tests_of_the_report(cells, k, sets):
    seen = by_the_tests(assumed(cells, 0.4, 1.5), k, sets)
    assert abs(seen.power - POWER) <= 0.05 + 2 * seen.error


@pytest.mark.parametrize("certify", [False, True])
def test_eighty_percent_is_eighty_percent_by_races(certify):
    seen = by_races(assumed(4, 0.4, 1.5), 1, 200, certify)
    assert abs(seen.power - POWER) <= 0.05 + 2 * seen.error


@pytest.mark.slow
def test_a_pilot_with_its_error_is_right_on_average_and_one_at_its_word_is_too_sure():
    piloted, word = (by_pilots(4, 0.4, 0.5, 5, 25, at_their_word) for at_their_word in (False, True))
    assert piloted.predicted == pytest.approx(piloted.true, abs=0.12)
    assert piloted.power > word.power + 0.05


def pilot(root, seeds=6):
    store, rng = Store(root), np.random.default_rng(1)
    for loss, level in (("ns", 10.0), ("ls", 20.0), ("wgan", 40.0)):
        for seed in range(seeds):
            add_run(store, [100.0, level * float(np.exp(rng.normal(0, 0.3)))], config(loss, seed=seed))
    return store


def test_the_command_says_runs_and_hours_by_a_pilot(tmp_path, capsys):
    store = pilot(tmp_path / "store")
    assert VERBS["plan"](["--power", "--pilot", str(store.root)]) == 0
    said = capsys.readouterr().out
    assert "which of 3 cells is best for one model, error 5 %: from a pilot of 6 to 6 runs a cell" in said
    assert "a race, calibrated" in said and "hours" in said and "if the cells were exactly as they look" in said
    run_table.write(run_table.of_store(store), tmp_path / "runs.csv")
    curve = tmp_path / "curve.csv"
    assert VERBS["plan"](["--power", "--pilot", str(tmp_path / "runs.csv"), "--curve", str(curve)]) == 0
    assert capsys.readouterr().out == said
    steps = pd.read_csv(curve)
    assert list(steps) == ["by", "hours", "chance"] and steps["by"].nunique() == 3
    assert all(part[["hours", "chance"]].diff().dropna().min().min() >= 0 for _, part in steps.groupby("by"))


def test_the_command_says_runs_by_an_assumption(capsys):
    grid = ["-m", "loss=ns,ls", "reg=gp,sn", "metrics=none"]
    assert VERBS["plan"](["--power", *grid, "--sd", "0.4", "--ratio", "1.5", "--k", "3"]) == 0
    said = capsys.readouterr().out
    runs, _ = fixed_costs([assumed(4, 0.4, 1.5)], 3).at(POWER)
    assert "which of 4 cells is best for the best of 3 models" in said and f"{runs:,.0f}" in said
    assert f"equal numbers: {runs / 4:.0f} runs a cell" in said


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["-m", "loss=ns,ls"], "needs a pilot"),
        (["--pilot", "{store}", "loss=ns"], "leave out"),
        (["loss=ns,ls", "-m", "--sd", "-1", "--ratio", "1.5"], "--sd -1"),
        (["loss=ns", "--sd", "0.4", "--ratio", "1.5"], "two cells"),
        (["--pilot", "{store}"], "fewer than two runs"),
    ],
)
def test_what_cannot_be_answered_is_refused(tmp_path, words, why):
    store = pilot(tmp_path / "store", seeds=1)
    with pytest.raises(UserError, match=why):
        VERBS["plan"](["--power", *(word.format(store=store.root) for word in words)])
