"""How a cell looks in every figure of a report: one colour, marker and dash for each name, and the figures' dress."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, NamedTuple

from landscape.config.axes import family, method

# A cell keeps its look from report to report, because the look follows from what it is: the marker from the loss, the
# dash from the network where several are shown, else from the loss too, the colour from all else that sets it apart.
# Single ones have Okabe and Ito's colours, told apart with any colour vision; a pair has a shade of its normalizer's.
COLOURS = {
    "W/O": "#555555",
    "GP": "#0072B2",
    "GP 5": "#56B4E9",
    "DRAGAN": "#E69F00",
    "SN": "#D55E00",
    "LN": "#009E73",
    "BN": "#CC79A7",
    "L2": "#882255",
    "GP+SN": "#7A2E00",
    "GP+SN 5": "#F0A070",
    "GP+LN": "#00543C",
    "GP+LN 5": "#66C9A8",
    "GP+BN": "#7B3F63",
    "GP+BN 5": "#E0A9C8",
    "DRAGAN+SN": "#A67C00",
    "DRAGAN+LN": "#7F9A00",
    "DRAGAN+BN": "#B04A8C",
}
SERIES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#882255", "#555555")  # for what is no cell
SPARE = ("#332288", "#117733", "#999933", "#44AA99", "#AA4499", "#661100", "#6699CC", "#DDAA33")  # Paul Tol's
MARKERS = {"NS": "o", "WGAN": "s", "LS": "^", "LS_SIGMOID": "<", "HINGE": "D", "MINIMAX": "v", "ML": "P", "RPGAN": "X"}
LOSS_DASHES = {"NS": "-", "WGAN": "--", "LS": "-.", "LS_SIGMOID": "-.", "HINGE": ":"}
ARCH_DASHES = {"resnet19": "-", "sndcgan": "--", "resnet_cifar": ":", "dcgan": "-."}
DASHES = ("-", "--", ":", "-.")

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
    "text.parse_math": False,  # a name with a "$" in it is a name
    "pdf.fonttype": 42,  # TrueType, which journals ask for
    "svg.hashsalt": "landscape",  # the same data give the same bytes
}


class Look(NamedTuple):
    """Of one cell: `colour` as hex, `marker` and `dash` as matplotlib names them."""

    colour: str
    marker: str
    dash: str


def looks(cells: Mapping[str, Mapping[str, Any]]) -> dict[str, Look]:
    """A look for each cell, label -> what it is on its axes (`cells.cell_facts`), whatever others there are.

    What its runs differ in may be missing. A label that begins with the network is one among several networks.
    """
    return {label: _look(facts, label.startswith(f"{facts.get('arch')} ")) for label, facts in cells.items()}


def _look(facts: Mapping[str, Any], by_arch: bool) -> Look:
    name, loss = method(facts), family(facts)
    return Look(
        COLOURS.get(name) or _pick(name, SPARE),
        MARKERS.get(loss) or _pick(loss, tuple(MARKERS.values())),
        _dash(str(facts["arch"]), ARCH_DASHES) if by_arch else _dash(loss, LOSS_DASHES),
    )


def _dash(name: str, known: Mapping[str, str]) -> str:
    return known.get(name) or _pick(name, DASHES)


def _pick(name: str, among: Sequence[str]) -> str:
    """One of `among`, the same for the same name at any time."""
    return among[int.from_bytes(sha256(name.encode()).digest()[:8], "big") % len(among)]
