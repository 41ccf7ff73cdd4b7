"""The study's figures: of each data set the top 5 %, all runs, the best of k settings, and the diversity of the top."""

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
from analysis.figures.style import DRESS, INK, MUTED, Look, looks
from analysis.figures.ticks import Readable, limits, log_axis, log_budget_axis
from analysis.loading.cells import PICKED, SEARCHED, adaptive, comparable, equal_seeds, no_bands, worths


class Block(NamedTuple):
    """One data set's share of a study's figure: comparable runs under one protocol, their `cell` the figure's label;
    `picked`: whether they were picked by what came of them."""

    data: str
    distance: str
    runs: pd.DataFrame
    trials: pd.DataFrame
    lines: dict[str, float]  # levels of diversity to draw, by name
    picked: bool = False


def block(
    figure: paper_layout.Figure,
    data: str,
    distance: str,
    runs: pd.DataFrame,
    trials: pd.DataFrame,
    lines: dict[str, float],
    picked: bool = False,
) -> Block:
    """The runs of `figure`'s cells, named as in the figure and in its order."""
    parts = [paper_layout.of_cell(runs, facts).assign(cell=label) for label, facts in figure.cells.items()]
    return Block(data, distance, comparable(pd.concat(parts)), trials, lines, picked)


def study_figure(figure: paper_layout.Figure, blocks: list[Block], generator: np.random.Generator) -> Figure:
    """Two rows of panels a data set: top 5 % and all runs; best after k settings and, where measured, diversity."""
    look = figure_looks(figure)
    with matplotlib.rc_context(DRESS):
        fig = Figure(figsize=(11, 7.2 * len(blocks)), layout="constrained")
        axes = fig.subplots(2 * len(blocks), 2)
        for place, one in enumerate(blocks):
            (upper, whole), (lower, diverse) = axes[2 * place], axes[2 * place + 1]
            runs = one.runs
            units = worths(runs)
            values = {
                label: units.loc[units["cell"] == label, "worth"].to_numpy(float)
                for label in figure.cells
                if (units["cell"] == label).any()
            }
            searched = {label for label in values if adaptive(runs[runs["cell"] == label])}
            stopped = set(units.loc[units["least"] < units["worth"], "cell"])
            top_runs(upper, values, look, searched).set(ylabel=f"{one.distance}, log scale")
            upper.set_title(f"{one.data}: {upper.get_title(loc='left')}", pad=18)
            figures.distribution(whole, values, look, stopped).set(ylabel=f"{one.distance}, log scale")
            whole.set_title("All runs", pad=30 if any(np.isinf(v).any() for v in values.values()) else 6)
            after_settings(lower, one, runs, look, generator)
            if not diversity(diverse, runs, list(values), look, one.lines):
                diverse.set_axis_off()
            for ax in (upper, whole, diverse):
                readable_names(ax)
    return fig


def figure_looks(figure: paper_layout.Figure) -> dict[str, Look]:
    """The looks of a figure's cells: by what they are, whatever the figure calls them."""
    several = len({facts["arch"] for facts in figure.cells.values()}) > 1
    full = {label: f"{facts['arch']} {label}" if several else label for label, facts in figure.cells.items()}
    made = looks({full[label]: facts for label, facts in figure.cells.items()})
    return {label: made[name] for label, name in full.items()}


def top_runs(ax: Axes, values: Mapping[str, Array], look: Mapping[str, Look], searched: Container[str] = ()) -> Axes:
    """The lowest ceil(0.05 n) runs of each cell as points, diverged runs in n; a box from five finite ones on.

    Where cells differ in size, an open diamond beside them is what the cell's lowest would be expected to be among as
    few runs as the smallest cell has; cells `searched` by looking at results have
    none: no run of theirs stands for another.
    """
    smallest = min((len(every) for every in values.values()), default=0)
    uneven = any(len(every) != smallest for every in values.values())
    best = {label: top(every) for label, every in values.items()}
    figures.columns(ax, best, look)
    for x, (label, every) in enumerate(values.items()):
        ax.annotate(
            f"{len(best[label])} of {len(every)}",
            (x, 1.01),
            xycoords=("data", "axes fraction"),
            ha="center",
            va="bottom",
            fontsize=7.5,
            color=MUTED,
        )
        if uneven and label not in searched:
            equal = expected_lowest(every, smallest, top_count(smallest))
            equal = equal[np.isfinite(equal)]
            ax.plot(
                np.full(len(equal), x + 0.36), equal, "D", mfc="white", mec=look[label].colour, ms=4, mew=1.1, ls="none"
            )
    ax.set_title(f"top 5 % of runs (◇ expected, had each {smallest} runs)" if uneven else "top 5 % of runs")
    return log_axis(ax)


