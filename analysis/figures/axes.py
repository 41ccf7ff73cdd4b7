"""Axes-level plots: each draws on the axes that it is given, and returns them."""

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
from analysis.figures.style import FAINT_COLOR, MUTED_COLOR, TEXT_COLOR, CellStyle
from analysis.figures.ticks import Readable, budget_axis, log_axis, value_axis, visible
from analysis.loading.measure import BY_DISTANCE, Measure

MAX_LINES = 40  # single learning curves in a panel; more cannot be told apart

Curves = Mapping[str, tuple[NDArray[Any], Array]]  # label -> (k or hours, score)


def curves(ax: Axes, lines: Curves, styles: Mapping[str, CellStyle], log: bool = True) -> Axes:
    """One line per cell over k, interrupted where it is not finite; `name_ends` labels them."""
    for label, (ks, values) in lines.items():
        shown = visible(values) if log else np.where(np.isfinite(values), values, np.nan)
        many = len(ks) > 30
        color, marker, dash = styles[label]
        # A few markers, evenly spaced on the log axis, help readers who cannot tell the colors apart.
        every = [*np.unique(np.geomspace(1, len(ks), 7).round().astype(int) - 1)] if many else 1
        kwargs: Any = {"ls": dash, "marker": marker, "markevery": every, "ms": 4.5, "mec": "white", "mew": 0.5}
        ax.plot(ks, shown, color=color, lw=1.8, clip_on=False, **kwargs)
    most = max((int(ks[-1]) for ks, _ in lines.values()), default=1)
    budget_axis(ax, most, pad=max(0.05 * (most - 1), 0.1))
    if log:
        return log_axis(ax)
    ax.yaxis.set_major_locator(Readable())
    return ax


def name_ends(ax: Axes, lines: Curves, styles: Mapping[str, CellStyle]) -> Axes:
    """Label each curve right of the axes at the height of its end, shifting labels that would overlap.

    Call it last: it needs the final limits. A curve without a finite end gets no label.
    """
    ends = {label: (ks[-1], values[-1]) for label, (ks, values) in lines.items() if np.isfinite(values[-1])}
    to_axes = ax.transData + ax.transAxes.inverted()
    places = {label: to_axes.transform(end) for label, end in ends.items()}
    order = sorted(places, key=lambda label: float(places[label][1]))
    within = [min(max(float(places[label][1]), 0.0), 1.0) for label in order]  # a distance of 0 is at minus infinity
    heights = spread(within, gap=min(0.062, 1 / max(len(order) - 1, 1)))
    for label, height, level in zip(order, heights, within, strict=True):
        end, color = places[label], styles[label].color
        ax.text(1.05, height, label, transform=ax.transAxes, color=color, va="center", fontsize=8.5)
        # Not an annotation's arrow: clipping hundreds of those takes a third of the figure's time.
        leader = Line2D([end[0], 1.04], [level, height], transform=ax.transAxes, color=color, lw=0.6, alpha=0.6)
        leader.set(clip_on=False, in_layout=False, zorder=1.5)
        ax.add_artist(leader)
    return ax


def spread(heights: list[float], gap: float) -> list[float]:
    """Ascending `heights` in [0, 1], shifted as little as possible so that neighbors are at least `gap` apart."""
    # Blocks of touching labels, each centered on the mean of its members' wanted heights.
    blocks: list[tuple[float, list[float]]] = []
    for height in heights:
        blocks.append((height, [height]))
        while len(blocks) > 1 and blocks[-1][0] - blocks[-2][0] < gap * (len(blocks[-1][1]) + len(blocks[-2][1])) / 2:
            (_, upper), (_, lower) = blocks.pop(), blocks.pop()
            members = lower + upper
            room = gap * (len(members) - 1) / 2
            center = sum(members) / len(members)
            blocks.append((min(max(center, room), 1 - room) if 2 * room <= 1 else 0.5, members))
    return [center + gap * (i - (len(members) - 1) / 2) for center, members in blocks for i in range(len(members))]


