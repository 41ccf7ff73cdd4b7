"""The figure of conditioning: which panels there are, what they say, and which runs are in it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.figures.conditioning import conditioning_figure, scored
from analysis.figures.style import CellStyle

STYLES = {"NS W/O": CellStyle("#0072B2", "o", "-"), "NS W/O CLAMP": CellStyle("#D55E00", "s", "--")}


def runs(**more: Any) -> pd.DataFrame:
    """Ten runs of each cell. Without clamping the distance rises with log kappa, with it it does not depend on it."""
    rng = np.random.default_rng(0)
    kappa = np.concatenate([np.linspace(4, 14, 10), np.linspace(4, 5, 10)])
    fid = np.exp(np.concatenate([kappa[:10] / 10, rng.permutation(10) / 100]))
    frame = pd.DataFrame({"cell": np.repeat(list(STYLES), 10), "log_condition": kappa, "fid": fid, "is": 10 - fid})
    return frame.assign(**more)


def texts(frame: pd.DataFrame) -> list[list[str]]:
    fig = conditioning_figure(frame, STYLES, "Fréchet distance")
    return [[text.get_text() for text in ax.texts] for ax in fig.axes]


def test_its_panels_and_what_stands_on_them() -> None:
    distance, kappa, histogram, fid, inception = texts(runs())
    assert distance[0] == "sd 0.34" and kappa == ["sd 3.4", "sd 0.34"] and histogram == []
    assert fid[0] == "NS W/O: ρ = 1.00 (10 runs)" and inception[0] == "NS W/O: ρ = -1.00 (10 runs)"
    assert fid[1].startswith("NS W/O CLAMP: ρ = ") and "1.00" not in fid[1]
    bars = conditioning_figure(runs(), STYLES, "d").axes[2]
    assert bars.get_xlabel() == "final log κ of G" and len(bars.get_legend().get_texts()) == 2


def test_a_score_that_no_run_has_has_no_panel() -> None:
    assert len(texts(runs(**{"is": np.nan}))) == 4 and len(texts(runs(**{"is": np.nan, "fid": np.nan}))) == 2


@pytest.mark.parametrize("count", [1, 2])
def test_few_runs_have_no_correlation(count: int) -> None:
    few = runs().groupby("cell").head(count)
    assert all("no correlation" in text for text in texts(few)[3])


def test_runs_that_diverged_or_were_not_asked_are_left_out() -> None:
    ids = [str(i) for i in range(20)]
    frame = runs(id=ids, status="done", stage="grid", superseded=None)
    frame.loc[0, "status"], frame.loc[1, "log_condition"] = "diverged", np.nan
    assert list(scored(frame)["id"]) == ids[2:]
    assert scored(frame.drop(columns="log_condition")).empty
