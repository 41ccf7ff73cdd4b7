"""Warms up the fork server of figure processes: importing this module draws a figure and discards it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from matplotlib.figure import Figure

from analysis.figures import panels


def _draw() -> None:
    figure = Figure(layout="constrained")
    figure.subplots().set(title="text", xscale="log", yscale="log")
    with tempfile.TemporaryDirectory() as folder:
        panels.save(figure, Path(folder) / "figure")  # loads backends and fonts


_draw()
