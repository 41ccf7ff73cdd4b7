"""The figures of a race: who left when, and the evidence of each pair against its thresholds."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from analysis.figures.axes import name_ends
from analysis.figures.style import DASHES, FAINT_COLOR, MUTED_COLOR, RC_PARAMS, SERIES, SPARE, TEXT_COLOR, CellStyle
from analysis.figures.ticks import Readable, limits, log_axis, visible

KNOWN = ("#ffffff", "#cfe3f1", "#5fa3d0")  # no claim, calibrated, certified


def race_styles(names: Sequence[str]) -> dict[str, CellStyle]:
    """A color for each cell of a race, by its place; a dash too where there are more cells than colors."""
    colors = (*SERIES, *SPARE)
    return {name: CellStyle(colors[i % 16], "o", DASHES[i // 16 % 4]) for i, name in enumerate(names)}


def course_figure(
    looks: pd.DataFrame, names: Sequence[str], left: dict[int, int], bars: Sequence[tuple[str, float]], measure: str
) -> Figure:
    """Over the runs of the race, for each cell while it runs: its quantile, and the evidence that another is better.

    `looks` is a frame of `looks_frame`; `left` has the round in which a cell left; `bars` are the thresholds.
    """
    styles = race_styles(names)
    with matplotlib.rc_context(RC_PARAMS):
        fig = Figure(figsize=(9.2, max(5.4, 1.5 + 0.36 * len(names))), layout="constrained")
        above, below = fig.subplots(2, 1, sharex=True, height_ratios=(3, 2))
        lines = _lines(above, looks, "quantile", names, left, styles)
        log_axis(above)
        above.set(title=f"{measure} of each cell that is left; a cross where it leaves", ylabel=f"{measure}, log scale")
        _lines(below, looks[looks["round"] > 1], "against", names, left, styles)
        most = max([looks["against"].max() if len(looks) else 0.0, *(value for _, value in bars)])
        for text, value in bars:
            below.axhline(value, color=MUTED_COLOR, lw=0.9, ls=(0, (4, 2)))
            below.text(1.01, value, text, transform=below.get_yaxis_transform(), va="center", fontsize=8.5)
        below.set(
            title="Evidence that another cell is better",
            xlabel="runs of the race so far",
            ylabel="log evidence",
            ylim=(-0.04 * most, 1.12 * most),
        )
        below.xaxis.set_major_locator(Readable(whole=True))
        last = int(looks["runs"].max()) if len(looks) else 1
        below.set_xlim(0, 1.02 * last)
        if lines:
            ends = np.array([ys[-1] for _, ys in lines.values()])
            every = np.concatenate([ys for _, ys in lines.values()])
            above.set_ylim(*limits(np.append(every, ends)))
            name_ends(above, lines, styles)
    return fig


def _lines(
    ax: Axes, looks: pd.DataFrame, key: str, names: Sequence[str], left: dict[int, int], styles: dict[str, CellStyle]
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """A line per cell, with a cross at the look after which it left; those that can be drawn."""
    drawn = {}
    for cell, mine in looks.groupby("cell"):
        name = names[int(str(cell))]
        xs, ys = mine["runs"].to_numpy(float), mine[key].to_numpy(float)
        shown = visible(ys) if key == "quantile" else ys
        style = styles[name]
        ax.plot(xs, shown, color=style.color, ls=style.dash, lw=1.8, marker=".", ms=5, clip_on=False)
        known = np.flatnonzero(np.isfinite(shown))
        if not len(known):
            continue
        if int(str(cell)) in left:
            ax.plot(xs[known[-1]], shown[known[-1]], "X", color=style.color, ms=9, mec="white", clip_on=False)
        drawn[name] = (xs[: known[-1] + 1], np.where(np.isfinite(shown), shown, np.nan)[: known[-1] + 1])
    return drawn


def evidence_figure(pairs: pd.DataFrame, names: Sequence[str], bars: tuple[float, float]) -> Figure:
    """For each pair, the most evidence seen that the row's cell is better than the column's; colored where it passes
    the threshold by which cells leave, and the one that certifies."""
    n = len(names)
    seen = np.zeros((n, n))
    seen[pairs["a"].to_numpy(int), pairs["b"].to_numpy(int)] = pairs["evidence"].to_numpy(float)
    known = (seen >= bars[0]).astype(int) + (seen >= max(bars))
    with matplotlib.rc_context({**RC_PARAMS, "axes.grid": False}):
        fig = Figure(figsize=(2.6 + 0.72 * n, 1.9 + 0.5 * n), layout="constrained")
        ax = fig.subplots()
        ax.imshow(known, cmap=ListedColormap(KNOWN), vmin=0, vmax=2, aspect="auto")
        for a in range(n):
            for b in range(n):
                text = "" if a == b else f"{seen[a, b]:.1f}" if seen[a, b] > 0 else "0"
                color = TEXT_COLOR if known[a, b] else MUTED_COLOR
                ax.text(b, a, text, ha="center", va="center", color=color, fontsize=9)
            ax.add_patch(matplotlib.patches.Rectangle((a - 0.5, a - 0.5), 1, 1, color=FAINT_COLOR, lw=0))
        ax.set_xticks(range(n), names, rotation=40, ha="right")
        ax.set_yticks(range(n), names)
        ax.tick_params(length=0, labelcolor=TEXT_COLOR)
        ax.set_xticks(np.arange(-0.5, n), minor=True)
        ax.set_yticks(np.arange(-0.5, n), minor=True)
        ax.grid(which="minor", color="#bbbbbb", lw=0.6)
        ax.tick_params(which="minor", length=0)
        ax.set(title="Evidence that the row is better than the column")
    return fig
