"""The paper's figures: per data set the top 5 %, all runs, the best of k settings, and the diversity of the top."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import NamedTuple

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.estimators.practitioner import practitioners
from analysis.estimators.simulation import Practitioner
from analysis.estimators.top_share import expected_lowest, top, top_count
from analysis.estimators.tuning_curves import Array, Band, budgets, median_best_band
from analysis.figures import axes as figures
from analysis.figures import paper_layout
from analysis.figures.style import MUTED_COLOR, RC_PARAMS, TEXT_COLOR, CellStyle, cell_styles
from analysis.figures.ticks import Readable, limits, log_axis, log_budget_axis
from analysis.loading.cells import PICKED, SEARCHED, adaptive, comparable, equal_seeds, no_bands, unit_values


class FigureData(NamedTuple):
    """The data of one data set in a figure: comparable runs under one protocol, their `cell` the figure's label.

    `picked` tells whether the runs were filtered by outcome.
    """

    data: str
    distance: str
    runs: pd.DataFrame
    trials: pd.DataFrame
    lines: dict[str, float]  # reference levels of diversity, by name
    picked: bool = False


def block(
    figure: paper_layout.PaperFigure,
    data: str,
    distance: str,
    runs: pd.DataFrame,
    trials: pd.DataFrame,
    lines: dict[str, float],
    picked: bool = False,
) -> FigureData:
    """The runs of `figure`'s cells, labeled and ordered as in the figure."""
    parts = [paper_layout.of_cell(runs, facts).assign(cell=label) for label, facts in figure.cells.items()]
    return FigureData(data, distance, comparable(pd.concat(parts)), trials, lines, picked)


def paper_figure(figure: paper_layout.PaperFigure, blocks: list[FigureData], generator: np.random.Generator) -> Figure:
    """Two rows of panels per data set: top 5 %, all runs; best after k settings, diversity if measured."""
    styles = figure_styles(figure)
    with matplotlib.rc_context(RC_PARAMS):
        fig = Figure(figsize=(11, 7.2 * len(blocks)), layout="constrained")
        axes = fig.subplots(2 * len(blocks), 2)
        for place, one in enumerate(blocks):
            (upper, whole), (lower, diverse) = axes[2 * place], axes[2 * place + 1]
            runs = one.runs
            units = unit_values(runs)
            values = {
                label: units.loc[units["cell"] == label, "worth"].to_numpy(float)
                for label in figure.cells
                if (units["cell"] == label).any()
            }
            searched = {label for label in values if adaptive(runs[runs["cell"] == label])}
            stopped = set(units.loc[units["least"] < units["worth"], "cell"])
            top_runs(upper, values, styles, searched).set(ylabel=f"{one.distance}, log scale")
            upper.set_title(f"{one.data}: {upper.get_title(loc='left')}", pad=18)
            figures.distribution(whole, values, styles, stopped).set(ylabel=f"{one.distance}, log scale")
            whole.set_title("All runs", pad=30 if any(np.isinf(v).any() for v in values.values()) else 6)
            after_settings(lower, one, runs, styles, generator)
            if not diversity(diverse, runs, list(values), styles, one.lines):
                diverse.set_axis_off()
            for ax in (upper, whole, diverse):
                readable_names(ax)
    return fig


def figure_styles(figure: paper_layout.PaperFigure) -> dict[str, CellStyle]:
    """The styles of a figure's cells, as in the rest of the report, by the figure's labels."""
    several = len({facts["arch"] for facts in figure.cells.values()}) > 1
    full = {label: f"{facts['arch']} {label}" if several else label for label, facts in figure.cells.items()}
    made = cell_styles({full[label]: facts for label, facts in figure.cells.items()})
    return {label: made[name] for label, name in full.items()}


def top_runs(
    ax: Axes, values: Mapping[str, Array], styles: Mapping[str, CellStyle], searched: Container[str] = ()
) -> Axes:
    """The lowest ceil(0.05 n) runs of each cell as points (n includes diverged runs), with a box from five on.

    If cells differ in size, an open diamond beside them is the expected lowest among as few runs as the smallest cell
    has. The cells of `searched`, tuned by an adaptive search, have no diamond, because their runs are not exchangeable.
    """
    smallest = min((len(every) for every in values.values()), default=0)
    uneven = any(len(every) != smallest for every in values.values())
    best = {label: top(every) for label, every in values.items()}
    figures.columns(ax, best, styles)
    for x, (label, every) in enumerate(values.items()):
        ax.annotate(
            f"{len(best[label])} of {len(every)}",
            (x, 1.01),
            xycoords=("data", "axes fraction"),
            ha="center",
            va="bottom",
            fontsize=7.5,
            color=MUTED_COLOR,
        )
        if uneven and label not in searched:
            equal = expected_lowest(every, smallest, top_count(smallest))
            equal = equal[np.isfinite(equal)]
            ax.plot(
                np.full(len(equal), x + 0.36),
                equal,
                "D",
                mfc="white",
                mec=styles[label].color,
                ms=4,
                mew=1.1,
                ls="none",
            )
    ax.set_title(f"top 5 % of runs (◇ expected, had each {smallest} runs)" if uneven else "top 5 % of runs")
    return log_axis(ax)


