"""The critic's estimate against the score along training, a panel for each cell."""

from __future__ import annotations

import math
from collections.abc import Mapping

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.estimators.critic import cells_told, correlations, median_interval, whole_cell, with_estimates
from analysis.figures.style import MUTED_COLOR, RC_PARAMS, TEXT_COLOR, CellStyle
from analysis.figures.ticks import limits, value_axis
from analysis.loading.measure import Measure
from landscape.config.text import plural


def critic_figure(
    rows: pd.DataFrame, order: list[str], styles: Mapping[str, CellStyle], measure: Measure, confidence: float
) -> Figure | None:
    """A thin line per run through its evaluations, small points first and large ones last; None without estimates.

    Panels share the score; each has its own estimate, as that of one loss is not that of another.
    """
    told = with_estimates(rows)
    told = told[told["cell"].map(whole_cell).isin(order)]
    labels = cells_told(told, order)
    if not labels:
        return None
    columns = min(3, len(labels))
    lines = math.ceil(len(labels) / columns)
    with matplotlib.rc_context(RC_PARAMS):
        fig = Figure(figsize=(0.7 + 3.1 * columns, 0.6 + 2.6 * lines), layout="constrained")
        axes = fig.subplots(lines, columns, sharey=True, squeeze=False).ravel()
        for ax, label in zip(axes, labels, strict=False):
            cell = told[told["cell"] == label]
            color = styles[whole_cell(label)].color
            for _, run in cell.sort_values("step").groupby("id"):
                sizes = np.linspace(5, 32, len(run))
                ax.plot(run["critic"], run["score"], color=color, lw=0.6, alpha=0.5)
                ax.scatter(run["critic"], run["score"], s=sizes, color=color, alpha=0.7, lw=0, zorder=3)
            ax.set_title(label, color=color, fontsize=9.5, pad=17)
            note = _note(cell, confidence)
            ax.text(0, 1.02, note, transform=ax.transAxes, va="bottom", fontsize=8, color=MUTED_COLOR)
            ax.xaxis.set_major_locator(MaxNLocator(5))
            value_axis(ax, measure.ratios)
        for ax in axes[len(labels) :]:
            ax.set_axis_off()
        axes[0].set_ylim(*limits(told["score"].to_numpy(float), measure.ratios))
        fig.supxlabel("the critic's estimate", fontsize=9.5, color=TEXT_COLOR)
        fig.supylabel(measure.axis("log"), fontsize=9.5, color=TEXT_COLOR)
    return fig


def _note(cell: pd.DataFrame, confidence: float) -> str:
    """The median rank correlation within runs, with its interval if there is one."""
    found = correlations(cell)
    found = found[np.isfinite(found)]
    if not len(found):
        return "no rank correlation"
    low, high = median_interval(found, confidence)
    between = "" if np.isnan(low) else f" ({low:.2f} to {high:.2f})"
    said = f"rank correlation {np.median(found):.2f}{between}".replace("-", "−")
    return f"{said}, {plural(len(found), 'run')}"