def band(
    ax: Axes,
    found: Band,
    style: CellStyle,
    bottom: float,
    note: str = "",
    most: int | None = None,
    measure: Measure = BY_DISTANCE,
) -> Axes:
    """The median of the best of k and its band, in the cell's color where two-sided, gray where it is an upper bound.

    `bottom` is the better end of the axis, up to which a one-sided band is filled, on the scale of `found` (lower is
    better); `note` stands in the corner; `most` is the largest k among panels that share the axis.
    """
    few = len(found.ks) <= 30
    low, high = measure.own(np.maximum(found.lower, bottom)), measure.own(found.upper)
    one_sided = found.bounded_above & ~found.bounded
    if not few:  # so that the gray begins where the color ends
        one_sided[:-1] |= one_sided[1:] & found.bounded[:-1]
    for where, color in ((one_sided, FAINT_COLOR), (found.bounded, style.color)):
        kwargs: Any = {"color": color, "alpha": 0.6 if color == FAINT_COLOR else 0.3, "lw": 0}
        if few:  # bars: a single k can have a bound
            ax.bar(found.ks[where], high[where] - low[where], 0.86, bottom=low[where], **kwargs)
        else:
            ax.fill_between(found.ks, low, high, where=list(where), **kwargs)
    middle = measure.own(np.where(np.isfinite(found.point), found.point, np.nan))
    ax.plot(found.ks, middle, ls=style.dash, color=style.color, marker=style.marker if few else None, ms=4.5, lw=1.8)
    if note:
        ax.text(0.97, 0.97, note, transform=ax.transAxes, ha="right", va="top", fontsize=8, color=MUTED_COLOR)
    budget_axis(ax, most or int(found.ks[-1]))
    return value_axis(ax, measure.ratios)


def columns(ax: Axes, values: Mapping[str, Array], styles: Mapping[str, CellStyle]) -> Axes:
    """A column of points per label, finite values only; a box (quartiles, whiskers at 1.5 IQR) from five points on."""
    for x, (label, every) in enumerate(values.items()):
        finite = np.sort(every[np.isfinite(every)])
        if len(finite) >= 5:
            ax.boxplot(
                [finite],
                positions=[x],
                widths=0.5,
                showfliers=False,
                medianprops={"color": TEXT_COLOR, "lw": 1.4},
                boxprops={"color": MUTED_COLOR, "lw": 0.9},
                whiskerprops={"color": MUTED_COLOR, "lw": 0.9},
                capprops={"color": MUTED_COLOR, "lw": 0.9},
            )
        # Deterministic jitter by rank: equal values stay apart, and a redrawn figure is the same.
        aside = 0.3 * ((np.arange(len(finite)) * 0.618 + 0.5) % 1 - 0.5) if len(finite) > 3 else np.zeros(len(finite))
        size = 7 if len(finite) <= 8 else 5.5 if len(finite) <= 60 else 3.5
        kwargs: Any = {"ms": size, "alpha": 0.8, "mec": "white", "mew": 0.5, "ls": "none"}
        ax.plot(x + aside, finite, styles[label].marker, color=styles[label].color, **kwargs)
    ax.set_xticks(range(len(values)), list(values), color=TEXT_COLOR)
    ax.set_xlim(-0.6, len(values) - 0.4)
    ax.tick_params(axis="x", length=0)
    return ax


def distribution(
    ax: Axes,
    values: Mapping[str, Array],
    styles: Mapping[str, CellStyle],
    stopped: Container[str] = (),
    log: bool = True,
) -> Axes:
    """Final scores, a column of points per cell as in `columns`, with the number of diverged runs on top.

    `values` maps a label to scores, infinite for a run that diverged. In the cells of `stopped` a stopped run is
    infinite too.
    """
    columns(ax, values, styles)
    for x, (label, scores) in enumerate(values.items()):
        lost = int(np.isinf(scores).sum())
        if lost:
            share = f"{lost} of {len(scores)}" if len(values) <= 7 else f"{lost}/{len(scores)}"
            text = f"{share}\n{'lost or stopped' if label in stopped else 'diverged'}"
            ax.text(
                x,
                1.01,
                text,
                transform=ax.get_xaxis_transform(),
                ha="center",
                va="bottom",
                fontsize=7.5,
                color=MUTED_COLOR,
            )
    if len(values) > 7:
        ax.tick_params(axis="x", labelrotation=45)
        for tick in ax.get_xticklabels():
            tick.set_horizontalalignment("right")
    return value_axis(ax, log)


