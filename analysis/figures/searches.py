"""The figure of repeated searches of a cell: each search's best after k trials, their median and its band."""

from __future__ import annotations

import math
from collections.abc import Mapping

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.estimators.repeated_searches import KNOTS, Several, needed
from analysis.figures.style import MUTED_COLOR, RC_PARAMS, TEXT_COLOR, CellStyle
from analysis.figures.ticks import budget_axis, limits, value_axis
from analysis.loading.measure import Measure
from landscape.config.text import plural


def several_figure(found: Mapping[str, list[Several]], styles: Mapping[str, CellStyle], measure: Measure) -> Figure:
    """A panel per cell and sampler, on common axes."""
    panels = [(label, one) for label in styles if label in found for one in found[label]]
    columns = min(3, len(panels))
    lines = math.ceil(len(panels) / columns)
    with matplotlib.rc_context(RC_PARAMS):
        fig = Figure(figsize=(0.7 + 3.4 * columns, 0.5 + 2.7 * lines), layout="constrained")
        axes = fig.subplots(lines, columns, sharex=True, sharey=True, squeeze=False).ravel()
        for ax, (label, one) in zip(axes, panels, strict=False):
            searches(ax, one, styles[label], measure)
            ax.set_title(f"{label}, {len(one.paths)} searches ({one.name})", color=styles[label].color)
        for ax in axes[: len(panels)]:
            budget_axis(ax, max(len(path) for _, one in panels for path in one.paths))
        every = measure.own(np.concatenate([path for _, one in panels for path in one.paths]))
        axes[0].set_ylim(*limits(every, measure.ratios))
        for ax in axes[len(panels) :]:
            ax.set_axis_off()
        for place, ax in enumerate(axes[: len(panels)]):
            if place + columns >= len(panels):
                ax.tick_params(labelbottom=True)
        fig.supxlabel("k, trials of a search", fontsize=9.5, color=TEXT_COLOR)
        fig.supylabel(measure.axis("log"), fontsize=9.5, color=TEXT_COLOR)
    return fig


def searches(ax: Axes, one: Several, style: CellStyle, measure: Measure) -> Axes:
    """A thin line per search; with enough of them the median, its band at each k (shaded) and for all k (dashed)."""
    for path in one.paths:
        known = measure.own(np.where(np.isfinite(path), path, np.nan))
        ax.step(np.arange(1, len(path) + 1), known, where="post", color=style.color, lw=0.8, alpha=0.55)
    ks = np.arange(1, len(one.median) + 1)
    if one.each_k:
        middle = measure.own(np.where(np.isfinite(one.median), one.median, np.nan))
        ax.step(ks, middle, where="post", color=style.color, lw=2.2)
        lower, upper = one.each_k
        sure = np.isfinite(upper)
        ends = measure.own(lower), measure.own(upper)
        ax.fill_between(ks, *ends, where=list(sure), step="post", color=style.color, alpha=0.22, lw=0)
    if one.all_k:
        for bound in one.all_k:
            shown = measure.own(np.where(np.isfinite(bound), bound, np.nan))
            ax.step(ks, shown, where="post", color=TEXT_COLOR, lw=0.9, ls=(0, (4, 2)))
    note = ""
    if one.missing:
        note = f"no band: {plural(one.missing, 'more search')} needed"
    elif not one.all_k:
        missing = needed(knots=KNOTS) - len(one.paths)
        note = f"band for all k at once: {plural(missing, 'more search')} needed"
    ax.text(0.97, 0.97, note, transform=ax.transAxes, ha="right", va="top", fontsize=8, color=MUTED_COLOR)
    return value_axis(ax, measure.ratios)
