"""Figures over other budgets than the count of runs (settings of a practitioner, hours), and the matrix of pairs."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Rectangle

from analysis.estimators.simulation import OverTime, Practitioner
from analysis.estimators.time_budget import Timed, over_hours
from analysis.figures import axes as figures
from analysis.figures.paper import practitioner_curves
from analysis.figures.style import MUTED_COLOR, RC_PARAMS, TEXT_COLOR, CellStyle
from analysis.figures.ticks import limits, log_budget_axis, value_axis
from analysis.loading.measure import Measure

WINS, LOSES = "#0072B2", "#E69F00"
MOST_CELLS = 16  # in a matrix of pairs; more cannot be read


def practitioner_figure(
    found: Mapping[str, list[Practitioner]], styles: Mapping[str, CellStyle], distance: str
) -> Figure:
    """The paper's simulated practitioner for every cell: the mean of the best after k settings."""
    with matplotlib.rc_context(RC_PARAMS):
        fig = Figure(figsize=(6.6, max(4.1, 1 + 0.17 * len(found))), layout="constrained")
        ordered = {label: one for label, one in styles.items() if label in found}
        ax = practitioner_curves(fig.subplots(), found, ordered)
        ax.set(title="Grid first, then the search", xlabel="k, settings", ylabel=f"{distance}, log scale")
    return fig


def hours_figure(found: Timed, styles: Mapping[str, CellStyle], measure: Measure, seed: int) -> Figure | None:
    """Median of the best score over hours, a panel per kind of cost; None if no cell has two timed runs."""
    if not found.hours:
        return None
    clocks = {
        clock: {label: _own(one, measure) for label, one in curves.items()}
        for clock, curves in over_hours(found, seed).items()
    }
    cells = max(len(curves) for curves in clocks.values())
    longest = max(one.times[-1] for curves in clocks.values() for one in curves.values())
    unit, scale = ("hours", 1) if longest >= 2 else ("minutes", 60)
    unit = f"CPU {unit}" if found.by_cpu else unit
    with matplotlib.rc_context(RC_PARAMS):
        fig = Figure(figsize=(5.0 * len(clocks), max(4.1, 1 + 0.17 * cells)), layout="constrained")
        axes = fig.subplots(1, len(clocks), sharey=True, squeeze=False)[0]
        for ax, (clock, curves) in zip(axes, clocks.items(), strict=True):
            scaled = {
                label: curves[label]._replace(times=curves[label].times * scale) for label in styles if label in curves
            }
            over_time(ax, scaled, styles, measure.ratios)
            ax.set(title=f"{unit[0].upper()}{unit[1:]} of {clock}", xlabel=f"{unit}, one run at a time")
        axes[0].set_ylabel(measure.axis("log scale"))
        shown = [np.r_[one.lower, one.upper] for curves in clocks.values() for one in curves.values()]
        axes[0].set_ylim(*limits(np.concatenate(shown), measure.ratios))
        for ax, curves in zip(axes, clocks.values(), strict=True):
            ends: figures.Curves = {label: (scale * one.times[[-1]], one.median[[-1]]) for label, one in curves.items()}
            figures.name_ends(ax, ends, styles)
    return fig


def _own(one: OverTime, measure: Measure) -> OverTime:
    """A curve in the score's own units."""
    return OverTime(one.times, *(measure.own(line) for line in (one.median, one.lower, one.upper)))


def over_time(ax: Axes, curves: Mapping[str, OverTime], styles: Mapping[str, CellStyle], log: bool = True) -> Axes:
    """A line per cell over log time, shaded by Monte-Carlo error; it begins with the first finite median."""
    for label, one in curves.items():
        known = np.where(np.isfinite(one.median), one.median, np.nan)
        every = [*np.linspace(0, len(known) - 1, 7).round().astype(int)]
        color, marker, dash = styles[label]
        ax.plot(
            one.times,
            known,
            color=color,
            ls=dash,
            marker=marker,
            markevery=every,
            ms=4.5,
            mec="white",
            mew=0.5,
            lw=1.8,
        )
        sure = np.isfinite(one.upper)
        ax.fill_between(one.times, one.lower, one.upper, where=list(sure), color=color, alpha=0.2, lw=0)
    if curves:
        low = min(float(one.times[0]) for one in curves.values())
        high = max(float(one.times[-1]) for one in curves.values())
        log_budget_axis(ax, high, low)
    return value_axis(ax, log)


def pairs_figure(table: pd.DataFrame, order: list[str]) -> Figure | None:
    """A matrix per budget: the chance that the row's best of k beats the column's, colored where an order is claimed.

    `table` is as from `analysis.tables.pairs.pair_table`. None for fewer than 3 and more than `MOST_CELLS` cells.
    """
    cells = [label for label in order if label in {*table["a"], *table["b"]}]
    if not 3 <= len(cells) <= MOST_CELLS:
        return None
    budgets = sorted(table["k"].unique())
    size = 1.3 + 0.44 * len(cells)
    with matplotlib.rc_context(RC_PARAMS):
        fig = Figure(
            figsize=((size + 0.3) * len(budgets), size + 0.5), layout=ConstrainedLayoutEngine(compress=True, w_pad=0.15)
        )
        axes = fig.subplots(1, len(budgets), squeeze=False)[0]
        for ax, k in zip(axes, budgets, strict=True):
            pair_matrix(ax, table[table["k"] == k], cells).set_title(f"k = {k}")
    return fig


def pair_matrix(ax: Axes, table: pd.DataFrame, cells: list[str]) -> Axes:
    """The chance in percent that the row beats the column: blue if the row is claimed better, orange if worse."""
    place = {label: i for i, label in enumerate(cells)}
    n = len(cells)
    for row in table.to_dict("records"):
        i, j, chance, said = place[row["a"]], place[row["b"]], float(row["chance"]), row["said"]
        for x, y, won, color in (
            (j, i, chance, {"a": WINS, "b": LOSES}.get(said)),
            (i, j, 1 - chance, {"b": WINS, "a": LOSES}.get(said)),
        ):
            if color:
                ax.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, color=color, alpha=0.35, lw=0))
            ax.text(
                x,
                y,
                f"{100 * won:.0f}",
                ha="center",
                va="center",
                fontsize=8,
                color=TEXT_COLOR if color else MUTED_COLOR,
            )
    ax.set(xlim=(-0.5, n - 0.5), ylim=(n - 0.5, -0.5), aspect="equal")
    ax.set_xticks(range(n), cells, rotation=45, ha="right", rotation_mode="anchor", color=TEXT_COLOR)
    ax.set_yticks(range(n), cells, color=TEXT_COLOR)
    ax.grid(False)
    ax.tick_params(length=0)
    for at in range(n):
        ax.text(at, at, "·", ha="center", va="center", color=MUTED_COLOR)
    return ax
