"""The figure of what an answer costs: the chance of the right one by runs and by hours."""

from __future__ import annotations

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.estimators.answer_cost import EQUAL, MOST, WAYS, Pilot, cost_curves
from analysis.figures.axes import name_ends
from analysis.figures.style import MUTED_COLOR, RC_PARAMS, SERIES, CellStyle
from analysis.figures.ticks import log_budget_axis
from landscape.config.seeds import POWER

STYLES = {way: CellStyle(color, "o", dash) for way, color, dash in zip(WAYS, SERIES, ("--", "-", "-"), strict=False)}


def cost_figure(pilot: Pilot, seed: int) -> tuple[Figure, pd.DataFrame] | None:
    """A panel for runs and one for hours, with the numbers; None if no way is ever right."""
    curves = cost_curves(pilot, seed)
    if curves.empty:
        return None
    n, hours = [len(found) for found in pilot.distances], pilot.hours or ()
    took = {f"{pilot.unit}s": float(sum(n)), pilot.clock: float(np.dot(n, hours)) if hours else np.nan}
    whole = {f"{pilot.unit}s": float(MOST * len(n)), pilot.clock: MOST * sum(hours)}
    units = [*curves["unit"].unique()]
    with matplotlib.rc_context(RC_PARAMS):
        fig = Figure(figsize=(5.4 * len(units), 3.6), layout="constrained")
        axes = fig.subplots(1, len(units), sharey=True, squeeze=False)[0]
        for ax, unit in zip(axes, units, strict=True):
            _chances(ax, curves[curves["unit"] == unit], str(unit), took[str(unit)], whole[str(unit)])
        axes[0].set_ylabel("chance of the right answer")
    return fig, curves


def _chances(ax: Axes, curves: pd.DataFrame, unit: str, took: float, whole: float) -> None:
    """A line a way, those of races up to the `whole` of what a race may spend; what the pilot `took` is marked."""
    small = unit.endswith("hours") and curves["spent"].max() < 2
    scale, unit = (60, unit.replace("hours", "minutes")) if small else (1, unit)
    curves = curves.assign(spent=scale * curves["spent"])
    low = float(curves["spent"].min())
    lines = {}
    for way, mine in curves.groupby("by", sort=False):
        color, _, dash = STYLES[str(way)]
        spent, chances = mine["spent"].to_numpy(float), mine["chance"].to_numpy(float)
        xs, ys = np.r_[low, spent], np.r_[0.0, chances]
        if way != EQUAL:
            xs, ys = np.r_[xs, max(scale * whole, spent[-1])], np.r_[ys, chances[-1]]
        ax.plot(xs, ys, color=color, ls=dash, lw=1.8, drawstyle="default" if way == EQUAL else "steps-post")
        lines[str(way)] = xs, ys
    high = max(float(xs[-1]) for xs, _ in lines.values())
    log_budget_axis(ax, high, low)
    ax.axhline(POWER, color=MUTED_COLOR, lw=0.9, ls=(0, (4, 2)), zorder=0)
    if low <= scale * took <= high:
        ax.axvline(scale * took, color=MUTED_COLOR, lw=0.9, ls=(0, (1, 2)), zorder=0)
        place = ax.get_xaxis_transform()
        ax.text(scale * took, 1.01, "these", transform=place, va="bottom", ha="center", fontsize=8, color=MUTED_COLOR)
    ax.set(xlabel=f"{unit} in all, log scale", ylim=(-0.02, 1.02))
    name_ends(ax, lines, STYLES)
