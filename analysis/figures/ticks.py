"""Ranges and ticks of axes, from what is drawn on them: a reader can take values off every axis."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis, YAxis
from matplotlib.ticker import FuncFormatter, Locator, MaxNLocator, NullLocator
from numpy.typing import NDArray

Array = NDArray[np.float64]

WANTED = 3  # ticks within the data's own range, not the axis's, which may reach further
STEPS = (1, 2, 2.5, 5, 10)
EDGE = 300.0  # decades on either side of 1 that a log axis may show; near the ends of a float its arithmetic overflows


class Readable(Locator):
    """Round numbers, `WANTED` of them or more between the lowest and the highest value that the axis shows.

    They are chosen when the figure is drawn, after its limits: a range that is set or widened late is the one they are
    for. `whole` leaves out fractions.
    """

    axis: Axis  # no other kind is ever given

    def __init__(self, whole: bool = False) -> None:
        self.whole = whole
        self.chosen: dict[tuple[float, float], Array] = {}  # asked for several times a drawing

    def __call__(self) -> Array:  # type: ignore[override]  # matplotlib's own give arrays too
        return self.tick_values(*self.axis.get_view_interval())

    def tick_values(self, vmin: float, vmax: float) -> Array:  # type: ignore[override]
        low, high = sorted((float(vmin), float(vmax)))
        if (low, high) not in self.chosen:
            self.chosen[low, high] = self._choose(low, high)
        return self.chosen[low, high]

    def _choose(self, low: float, high: float) -> Array:
        shown = drawn(self.axis)
        shown = shown[(shown >= low) & (shown <= high)]
        first, last = (float(shown.min()), float(shown.max())) if len(shown) else (low, high)
        best, most = np.array([]), (-1, -1)
        for ticks in self._candidates(low, high):
            ticks = ticks[(ticks >= low) & (ticks <= high)]
            if self.whole:
                ticks = np.unique(ticks[ticks == np.round(ticks)])
            within = int(((ticks >= first) & (ticks <= last)).sum())
            enough = min(within, WANTED), min(len(ticks), WANTED + 1)
            if enough > most:
                best, most = ticks, enough
        return best

    def _candidates(self, low: float, high: float) -> Iterator[Array]:
        """Ticks from few to many."""
        if self.axis.get_scale() == "log" and low > 0:
            decades = np.log10(high) - np.log10(low)
            powers = np.arange(np.floor(np.log10(low)), np.log10(high) + 1)
            stride = max(1, int(np.ceil(decades / 8)))
            yield 10.0 ** powers[powers % stride == 0]
            if decades < 5:
                yield np.outer(10.0**powers, (1, 2, 5)).ravel()
            if decades < 2.5:
                yield np.outer(10.0**powers, (1, 2, 3, 5, 7)).ravel()
        for most in (6, 8, 10, 12, 16):
            yield np.asarray(
                MaxNLocator(most, steps=STEPS, integer=self.whole, min_n_ticks=1).tick_values(low, high), float
            )


def drawn(axis: Axis) -> Array:
    """Finite values of all lines on an axis and on those that share it, but not of lines right across (references)."""
    upright = isinstance(axis, YAxis)
    group = axis.axes.get_shared_y_axes() if upright else axis.axes.get_shared_x_axes()
    found: list[Array] = [
        np.asarray(line.get_ydata() if upright else line.get_xdata(), dtype=np.float64)
        for ax in group.get_siblings(axis.axes)
        for line in ax.lines
        if line.get_transform() == ax.transData
    ]
    every: Array = np.concatenate(found) if found else np.array([])
    return every[np.isfinite(every)]


def visible(values: Array) -> Array:
    """`values` with NaN for those that a log axis has no place for: zero, what is not finite, the ends of a float."""
    edge = 10.0**EDGE
    return np.where((values >= 1 / edge) & (values <= edge), values, np.nan)


def limits(values: Array) -> tuple[float, float]:
    """A log range with a margin around the `visible` ones of `values`; 1 to 10 where there are none."""
    shown = visible(values)
    shown = shown[~np.isnan(shown)]
    if not len(shown):
        return 1.0, 10.0
    low, high = np.log10([shown.min(), shown.max()])
    margin = 0.07 * (high - low) if high - low > 1e-6 else 0.05
    return float(10.0 ** max(low - margin, -EDGE - 5)), float(10.0 ** min(high + margin, EDGE + 5))


def log_axis(ax: Axes) -> Axes:
    """A logarithmic distance axis with plain numbers on it, around what is drawn."""
    ax.set_ylim(*limits(drawn(ax.yaxis)))  # first: a log scale takes no range of an axis without positive values
    ax.set_yscale("log")
    ax.yaxis.set_major_locator(Readable())
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    ax.yaxis.set_minor_locator(NullLocator())
    return ax


def budget_axis(ax: Axes, most: int, pad: float = 0.5) -> Axes:
    """The axis of k, 1 to `most` and `pad` on both sides: linear where they are few, else logarithmic."""
    if most > 30:
        return log_budget_axis(ax, most)
    ax.xaxis.set_major_locator(Readable(whole=True))
    ax.set_xlim(1 - pad, most + pad)
    return ax


def log_budget_axis(ax: Axes, most: float, least: float | None = None) -> Axes:
    """A logarithmic axis with plain numbers on it: of k, from 1 to `most`, or of time, from `least`."""
    ax.set_xscale("log")
    ax.set_xlim((1 if least is None else least) * 0.94, most * 1.06)
    ax.xaxis.set_major_locator(Readable(whole=least is None))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda k, _: f"{k:g}"))
    ax.xaxis.set_minor_locator(NullLocator())
    return ax
