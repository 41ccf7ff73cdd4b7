"""Plots of one thing each: they draw on the axis that they are given, and return it."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullLocator
from numpy.typing import NDArray

from analysis.estimators.tuning_curves import Array, Band
from analysis.figures.style import FAINT, INK, MUTED, Look
from analysis.figures.ticks import Readable, budget_axis, log_axis, visible

LINES = 40  # learning curves in a panel, above which single ones cannot be told apart

Curves = Mapping[str, tuple[NDArray[Any], Array]]  # label -> (k or hours, distance)


def curves(ax: Axes, lines: Curves, look: Mapping[str, Look], log: bool = True) -> Axes:
    """One line a cell over k, named at its right end; where a curve is not finite there is none."""
    for label, (ks, values) in lines.items():
        shown = visible(values) if log else values
        many = len(ks) > 30
        colour, marker, dash = look[label]
        # On a long curve a few markers, evenly on its log axis, tell colours apart that a reader cannot.
        every = [*np.unique(np.geomspace(1, len(ks), 7).round().astype(int) - 1)] if many else 1
        style: Any = {"ls": dash, "marker": marker, "markevery": every, "ms": 4.5, "mec": "white", "mew": 0.5}
        ax.plot(ks, shown, color=colour, lw=1.8, clip_on=False, **style)
    most = max((int(ks[-1]) for ks, _ in lines.values()), default=1)
    budget_axis(ax, most, pad=max(0.05 * (most - 1), 0.1))
    if log:
        return log_axis(ax)
    ax.yaxis.set_major_locator(Readable())
    return ax


def name_ends(ax: Axes, lines: Curves, look: Mapping[str, Look]) -> Axes:
    """Write each cell's name right of the axis, level with its curve's end, moved apart where they would collide.

    Call it last, when the limits stand. A cell whose curve has no finite end is not named.
    """
    ends = {label: (ks[-1], values[-1]) for label, (ks, values) in lines.items() if np.isfinite(values[-1])}
    to_axes = ax.transData + ax.transAxes.inverted()
    places = {label: to_axes.transform(end) for label, end in ends.items()}
    order = sorted(places, key=lambda label: float(places[label][1]))
    within = [min(max(float(places[label][1]), 0.0), 1.0) for label in order]  # a distance of 0 is at minus infinity
    heights = spread(within, gap=min(0.062, 1 / max(len(order) - 1, 1)))
    for label, height, level in zip(order, heights, within, strict=True):
        end, colour = places[label], look[label].colour
        ax.text(1.05, height, label, transform=ax.transAxes, color=colour, va="center", fontsize=8.5)
        # A line, not an annotation's arrow: to clip hundreds of those takes a third of the time of a figure.
        leader = Line2D([end[0], 1.04], [level, height], transform=ax.transAxes, color=colour, lw=0.6, alpha=0.6)
        leader.set(clip_on=False, in_layout=False, zorder=1.5)
        ax.add_artist(leader)
    return ax


def spread(heights: list[float], gap: float) -> list[float]:
    """Ascending `heights` in [0, 1], moved as little as possible so that neighbours are at least `gap` apart."""
    # Blocks of touching labels, each centred on where its members want to be.
    blocks: list[tuple[float, list[float]]] = []
    for height in heights:
        blocks.append((height, [height]))
        while len(blocks) > 1 and blocks[-1][0] - blocks[-2][0] < gap * (len(blocks[-1][1]) + len(blocks[-2][1])) / 2:
            (_, upper), (_, lower) = blocks.pop(), blocks.pop()
            members = lower + upper
            room = gap * (len(members) - 1) / 2
            centre = sum(members) / len(members)
            blocks.append((min(max(centre, room), 1 - room) if 2 * room <= 1 else 0.5, members))
    return [centre + gap * (i - (len(members) - 1) / 2) for centre, members in blocks for i in range(len(members))]


def band(ax: Axes, found: Band, look: Look, bottom: float, note: str = "", most: int | None = None) -> Axes:
    """The median of the best of k and its band: in the cell's colour where it bounds both sides, grey where only one.

    `bottom` is the lower limit of the axis, down to which an open side is filled; `note` is written in the corner;
    `most` is the largest k of panels that share their axis.
    """
    few = len(found.ks) <= 30
    low = np.maximum(found.lower, bottom)
    one_sided = found.bounded_above & ~found.bounded
    if not few:  # so that the grey begins where the colour ends
        one_sided[:-1] |= one_sided[1:] & found.bounded[:-1]
    for where, colour in ((one_sided, FAINT), (found.bounded, look.colour)):
        style: Any = {"color": colour, "alpha": 0.6 if colour == FAINT else 0.3, "lw": 0}
        if few:  # a bar each: k is a whole number, and one k alone can have a bound
            ax.bar(found.ks[where], found.upper[where] - low[where], 0.86, bottom=low[where], **style)
        else:
            ax.fill_between(found.ks, low, found.upper, where=list(where), **style)
    middle = np.where(np.isfinite(found.point), found.point, np.nan)
    ax.plot(found.ks, middle, ls=look.dash, color=look.colour, marker=look.marker if few else None, ms=4.5, lw=1.8)
    if note:
        ax.text(0.97, 0.97, note, transform=ax.transAxes, ha="right", va="top", fontsize=8, color=MUTED)
    budget_axis(ax, most or int(found.ks[-1]))
    return log_axis(ax)


def columns(ax: Axes, values: Mapping[str, Array], look: Mapping[str, Look]) -> Axes:
    """A column of points a label, those that are finite; a box (quartiles, whiskers 1.5 times as far) from five on."""
    for x, (label, every) in enumerate(values.items()):
        finite = np.sort(every[np.isfinite(every)])
        if len(finite) >= 5:
            ax.boxplot(
                [finite],
                positions=[x],
                widths=0.5,
                showfliers=False,
                medianprops={"color": INK, "lw": 1.4},
                boxprops={"color": MUTED, "lw": 0.9},
                whiskerprops={"color": MUTED, "lw": 0.9},
                capprops={"color": MUTED, "lw": 0.9},
            )
        # Moved aside by rank, so that equal values stay apart and a redrawn figure is the same.
        aside = 0.3 * ((np.arange(len(finite)) * 0.618 + 0.5) % 1 - 0.5) if len(finite) > 3 else np.zeros(len(finite))
        size = 7 if len(finite) <= 8 else 5.5 if len(finite) <= 60 else 3.5
        style: Any = {"ms": size, "alpha": 0.8, "mec": "white", "mew": 0.5, "ls": "none"}
        ax.plot(x + aside, finite, look[label].marker, color=look[label].colour, **style)
    ax.set_xticks(range(len(values)), list(values), color=INK)
    ax.set_xlim(-0.6, len(values) - 0.4)
    ax.tick_params(axis="x", length=0)
    return ax


def distribution(ax: Axes, values: Mapping[str, Array], look: Mapping[str, Look], stopped: Container[str] = ()) -> Axes:
    """Each run's distance as a point, a column a cell; a box from five finite runs on; diverged runs counted on top.

    `values` maps a label to distances, infinite for a run that diverged; in cells `stopped` also for one that was
    stopped.
    """
    columns(ax, values, look)
    for x, (label, distances) in enumerate(values.items()):
        lost = int(np.isinf(distances).sum())
        if lost:
            share = f"{lost} of {len(distances)}" if len(values) <= 7 else f"{lost}/{len(distances)}"
            text = f"{share}\n{'lost or stopped' if label in stopped else 'diverged'}"
            ax.text(
                x, 1.01, text, transform=ax.get_xaxis_transform(), ha="center", va="bottom", fontsize=7.5, color=MUTED
            )
    if len(values) > 7:
        ax.tick_params(axis="x", labelrotation=45)
        for tick in ax.get_xticklabels():
            tick.set_horizontalalignment("right")
    return log_axis(ax)


def floor(ax: Axes, counts: Array, distances: Array, n_fake: int) -> Axes:
    """Distance of real images from other real ones by their number, log-log; the number of the fakes is named."""
    ax.plot(counts, distances, "-o", color=INK, lw=1.6, ms=5)
    for n, distance in zip(counts, distances, strict=True):
        text = f"{distance:.3g}" + (f"\n(n of the fakes: {n:,.0f})" if n == n_fake else "")
        ax.annotate(text, (n, distance), (0, 7), textcoords="offset points", ha="center", fontsize=8, color=MUTED)
    ax.set_xscale("log")
    ax.set_xticks(counts, [f"{n:,.0f}" for n in counts])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlim(counts[0] / 1.35, counts[-1] * 1.35)
    log_axis(ax)
    low, high = ax.get_ylim()
    ax.set_ylim(low / 1.15, high * max(1.25, high**0.2 / low**0.2))  # room for the numbers
    return ax


def training(ax: Axes, rows: pd.DataFrame, look: Look) -> Axes:
    """Distance over D updates: a thin line a run from step 0 on, a cross where one that diverged was last seen.

    Of more than `LINES` runs their median at each evaluation instead, in the shade of the middle half and of the
    middle nine tenths of them.
    """
    if rows["id"].nunique() > LINES:
        steps = rows[np.isfinite(rows["fid"])].groupby("step")["fid"]
        shares = {share: steps.quantile(share) for share in (0.05, 0.25, 0.5, 0.75, 0.95)}
        for low, high in ((0.05, 0.95), (0.25, 0.75)):
            ax.fill_between(shares[low].index, shares[low], shares[high], color=look.colour, alpha=0.2, lw=0)
        ax.plot(shares[0.5].index, shares[0.5], color=look.colour, lw=1.6)
    else:
        for _, run in rows.sort_values("step").groupby("id"):
            ax.plot(run["step"], run["fid"], color=look.colour, lw=1, alpha=0.85, marker=".", ms=3.5)
            seen = run[run["fid"].notna()]
            if run["status"].iloc[-1] == "diverged" and len(seen):
                ax.plot(seen["step"].iloc[-1], seen["fid"].iloc[-1], "x", color=INK, ms=6, mew=1.4, zorder=4)
    ax.xaxis.set_major_formatter(FuncFormatter(lambda step, _: f"{step / 1000:g}k" if step >= 1000 else f"{step:g}"))
    ax.xaxis.set_major_locator(Readable(whole=True))
    return log_axis(ax)


def reference(ax: Axes, value: float, text: str = "") -> Axes:
    """A thin level line, its name on it, for a value that is no result (an untrained generator's, real images')."""
    ax.axhline(value, color=MUTED, lw=0.9, ls=(0, (1, 2)), zorder=0)
    ax.text(0.005, value, text, transform=ax.get_yaxis_transform(), va="bottom", fontsize=7.5, color=MUTED)
    return ax


def beyond(ax: Axes, text: str) -> Axes:
    """The name of a value above the axis, at its upper edge."""
    ax.text(0.005, 0.995, f"↑ {text}", transform=ax.transAxes, va="top", fontsize=7.5, color=MUTED)
    return ax
