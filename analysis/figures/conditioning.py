"""The figure of the generator's conditioning: its spread between runs, and what it has to do with quality."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.estimators.correlation import spearman
from analysis.figures.axes import columns
from analysis.figures.style import RC_PARAMS, CellStyle
from analysis.figures.ticks import log_axis, value_axis
from analysis.loading.cells import countable
from landscape.store import DONE

KAPPA = "log κ of G"
FEWEST = 3  # runs of a cell for a rank correlation
BINS = 12


def scored(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs of a section, one row each, that ended and whose generator's conditioning is known."""
    if "log_condition" not in runs:
        return runs[:0]
    done = countable(runs).drop_duplicates("id")
    found: pd.DataFrame = done[(done["status"] == DONE) & np.isfinite(done["log_condition"].to_numpy(float))]
    return found


def conditioning_figure(runs: pd.DataFrame, styles: Mapping[str, CellStyle], distance: str) -> Figure:
    """Panels: final distances, log kappa and its histogram by cell, and log kappa against distance and IS.

    `runs` is as returned by `scored`; scores that no run has have no panel.
    """
    cells = {label: runs[runs["cell"] == label] for label in styles}
    cells = {label: cell for label, cell in cells.items() if len(cell)}
    draws: list[Callable[[Axes], object]] = [
        *([lambda ax: _spread(ax, cells, styles, "fid", distance, log=True)] if _known(runs, "fid") else []),
        lambda ax: _spread(ax, cells, styles, "log_condition", KAPPA, log=False),
        lambda ax: _histogram(ax, cells, styles),
        *([lambda ax: _against(ax, cells, styles, "fid", distance, log=True)] if _known(runs, "fid") else []),
        *([lambda ax: _against(ax, cells, styles, "is", "IS", log=False)] if _known(runs, "is") else []),
    ]
    with matplotlib.rc_context(RC_PARAMS):
        fig = Figure(figsize=(3.3 * len(draws), 3.6), layout="constrained")
        for ax, draw in zip(fig.subplots(1, len(draws), squeeze=False)[0], draws, strict=True):
            draw(ax)
    return fig


def _known(runs: pd.DataFrame, score: str) -> bool:
    return score in runs and bool(np.isfinite(runs[score].to_numpy(float)).any())


def _spread(
    ax: Axes, cells: Mapping[str, pd.DataFrame], styles: Mapping[str, CellStyle], score: str, name: str, log: bool
) -> None:
    """A column of points per cell, with the standard deviation (of the logarithm) over it."""
    columns(ax, {label: cell[score].to_numpy(float) for label, cell in cells.items()}, styles)
    value_axis(ax, log)
    for x, (label, cell) in enumerate(cells.items()):
        values = cell[score].to_numpy(float)
        values = np.log(values[values > 0]) if log else values
        if np.isfinite(values).sum() > 1:
            ax.text(
                x,
                1.01,
                f"sd {np.nanstd(values, ddof=1):.2g}",
                transform=ax.get_xaxis_transform(),
                ha="center",
                va="bottom",
                fontsize=8,
                color=styles[label].color,
            )
    ax.set_ylabel(f"final {name}" + (" (sd of its log)" if log else ""))
    if len(cells) > 2:
        ax.tick_params(axis="x", labelrotation=45)


def _histogram(ax: Axes, cells: Mapping[str, pd.DataFrame], styles: Mapping[str, CellStyle]) -> None:
    """Steps of common bins, one line per cell."""
    every = np.concatenate([cell["log_condition"].to_numpy(float) for cell in cells.values()])
    edges = np.linspace(every.min(), every.max() + 1e-9, BINS + 1).tolist()
    for label, cell in cells.items():
        ax.hist(cell["log_condition"], edges, histtype="stepfilled", alpha=0.18, color=styles[label].color)
        ax.hist(cell["log_condition"], edges, histtype="step", color=styles[label].color, lw=1.6, label=label)
    ax.legend(frameon=False, fontsize=8)
    ax.set(xlabel=f"final {KAPPA}", ylabel="runs")


def _against(
    ax: Axes, cells: Mapping[str, pd.DataFrame], styles: Mapping[str, CellStyle], score: str, name: str, log: bool
) -> None:
    """A point per run, and each cell's rank correlation."""
    for place, (label, cell) in enumerate(cells.items()):
        style, x, y = styles[label], cell["log_condition"].to_numpy(float), cell[score].to_numpy(float)
        shown = np.isfinite(y) & ((y > 0) | (not log))
        ax.plot(
            x[shown], y[shown], style.marker, color=style.color, ls="none", ms=5.5, alpha=0.85, mec="white", mew=0.5
        )
        found = spearman(cell[shown], "log_condition", score) if shown.sum() >= FEWEST else np.nan
        told = f"{label}: ρ = {found:.2f}" if np.isfinite(found) else f"{label}: no correlation"
        ax.text(
            0.03,
            0.98 - 0.07 * place,
            f"{told} ({shown.sum()} runs)",
            transform=ax.transAxes,
            va="top",
            fontsize=8,
            color=style.color,
        )
    if log:
        log_axis(ax)
    ax.margins(y=0.25)
    ax.set(xlabel=f"final {KAPPA}", ylabel=f"final {name}")
