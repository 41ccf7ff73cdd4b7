"""What every process that draws figures needs, loaded once: importing this draws a figure and throws it away."""

from __future__ import annotations

import tempfile
from pathlib import Path

from matplotlib.figure import Figure

from analysis.figures import panels


def _draw() -> None:
    figure = Figure(layout="constrained")
    figure.subplots().set(title="to come", xscale="log", yscale="log")
    with tempfile.TemporaryDirectory() as folder:
        panels.save(figure, Path(folder) / "figure")  # loads the backends, their fonts and what cuts these for a PDF


_draw()