def after_settings(
    ax: Axes, one: FigureData, runs: pd.DataFrame, styles: Mapping[str, CellStyle], generator: np.random.Generator
) -> Axes:
    """The best distance after k settings, log-log: the median for future settings with its band.

    If an adaptive search tuned any cell, all curves are the paper's simulated practitioner instead, without a band.
    Units are runs if each cell has one setting.
    """
    settings = unit_values(equal_seeds(runs), "setting")
    unit = "setting" if (settings.groupby("cell").size() >= 2).any() else "run"
    unbanded = dict.fromkeys(styles, PICKED) if one.picked else no_bands(runs, unit)
    if SEARCHED in unbanded.values():
        simulated = practitioners(runs, one.trials, generator)
        practitioner_curves(ax, simulated, styles)
        ax.set_title("Best after k settings: simulated practitioner, mean")
    else:
        units = settings if unit == "setting" else unit_values(runs)
        found = {
            str(label): median_best_band(
                cell["worth"].to_numpy(float), budgets(len(cell)), least=cell["least"].to_numpy(float)
            )
            for label, cell in units.groupby("cell", sort=False)
        }
        ordered = {label: found[label] for label in styles if label in found}
        banded_curves(ax, ordered, styles, set(unbanded))
        drawn = any(band.bounded.sum() > 1 for label, band in ordered.items() if label not in unbanded)
        ax.set_title(f"Best of k future {unit}s: median{' and 95 % band' if drawn else ''}")
    ax.set(xlabel=f"k, {unit}s", ylabel=f"{one.distance}, log scale")
    return ax


def banded_curves(ax: Axes, found: Mapping[str, Band], styles: Mapping[str, CellStyle], no_band: set[str]) -> Axes:
    """One median per cell with its band, where that is two-sided, on logarithmic axes."""
    lines = {label: (band.ks, band.point) for label, band in found.items()}
    figures.curves(ax, lines, styles)
    for label, band in found.items():
        if label not in no_band and band.bounded.sum() > 1:
            ax.fill_between(
                band.ks, band.lower, band.upper, where=list(band.bounded), color=styles[label].color, alpha=0.1, lw=0
            )
    return _finish(ax, lines, styles, [np.r_[b.point, b.upper[b.bounded], b.lower[b.bounded]] for b in found.values()])


def practitioner_curves(ax: Axes, found: Mapping[str, list[Practitioner]], styles: Mapping[str, CellStyle]) -> Axes:
    """The mean of the best after k settings, a line per search, shaded by twice its Monte-Carlo error."""
    ordered = {label: found[label] for label in styles if label in found}
    lines = {label: (paths[0].ks, paths[0].mean) for label, paths in ordered.items()}
    figures.curves(ax, lines, styles)
    for label, paths in ordered.items():
        for path in paths:
            ax.fill_between(
                path.ks,
                path.mean - 2 * path.error,
                path.mean + 2 * path.error,
                color=styles[label].color,
                alpha=0.25,
                lw=0,
            )
        for path in paths[1:]:
            ax.plot(path.ks, path.mean, color=styles[label].color, ls=styles[label].dash, lw=1)
    return _finish(ax, lines, styles, [path.mean for paths in ordered.values() for path in paths])


def _finish(ax: Axes, lines: figures.Curves, styles: Mapping[str, CellStyle], shown: list[Array]) -> Axes:
    most = max((int(ks[-1]) for ks, _ in lines.values()), default=1)
    if most > 1:
        log_budget_axis(ax, most)
    ax.set_ylim(*limits(np.concatenate(shown) if shown else np.array([])))
    return figures.name_ends(ax, lines, styles)


def diversity(
    ax: Axes, runs: pd.DataFrame, labels: list[str], styles: Mapping[str, CellStyle], lines: Mapping[str, float]
) -> bool:
    """1 - MS-SSIM of the top 5 % by FID of each cell; returns False if none was measured.

    `lines` are reference levels: the diversity of real images, and of real images with noise.
    """
    chosen = {}
    for label in labels:
        cell = runs[(runs["cell"] == label) & runs["worth"].notna()]
        best = cell.sort_values("worth", kind="stable").head(top_count(len(cell)))
        chosen[label] = best["diversity"].dropna().to_numpy(float)
    if not any(len(values) for values in chosen.values()):
        return False
    figures.columns(ax, chosen, styles)
    for level in lines.values():
        figures.reference(ax, level)
    ax.margins(y=0.12)
    ax.yaxis.set_major_locator(Readable())
    ax.set(title="Diversity of the top 5 %", ylabel="1 − MS-SSIM", xlim=ax.get_xlim(), ylim=ax.get_ylim())
    right = np.array([ax.get_xlim()[1]])
    ends = {name: (right, np.array([level])) for name, level in lines.items()}
    figures.name_ends(ax, ends, dict.fromkeys(lines, CellStyle(MUTED_COLOR, ":", "")))
    return True


def readable_names(ax: Axes) -> None:
    """Rotate the names under columns if they would overlap."""
    ticks = ax.get_xticklabels()
    if len(ticks) * (max((len(tick.get_text()) for tick in ticks), default=0) + 2) > 48:  # columns are of one width
        for tick in ticks:
            tick.set(rotation=35, ha="right", rotation_mode="anchor")
    else:
        for tick in ticks:
            tick.set(rotation=0, ha="center")
    for tick in ticks:
        tick.set_color(TEXT_COLOR)
