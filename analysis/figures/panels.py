"""Figure-level plots: several axes with their titles and labels, and how figures are saved."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from numpy.typing import NDArray

from analysis.estimators.tuning_curves import (
    Array,
    Band,
    budgets,
    chance_all_fail,
    mean_best,
    median_best,
    median_best_band,
)
from analysis.figures import axes as figures
from analysis.figures.style import MUTED_COLOR, RC_PARAMS, TEXT_COLOR, CellStyle
from analysis.figures.ticks import drawn, limits
from analysis.loading.cells import NoBand
from analysis.loading.measure import Measure

UNIT_NAMES = {"run": "single runs", "setting": "settings, each the median of its seeds"}


def budget_figure(
    units: pd.DataFrame,
    paths: Mapping[str, Array],
    styles: Mapping[str, CellStyle],
    measure: Measure,
    unit: str,
    untrained: float,
) -> Figure:
    """Median and mean of the best of k for every cell, and the chance that all k fail if any run did.

    `units` is a frame of `cells.unit_values` for `unit`. `paths` has the best after k trials of cells that are not in
    it, which is drawn with the medians. `untrained` is the step-0 score, NaN if unknown.
    """
    medians: dict[str, tuple[NDArray[np.int64], Array]] = {}
    means, shares = {}, {}
    for label, cell in units.groupby("cell", sort=False):
        values, capped, ks = cell["worth"].to_numpy(float), cell["capped"].to_numpy(float), budgets(len(cell))
        medians[str(label)] = (ks, measure.own(median_best(values, ks, measure.best)))
        if np.isfinite(capped).all():
            means[str(label)] = (ks, measure.own(mean_best(capped, ks, measure.best)))
        lost = int(np.isinf(values).sum())
        if lost:
            shares[str(label)] = (lost, len(cell))
    medians |= {label: (np.arange(1, len(path) + 1), measure.own(path)) for label, path in paths.items()}
    stopped = np.isinf(units["worth"]).sum() > units["diverged"].sum()
    chances, styles = _chances(shares, styles)
    panels = [
        (f"Median of the best of k, future {unit}s" + ", and trials of searches" * bool(paths), medians),
        (f"Mean of the best of k of these {unit}s", means),
    ]
    panels = [(title, lines) for title, lines in panels if lines or lines is medians]
    with matplotlib.rc_context(RC_PARAMS):
        widths = [4.6] * len(panels) + [3.6] * bool(chances)
        fig = Figure(figsize=(sum(widths), max(4.1, 1 + 0.17 * len(medians))), layout="constrained")
        axes = fig.subplots(1, len(widths), width_ratios=widths, squeeze=False)[0]
        for ax, (title, lines) in zip(axes, panels, strict=False):
            figures.curves(ax, lines, styles, measure.ratios).set(title=title, xlabel=f"k ({UNIT_NAMES[unit]})")
        axes[0].set_ylabel(measure.axis("log scale"))
        _same_limits(list(axes[: len(panels)]), untrained, measure.ratios)
        if chances:
            figures.curves(axes[-1], chances, styles, log=False)
            top = max(float(line.max()) for _, line in chances.values())
            axes[-1].set(
                title="Chance that all k diverge" + " or are stopped" * bool(stopped),
                xlabel=f"k (of these {unit}s)",
                ylim=(-0.02 * top, 1.02 * top),
            )
        plotted = [*(lines for _, lines in panels), *([chances] if chances else [])]
        for ax, lines in zip(axes, plotted, strict=True):
            figures.name_ends(ax, lines, styles)
    return fig


def _chances(
    shares: Mapping[str, tuple[int, int]], styles: Mapping[str, CellStyle]
) -> tuple[dict[str, tuple[np.ndarray, np.ndarray]], Mapping[str, CellStyle]]:
    """Curves of the chance that all k diverge; cells with equal shares have one curve, as they would overlap."""
    chances, styles = {}, dict(styles)
    for lost, n in dict.fromkeys(shares.values()):
        labels = [label for label, share in shares.items() if share == (lost, n)]
        name = labels[0] if len(labels) == 1 else f"{lost} of {n}, {len(labels)} cells"
        styles.setdefault(name, CellStyle(MUTED_COLOR, "o", "-"))
        chances[name] = (budgets(n), chance_all_fail(lost, n, budgets(n)))
    return chances, styles


def band_figure(
    units: pd.DataFrame, no_band: Mapping[str, NoBand], styles: Mapping[str, CellStyle], measure: Measure, unit: str
) -> Figure | None:
    """A small panel per cell: median of the best of k for future runs, with its 95 % band.

    Cells of `no_band` get the curve and the note alone. None if no cell has enough values for a bound.
    """
    found: dict[str, tuple[Band, str]] = {}
    for label, cell in units.groupby("cell", sort=False):
        values = cell["worth"].to_numpy(float)
        ks = budgets(len(values))
        result = median_best_band(values, ks, least=cell["least"].to_numpy(float), best=measure.best)
        if str(label) in no_band:
            lower, upper = np.full(len(ks), measure.best), np.full(len(ks), np.inf)
            found[str(label)] = replace(result, lower=lower, upper=upper), no_band[str(label)].note
        elif not np.isfinite(result.point).any():
            found[str(label)] = result, f"all {len(values)} diverged"
        elif not result.bounded_above.any():
            found[str(label)] = result, f"{len(values)} {unit}{'s bound' if len(values) > 1 else ' bounds'} nothing"
        else:
            found[str(label)] = result, ""
    if not any(result.bounded_above.any() for result, _ in found.values()):
        return None
    every = [np.r_[b.point, b.upper, b.lower] for b, _ in found.values()]
    low, high = limits(measure.own(np.concatenate(every)), measure.ratios)
    bottom = measure.own(high) if measure.higher else low
    most = max(int(result.ks[-1]) for result, _ in found.values())

    def draw(ax: Axes, label: str) -> None:
        figures.band(ax, found[label][0], styles[label], bottom, found[label][1], most, measure)

    return _facets(list(found), draw, styles, f"k ({UNIT_NAMES[unit]})", measure.axis("log"), (low, high))


def distribution_figure(
    units: pd.DataFrame, styles: Mapping[str, CellStyle], measure: Measure, untrained: float
) -> Figure:
    """The final score of every run, a column per cell."""
    values = {
        str(label): measure.own(cell["worth"].to_numpy(float)) for label, cell in units.groupby("cell", sort=False)
    }
    stopped = set(units.loc[units["least"] < units["worth"], "cell"])
    with matplotlib.rc_context(RC_PARAMS):
        fig = Figure(
            figsize=(max(5.5, min(1.6 + 1.15 * len(values), max(9.5, 1.6 + 0.42 * len(values)))), 4.2),
            layout="constrained",
        )
        ax = fig.subplots()
        figures.distribution(ax, values, styles, stopped, measure.ratios).set(
            ylabel=f"final {measure.axis('log scale')}"
        )
        _same_limits([ax], untrained, measure.ratios)
    return fig


def training_figure(rows: pd.DataFrame, order: list[str], styles: Mapping[str, CellStyle], measure: Measure) -> Figure:
    """A small panel per cell: the column `score` over D updates, as in `axes.training`."""
    low, high = limits(rows["score"].to_numpy(float), measure.ratios)
    labels = [label for label in order if (rows["cell"] == label).any()]

    def draw(ax: Axes, label: str) -> None:
        figures.training(ax, rows[rows["cell"] == label], styles[label], measure.ratios)

    return _facets(labels, draw, styles, "D updates", measure.axis("log"), (low, high))


def floor_figure(by_n: Sequence[tuple[int, float]], n_fake: int, distance: str) -> Figure:
    """Distance of held-out real images by their number; `by_n` is a protocol's floor (`protocols.floor_by_n`)."""
    counts, distances = (np.asarray(part, float) for part in zip(*by_n, strict=True))
    with matplotlib.rc_context(RC_PARAMS):
        fig = Figure(figsize=(9.2, 2.8), layout="constrained")
        ax = fig.subplots()
        figures.floor(ax, counts, distances, n_fake).set(xlabel="real images, log scale", ylabel=f"{distance}, log")
    return fig