def after_settings(
    ax: Axes, one: Block, runs: pd.DataFrame, look: Mapping[str, Look], generator: np.random.Generator
) -> Axes:
    """The best distance after k settings, log-log: the median for settings to come with its band, or the practitioner.

    Where a cell was searched by looking at results, all curves are the study's simulated practitioner, without a band.
    Single runs take the place of settings where each cell has one setting.
    """
    settings = worths(equal_seeds(runs), "setting")
    unit = "setting" if (settings.groupby("cell").size() >= 2).any() else "run"
    unbanded = dict.fromkeys(look, PICKED) if one.picked else no_bands(runs, unit)
    if SEARCHED in unbanded.values():
        simulated = practitioners(runs, one.trials, generator)
        practitioner_curves(ax, simulated, look)
        ax.set_title("Best after k settings: the study's practitioner, mean")
    else:
        units = settings if unit == "setting" else worths(runs)
        found = {
            str(label): median_best_band(
                cell["worth"].to_numpy(float), budgets(len(cell)), least=cell["least"].to_numpy(float)
            )
            for label, cell in units.groupby("cell", sort=False)
        }
        ordered = {label: found[label] for label in look if label in found}
        banded_curves(ax, ordered, look, set(unbanded))
        drawn = any(band.bounded.sum() > 1 for label, band in ordered.items() if label not in unbanded)
        ax.set_title(f"Best of k {unit}s to come: median{' and 95 % band' if drawn else ''}")
    ax.set(xlabel=f"k, {unit}s", ylabel=f"{one.distance}, log scale")
    return ax


def banded_curves(ax: Axes, found: Mapping[str, Band], look: Mapping[str, Look], no_band: set[str]) -> Axes:
    """One median a cell, its band lightly behind it where it bounds both sides; on logarithmic axes."""
    lines = {label: (band.ks, band.point) for label, band in found.items()}
    figures.curves(ax, lines, look)
    for label, band in found.items():
        if label not in no_band and band.bounded.sum() > 1:
            ax.fill_between(
                band.ks, band.lower, band.upper, where=list(band.bounded), color=look[label].colour, alpha=0.1, lw=0
            )
    return _finish(ax, lines, look, [np.r_[b.point, b.upper[b.bounded], b.lower[b.bounded]] for b in found.values()])


def practitioner_curves(ax: Axes, found: Mapping[str, list[Practitioner]], look: Mapping[str, Look]) -> Axes:
    """The mean of the best after k settings, a line a search; the shade is twice its Monte-Carlo error."""
    ordered = {label: found[label] for label in look if label in found}
    lines = {label: (paths[0].ks, paths[0].mean) for label, paths in ordered.items()}
    figures.curves(ax, lines, look)
    for label, paths in ordered.items():
        for path in paths:
            ax.fill_between(
                path.ks,
                path.mean - 2 * path.error,
                path.mean + 2 * path.error,
                color=look[label].colour,
                alpha=0.25,
                lw=0,
            )
        for path in paths[1:]:
            ax.plot(path.ks, path.mean, color=look[label].colour, ls=look[label].dash, lw=1)
    return _finish(ax, lines, look, [path.mean for paths in ordered.values() for path in paths])


def _finish(ax: Axes, lines: figures.Curves, look: Mapping[str, Look], shown: list[Array]) -> Axes:
    most = max((int(ks[-1]) for ks, _ in lines.values()), default=1)
    if most > 1:
        log_budget_axis(ax, most)
    ax.set_ylim(*limits(np.concatenate(shown) if shown else np.array([])))
    return figures.name_ends(ax, lines, look)


def diversity(
    ax: Axes, runs: pd.DataFrame, labels: list[str], look: Mapping[str, Look], lines: Mapping[str, float]
) -> bool:
    """1 - MS-SSIM of the models that FID chose, the top 5 % of each cell; whether there was any to draw.

    `lines` are levels to compare with: the diversity of real images, and of the same with noise.
    """
    chosen = {}
    for label in labels:
        cell = runs[(runs["cell"] == label) & runs["worth"].notna()]
        best = cell.sort_values("worth", kind="stable").head(top_count(len(cell)))
        chosen[label] = best["diversity"].dropna().to_numpy(float)
    if not any(len(values) for values in chosen.values()):
        return False
    figures.columns(ax, chosen, look)
    for level in lines.values():
        figures.reference(ax, level)
    ax.margins(y=0.12)
    ax.yaxis.set_major_locator(Readable())
    ax.set(
        title="Diversity of the top 5 %, chosen by FID", ylabel="1 − MS-SSIM", xlim=ax.get_xlim(), ylim=ax.get_ylim()
    )
    right = np.array([ax.get_xlim()[1]])
    ends = {name: (right, np.array([level])) for name, level in lines.items()}
    figures.name_ends(ax, ends, dict.fromkeys(lines, Look(MUTED, ":", "")))
    return True


def readable_names(ax: Axes) -> None:
    """Turn the names under columns where they would run into one another."""
    ticks = ax.get_xticklabels()
    if len(ticks) * (max((len(tick.get_text()) for tick in ticks), default=0) + 2) > 48:  # columns are of one width
        for tick in ticks:
            tick.set(rotation=35, ha="right", rotation_mode="anchor")
    else:
        for tick in ticks:
            tick.set(rotation=0, ha="center")
    for tick in ticks:
        tick.set_color(INK)
