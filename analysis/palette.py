"""How a cell looks in every figure of a report: one colour, marker and dash for each label, and the figures' dress."""

from __future__ import annotations

from typing import Any, NamedTuple

# Okabe and Ito's colours, told apart with any colour vision; their yellow, too pale for lines on white, is replaced.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#882255", "#555555")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES = ("-", "--", ":")

INK, MUTED, FAINT = "#222222", "#666666", "#d9d9d9"

# Figures stand on a white card in light and dark pages alike.
DRESS: Any = {
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "axes.edgecolor": "#999999",
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "grid.color": "#ebebeb",
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "font.size": 9.5,
    "svg.hashsalt": "landscape",  # the same data give the same bytes
}


class Look(NamedTuple):
    """Of one cell: `colour` as hex, `marker` and `dash` as matplotlib names them."""

    colour: str
    marker: str
    dash: str


def looks(labels: list[str]) -> dict[str, Look]:
    """A look for each label, in order; 56 pass before a colour and marker come back, then with another dash."""
    period = len(COLOURS) * len(MARKERS)
    return {
        label: Look(COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)], DASHES[i // period % len(DASHES)])
        for i, label in enumerate(dict.fromkeys(labels))
    }