def save(fig: Figure, stem: Path) -> None:
    """Write `stem`.png (150 dpi), `stem`.svg and `stem`.pdf; equal figures give identical files."""
    with matplotlib.rc_context(RC_PARAMS):
        fig.savefig(stem.with_suffix(".png"), dpi=150, metadata={"Software": None})
        fig.set_layout_engine(None)  # one layout for all three
        for text in fig.findobj(Text):
            # Ligatures would embed a second font in each PDF, half of its cost, and break text search.
            if hasattr(text, "set_fontfeatures"):  # older versions of matplotlib make no ligatures
                text.set_fontfeatures(("-liga",))
        fig.savefig(stem.with_suffix(".svg"), metadata={"Date": None})
        fig.savefig(stem.with_suffix(".pdf"), metadata={"CreationDate": None})


def _facets(
    labels: list[str],
    draw: Callable[[Axes, str], None],
    styles: Mapping[str, CellStyle],
    xlabel: str,
    ylabel: str,
    limits: tuple[float, float],
) -> Figure:
    columns = min(3, len(labels)) or 1
    lines = max(1, math.ceil(len(labels) / columns))
    with matplotlib.rc_context(RC_PARAMS):
        fig = Figure(figsize=(0.7 + 3.1 * columns, 0.5 + 2.2 * lines), layout="constrained")
        axes = fig.subplots(lines, columns, sharex=True, sharey=True, squeeze=False).ravel()
        for ax, label in zip(axes, labels, strict=False):
            draw(ax, label)
            ax.set_title(label, color=styles[label].color)
        for ax in axes[len(labels) :]:
            ax.set_axis_off()
        for place, ax in enumerate(axes[: len(labels)]):
            if place + columns >= len(labels):
                ax.tick_params(labelbottom=True)
        axes[0].set_ylim(*limits)
        fig.supxlabel(xlabel, fontsize=9.5, color=TEXT_COLOR)
        fig.supylabel(ylabel, fontsize=9.5, color=TEXT_COLOR)
    return fig


def _same_limits(axes: list[Axes], untrained: float, log: bool) -> None:
    """Give axes one range, which includes the untrained generator's score unless that takes over half the height.

    In that case a note at the edge names it.
    """
    shown = np.concatenate([drawn(ax.yaxis) for ax in axes])
    low, high = limits(shown, log)
    if not math.isfinite(untrained) or (log and untrained <= 0):
        near = True
    else:
        wide, at = limits(np.append(shown, untrained), log), math.log if log else float
        near = at(high) - at(low) >= 0.5 * (at(wide[1]) - at(wide[0]))
        low, high = wide if near else (low, high)
    for ax in axes:
        ax.set_ylim(low, high)
        if not near:
            figures.beyond(ax, f"untrained generator: {untrained:.4g}", untrained > high)
        elif low < untrained < high:
            figures.reference(ax, untrained, "untrained generator")
