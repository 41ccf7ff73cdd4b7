"""The critic's estimate against the distance along training: correlations within runs, table, figure, page."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from synthetic import add_row, config, looks_of

from analysis.estimators.critic import correlations, median_interval, norms_apart, with_estimates
from analysis.figures.critic import critic_figure
from analysis.loading.measure import BY_DISTANCE
from analysis.loading.runs import collect, load_rows
from analysis.report import make_report
from analysis.tables.critic import critic_table
from landscape.config.identity import run_id
from landscape.store import DONE, RunStatus, Store
from landscape.store.run_meta import RunMeta


def evaluations(run: str, critic: list[float], score: list[float], cell: str = "WGAN GP") -> pd.DataFrame:
    made = {"id": run, "cell": cell, "step": 10 * np.arange(len(critic)), "critic": critic, "score": score}
    return pd.DataFrame(made | {"saturated": np.linspace(0.6, 0.2, len(critic))})


FALLING = [9.0, 7.0, 5.0, 4.0, 3.0, 2.0]


def test_correlations_are_within_runs() -> None:
    """Two runs at different levels, each with the estimate falling as the distance does, one with it rising."""
    rows = pd.concat(
        [
            evaluations("a", [6, 5, 4, 3, 2, 1], FALLING),
            evaluations("b", [60, 50, 40, 30, 20, 10], FALLING[::-1]),
            evaluations("c", [1, 1, 1, 1, 1, 1], FALLING),
        ]
    )
    assert correlations(rows)[:2] == pytest.approx([1, -1]) and np.isnan(correlations(rows)[2])


def test_short_runs_and_evaluations_without_an_estimate_do_not_count() -> None:
    nan = float("nan")
    rows = pd.concat([evaluations("a", [nan, 5, 4, 3, 2, 1], FALLING), evaluations("b", [4, 3, 2, 1], FALLING[:4])])
    assert with_estimates(rows)["id"].tolist() == ["a"] * 5
    assert with_estimates(evaluations("a", [6, 5, 4, 3, 2, 1], [*FALLING[:4], nan, np.inf])).empty


@pytest.mark.parametrize(("n", "j"), [(5, 0), (6, 1), (8, 1), (9, 2), (20, 6)])
def test_the_interval_of_a_median_misses_it_as_rarely_as_it_says(n: int, j: int) -> None:
    """The ranks of the textbooks' tables at 95 %."""
    low, high = median_interval(np.arange(1.0, n + 1)[::-1], 0.95)
    if j == 0:
        assert np.isnan(low) and np.isnan(high)
    else:
        assert (low, high) == (j, n + 1 - j)


def test_the_table_has_medians_over_runs_and_the_share_at_the_clip() -> None:
    rows = pd.concat([evaluations(f"{i}", [6, 5, 4, 3, 2, 1 + i / 10], FALLING) for i in range(6)])
    (row,) = critic_table(rows, ["NS", "WGAN GP"], 0.95).to_dict("records")
    assert (row["cell"], row["runs"], row["evaluations"]) == ("WGAN GP", 6, 6)
    assert [row[f"correlation{end}"] for end in ("", "_low", "_high")] == pytest.approx([1, 1, 1])
    assert row["estimate"] == pytest.approx(1.25)
    assert (row["saturated"], row["saturated_last"]) == pytest.approx((0.6, 0.2))


def test_runs_whose_clip_leaves_normalizers_out_are_told_apart() -> None:
    rows = pd.concat([evaluations(name, [3, 2, 1], [3, 2, 1], "WGAN CLIP+BN") for name in ("a", "b", "c")])
    configs = {"a": "norm.kind: bn\nreg.norms: true", "b": "norm.kind: bn\nreg.norms: false"}
    configs["c"] = "norm.kind: none\nreg.norms: false"  # there are none to leave out
    cells = norms_apart(rows, configs).drop_duplicates("id")["cell"].tolist()
    assert cells == ["WGAN CLIP+BN", "WGAN CLIP+BN, norms free", "WGAN CLIP+BN"]


def test_the_figure_has_a_panel_for_each_cell_with_estimates_alone() -> None:
    rows = pd.concat(
        [
            evaluations("a", [6, 5, 4, 3, 2, 1], FALLING),
            evaluations("b", [0.6, 0.5, 0.4, 0.2, 0.3, 0.1], FALLING, "NS GP"),
            evaluations("c", [float("nan")] * 6, FALLING, "LS GP"),
        ]
    )
    order = ["NS GP", "LS GP", "WGAN GP"]
    figure = critic_figure(rows, order, looks_of(order), BY_DISTANCE, 0.95)
    assert figure is not None
    panels = [ax for ax in figure.axes if ax.axison]
    assert [ax.get_title(loc="left") for ax in panels] == ["NS GP", "WGAN GP"]
    assert "0.94" in panels[0].texts[0].get_text() and "1 run" in panels[0].texts[0].get_text()
    line = panels[1].lines[0]
    assert np.asarray(line.get_xydata()).T.tolist() == [[6, 5, 4, 3, 2, 1], FALLING]
    assert critic_figure(rows[rows["id"] == "c"], order, looks_of(order), BY_DISTANCE, 0.95) is None


def trained(store: Store, seed: int, critic: list[float] | None) -> None:
    """A run with seven evaluations; the critic's estimate is in rows after step 0."""
    frozen = config("wgan", "gp", "none", seed)
    run = store.run(run_id(frozen))
    run.create(frozen, RunMeta(), RunStatus(state=DONE, beat=1, step=1500, steps=1500))
    for number, fid in enumerate([100.0, *FALLING]):
        given = {} if critic is None or number == 0 else {"critic": critic[number - 1]}
        add_row(run, 250 * number, fid, given=given)


def test_the_report_has_the_figure_and_the_table_where_rows_have_the_estimate(tmp_path: Path) -> None:
    store, out = Store(tmp_path / "store"), tmp_path / "report"
    trained(store, 0, None)
    make_report(store, out)
    assert "Critic and quality" not in (out / "index.html").read_text()  # an older version's runs
    for seed in (1, 2):
        trained(store, seed, [6.0, 5, 4, 3, 1, 2])
    rows = load_rows(store)
    assert rows["critic"].notna().sum() == 12
    make_report(store, out)
    page = (out / "index.html").read_text()
    assert "Critic and quality" in page and 'src="figures/01-digits-critic.png"' in page
    (table,) = (out / "tables").glob("*-critic.csv")
    (row,) = pd.read_csv(table).to_dict("records")
    assert (row["cell"], row["runs"]) == ("WGAN GP", 2) and row["correlation"] == pytest.approx(1 - 6 * 2 / 210)
    assert "weights at the clip" not in page and np.isnan(row["saturated"])


def test_a_row_of_an_older_version_has_no_estimate_and_a_wrong_one_is_reported(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    trained(store, 0, [6.0, 5, 4, 3, 2, 1])
    file = next(store.run_folders()).metrics_file
    file.write_text(file.read_text().replace('"critic": 6.0', '"critic": "six"'))
    assert collect(store).problems
