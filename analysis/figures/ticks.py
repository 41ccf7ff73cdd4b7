"""Axis ranges and readable ticks, from the data drawn."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis, YAxis
from matplotlib.ticker import FuncFormatter, Locator, MaxNLocator, NullLocator
from numpy.typing import NDArray

Array = NDArray[np.float64]

MIN_TICKS = 3  # within the range of the data
STEPS = (1, 2, 2.5, 5, 10)
MAX_DECADES = 300.0  # on either side of 1; beyond, the arithmetic of a log axis overflows


class Readable(Locator):
    """Round numbers, at least `MIN_TICKS` of them within the range of the data, chosen when the figure is drawn.

    `whole` leaves out fractions.
    """

    axis: Axis

    def __init__(self, whole: bool = False) -> None:
        self.whole = whole
        self.chosen: dict[tuple[float, float], Array] = {}  # matplotlib asks several times per drawing

    def __call__(self) -> Array:  # type: ignore[override]  # matplotlib's own locators return arrays too
        """The ticks of the current view."""
        return self.tick_values(*self.axis.get_view_interval())

    def tick_values(self, vmin: float, vmax: float) -> Array:  # type: ignore[override]
        """The ticks between `vmin` and `vmax`, ascending."""
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
            enough = min(within, MIN_TICKS), min(len(ticks), MIN_TICKS + 1)
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
        if self.axis.get_scale() == "log" and low > 0 and decades < 2.5:
            yield np.outer(10.0**powers, (1, 1.5, 2, 3, 4, 5, 6, 8)).ravel()


def drawn(axis: Axis) -> Array:
    """Finite values of all lines on an axis and on the axes that share it, without reference lines."""
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
    """`values` with NaN where a log axis cannot show them: not positive, not finite, or beyond `MAX_DECADES`."""
    edge = 10.0**MAX_DECADES
    return np.where((values >= 1 / edge) & (values <= edge), values, np.nan)


def limits(values: Array, log: bool = True) -> tuple[float, float]:
    """A range with a margin around `values`: for a log axis around those that are `visible`, 1 to 10 if there are none.

    For a linear axis around finite ones, 0 to 1 if there are none.
    """
    if not log:
        shown = values[np.isfinite(values)]
        low, high = (float(shown.min()), float(shown.max())) if len(shown) else (0.0, 1.0)
        margin = 0.07 * (high - low) or 0.05 * abs(high) or 0.5
        return low - margin, high + margin
    shown = visible(values)
    shown = shown[~np.isnan(shown)]
    if not len(shown):
        return 1.0, 10.0
    low, high = np.log10([shown.min(), shown.max()])
    margin = 0.07 * (high - low) if high - low > 1e-6 else 0.05
    return float(10.0 ** max(low - margin, -MAX_DECADES - 5)), float(10.0 ** min(high + margin, MAX_DECADES + 5))


def log_axis(ax: Axes) -> Axes:
    """Make y logarithmic with plain numbers, its range around the data drawn."""
    ax.set_ylim(*limits(drawn(ax.yaxis)))  # first: a log scale rejects a range that is not positive
    ax.set_yscale("log")
    ax.yaxis.set_major_locator(Readable())
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    ax.yaxis.set_minor_locator(NullLocator())
    return ax


def value_axis(ax: Axes, log: bool = True) -> Axes:
    """The y axis of scores: a `log_axis`, or linear with plain numbers, its range around the data drawn."""
    if log:
        return log_axis(ax)
    ax.set_ylim(*limits(drawn(ax.yaxis), log))
    ax.yaxis.set_major_locator(Readable())
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    return ax


def budget_axis(ax: Axes, most: int, pad: float = 0.5) -> Axes:
    """The x axis of k, from 1 to `most`: linear up to 30, with `pad` on both sides; else logarithmic."""
    if most > 30:
        return log_budget_axis(ax, most)
    ax.xaxis.set_major_locator(Readable(whole=True))
    ax.set_xlim(1 - pad, most + pad)
    return ax


def log_budget_axis(ax: Axes, most: float, least: float | None = None) -> Axes:
    """A logarithmic x axis with plain numbers: of k from 1 to `most`, or of time from `least` to `most`."""
    ax.set_xscale("log")
    ax.set_xlim((1 if least is None else least) * 0.94, most * 1.06)
    ax.xaxis.set_major_locator(Readable(whole=least is None))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda k, _: f"{k:g}"))
    ax.xaxis.set_minor_locator(NullLocator())
    return ax