def floor(ax: Axes, counts: Array, distances: Array, n_fake: int) -> Axes:
    """Distance of held-out real images by their number, log-log; the number of generated images is marked."""
    ax.plot(counts, distances, "-o", color=TEXT_COLOR, lw=1.6, ms=5)
    for n, distance in zip(counts, distances, strict=True):
        text = f"{distance:.3g}" + (f"\n(n of the samples: {n:,.0f})" if n == n_fake else "")
        ax.annotate(text, (n, distance), (0, 7), textcoords="offset points", ha="center", fontsize=8, color=MUTED_COLOR)
    ax.set_xscale("log")
    ax.set_xticks(counts, [f"{n:,.0f}" for n in counts])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlim(counts[0] / 1.35, counts[-1] * 1.35)
    log_axis(ax)
    low, high = ax.get_ylim()
    ax.set_ylim(low / 1.15, high * max(1.25, high**0.2 / low**0.2))  # room for the numbers
    return ax


def training(ax: Axes, rows: pd.DataFrame, style: CellStyle, log: bool = True) -> Axes:
    """The column `score` over D updates: a thin line per run, with a cross at the last evaluation of a diverged run.

    With more than `MAX_LINES` runs, the median at each evaluation, with bands of the middle 50 % and 90 %.
    """
    if rows["id"].nunique() > MAX_LINES:
        steps = rows[np.isfinite(rows["score"])].groupby("step")["score"]
        shares = {share: steps.quantile(share) for share in (0.05, 0.25, 0.5, 0.75, 0.95)}
        for low, high in ((0.05, 0.95), (0.25, 0.75)):
            ax.fill_between(shares[low].index, shares[low], shares[high], color=style.color, alpha=0.2, lw=0)
        ax.plot(shares[0.5].index, shares[0.5], color=style.color, lw=1.6)
    else:
        for _, run in rows.sort_values("step").groupby("id"):
            ax.plot(run["step"], run["score"], color=style.color, lw=1, alpha=0.85, marker=".", ms=3.5)
            seen = run[run["score"].notna()]
            if run["status"].iloc[-1] == "diverged" and len(seen):
                ax.plot(seen["step"].iloc[-1], seen["score"].iloc[-1], "x", color=TEXT_COLOR, ms=6, mew=1.4, zorder=4)
    ax.xaxis.set_major_formatter(FuncFormatter(lambda step, _: f"{step / 1000:g}k" if step >= 1000 else f"{step:g}"))
    ax.xaxis.set_major_locator(Readable(whole=True))
    return value_axis(ax, log)


def reference(ax: Axes, value: float, text: str = "") -> Axes:
    """A thin horizontal line with its name, for a reference value (an untrained generator, real images)."""
    ax.axhline(value, color=MUTED_COLOR, lw=0.9, ls=(0, (1, 2)), zorder=0)
    ax.text(0.005, value, text, transform=ax.get_yaxis_transform(), va="bottom", fontsize=7.5, color=MUTED_COLOR)
    return ax


def beyond(ax: Axes, text: str, above: bool = True) -> Axes:
    """A note at the upper or lower edge on a value that lies above or below the axes."""
    height, arrow, at = (0.995, "↑", "top") if above else (0.005, "↓", "bottom")
    ax.text(0.005, height, f"{arrow} {text}", transform=ax.transAxes, va=at, fontsize=7.5, color=MUTED_COLOR)
    return ax
