"""Figures of budgets beyond the count of runs: the study's practitioner, hours, and who beats whom."""

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
from analysis.figures.style import DRESS, INK, MUTED, Look
from analysis.figures.ticks import limits, log_axis, log_budget_axis

WINS, LOSES = "#0072B2", "#E69F00"
MOST_CELLS = 16  # of a matrix of pairs that can still be read


def practitioner_figure(found: Mapping[str, list[Practitioner]], look: Mapping[str, Look], distance: str) -> Figure:
    """The study's practitioner for every cell: the mean of the best after k settings."""
    with matplotlib.rc_context(DRESS):
        fig = Figure(figsize=(6.6, max(4.1, 1 + 0.17 * len(found))), layout="constrained")
        ordered = {label: one for label, one in look.items() if label in found}
        ax = practitioner_curves(fig.subplots(), found, ordered)
        ax.set(title="Grid first, then the search", xlabel="k, settings", ylabel=f"{distance}, log scale")
    return fig


def hours_figure(found: Timed, look: Mapping[str, Look], distance: str, seed: int) -> Figure | None:
    """The median of the best known after so many hours, a panel a clock; None where no cell has two timed runs."""
    if not found.hours:
        return None
    clocks = over_hours(found, seed)
    cells = max(len(curves) for curves in clocks.values())
    longest = max(one.times[-1] for curves in clocks.values() for one in curves.values())
    unit, scale = ("hours", 1) if longest >= 2 else ("minutes", 60)
    unit = f"CPU {unit}" if found.by_cpu else unit
    with matplotlib.rc_context(DRESS):
        fig = Figure(figsize=(5.0 * len(clocks), max(4.1, 1 + 0.17 * cells)), layout="constrained")
        axes = fig.subplots(1, len(clocks), sharey=True, squeeze=False)[0]
        for ax, (clock, curves) in zip(axes, clocks.items(), strict=True):
            scaled = {
                label: curves[label]._replace(times=curves[label].times * scale) for label in look if label in curves
            }
            over_time(ax, scaled, look)
            ax.set(title=f"{unit[0].upper()}{unit[1:]} of {clock}", xlabel=f"{unit}, one run after the other")
        axes[0].set_ylabel(f"{distance}, log scale")
        shown = [np.r_[one.lower, one.upper] for curves in clocks.values() for one in curves.values()]
        axes[0].set_ylim(*limits(np.concatenate(shown)))
        for ax, curves in zip(axes, clocks.values(), strict=True):
            ends: figures.Curves = {label: (scale * one.times[[-1]], one.median[[-1]]) for label, one in curves.items()}
            figures.name_ends(ax, ends, look)
    return fig


def over_time(ax: Axes, curves: Mapping[str, OverTime], look: Mapping[str, Look]) -> Axes:
    """A line a cell over time on logarithmic axes, shaded by Monte-Carlo error alone; none while nothing is known."""
    for label, one in curves.items():
        known = np.where(np.isfinite(one.median), one.median, np.nan)
        every = [*np.linspace(0, len(known) - 1, 7).round().astype(int)]
        colour, marker, dash = look[label]
        ax.plot(
            one.times,
            known,
            color=colour,
            ls=dash,
            marker=marker,
            markevery=every,
            ms=4.5,
            mec="white",
            mew=0.5,
            lw=1.8,
        )
        sure = np.isfinite(one.upper)
        ax.fill_between(one.times, one.lower, one.upper, where=list(sure), color=colour, alpha=0.2, lw=0)
    if curves:
        low = min(float(one.times[0]) for one in curves.values())
        high = max(float(one.times[-1]) for one in curves.values())
        log_budget_axis(ax, high, low)
    return log_axis(ax)


def pairs_figure(table: pd.DataFrame, order: list[str]) -> Figure | None:
    """A matrix a budget: the chance that the row's best of k beats the column's; coloured where an order is claimed.

    `table` as `statements.pair_table` gives it. None for more cells than can be read, and for a single pair.
    """
    cells = [label for label in order if label in {*table["a"], *table["b"]}]
    if not 3 <= len(cells) <= MOST_CELLS:
        return None
    budgets = sorted(table["k"].unique())
    size = 1.3 + 0.44 * len(cells)
    with matplotlib.rc_context(DRESS):
        fig = Figure(
            figsize=((size + 0.3) * len(budgets), size + 0.5), layout=ConstrainedLayoutEngine(compress=True, w_pad=0.15)
        )
        axes = fig.subplots(1, len(budgets), squeeze=False)[0]
        for ax, k in zip(axes, budgets, strict=True):
            pair_matrix(ax, table[table["k"] == k], cells).set_title(f"k = {k}")
    return fig


def pair_matrix(ax: Axes, table: pd.DataFrame, cells: list[str]) -> Axes:
    """Rows beat columns with the chance written, in per cent; blue where surely above one half, orange where below."""
    place = {label: i for i, label in enumerate(cells)}
    n = len(cells)
    for row in table.to_dict("records"):
        i, j, chance, said = place[row["a"]], place[row["b"]], float(row["chance"]), row["said"]
        for x, y, won, colour in (
            (j, i, chance, {"a": WINS, "b": LOSES}.get(said)),
            (i, j, 1 - chance, {"b": WINS, "a": LOSES}.get(said)),
        ):
            if colour:
                ax.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, color=colour, alpha=0.35, lw=0))
            ax.text(x, y, f"{100 * won:.0f}", ha="center", va="center", fontsize=8, color=INK if colour else MUTED)
    ax.set(xlim=(-0.5, n - 0.5), ylim=(n - 0.5, -0.5), aspect="equal")
    ax.set_xticks(range(n), cells, rotation=45, ha="right", rotation_mode="anchor", color=INK)
    ax.set_yticks(range(n), cells, color=INK)
    ax.grid(False)
    ax.tick_params(length=0)
    for at in range(n):
        ax.text(at, at, "·", ha="center", va="center", color=MUTED)
    return ax
