"""What a panel of the laboratory is, and how all panels are drawn: lines are exact, points are simulated."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogFormatterSciNotation
from numpy.typing import NDArray

from analysis.figures.style import RC_PARAMS

Array = NDArray[np.float64]
Data = dict[Any, Any]  # what a simulation leaves


class Check(NamedTuple):
    """Simulated values beside exact ones, and by how much they may differ."""

    what: str
    found: Any
    exact: Any
    tolerance: float

    @property
    def deviation(self) -> float:
        """The largest absolute difference; equal infinities do not differ."""
        found, exact = np.broadcast_arrays(np.asarray(self.found, float), np.asarray(self.exact, float))
        with np.errstate(invalid="ignore"):
            return float(np.where(found == exact, 0, np.abs(found - exact)).max())

    @property
    def holds(self) -> bool:
        """Whether the deviation is within the tolerance; not if it is NaN."""
        return self.deviation <= self.tolerance


@dataclass(frozen=True)
class Panel:
    """One idea in closed form.

    `simulate` takes seconds at most and always returns the same; `checks` compares its result with the formula, and
    `draw` shows both. `formula`, `says` and `source` are plain text for the page.
    """

    key: str
    title: str
    formula: tuple[str, ...]
    says: str
    source: str
    simulate: Callable[[], Data]
    checks: Callable[[Data], list[Check]]
    draw: Callable[[Data], Figure]


@contextmanager
def sheet(*titles: str, height: float = 3.3, width: float = 3.7) -> Iterator[tuple[Figure, list[Axes]]]:
    """A figure with axes side by side, in the report's style."""
    with rc_context(RC_PARAMS):
        fig = Figure(figsize=(width * len(titles), height), layout="constrained")
        axes = list(fig.subplots(1, len(titles), squeeze=False)[0])
        for ax, title in zip(axes, titles, strict=True):
            ax.set_title(title)
        yield fig, axes
        for axis in (each for ax in axes for each in (ax.xaxis, ax.yaxis)):
            if isinstance(axis.get_major_formatter(), LogFormatterSciNotation):  # its mathematical text is not parsed
                axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def line(ax: Axes, x: Any, y: Any, color: str, label: str = "", dash: Any = "-") -> None:
    """An exact curve."""
    ax.plot(x, y, color=color, ls=dash, lw=1.6, label=label, zorder=2)


def dots(ax: Axes, x: Any, y: Any, color: str, label: str = "", marker: str = "o") -> None:
    """Simulated points."""
    ax.plot(x, y, marker, color=color, ms=5, mec="white", mew=0.6, label=label, zorder=4, ls="none")


def legend(ax: Axes, **where: Any) -> None:
    """A legend without a frame."""
    ax.legend(frameon=False, fontsize=8, **where)
