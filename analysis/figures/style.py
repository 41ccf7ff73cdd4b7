"""The style of figures: each cell's color, marker and dash, and matplotlib's rc parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, NamedTuple

from landscape.config.axes import family, method

# A cell has the same style in every report, as the style follows from its axes: the marker from the loss, the dash from
# the network if several are shown, else from the loss, the color from the regularization. Single methods have Okabe and
# Ito's colors, which any color vision can tell apart; a penalty with a normalizer has a shade of the normalizer's.
COLORS = {
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
SERIES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#882255", "#555555")  # for other series
SPARE = ("#332288", "#117733", "#999933", "#44AA99", "#AA4499", "#661100", "#6699CC", "#DDAA33")  # Paul Tol's
MARKERS = {"NS": "o", "WGAN": "s", "LS": "^", "LS_SIGMOID": "<", "HINGE": "D", "MINIMAX": "v", "ML": "P", "RPGAN": "X"}
LOSS_DASHES = {"NS": "-", "WGAN": "--", "LS": "-.", "LS_SIGMOID": "-.", "HINGE": ":"}
ARCH_DASHES = {"resnet19": "-", "sndcgan": "--", "resnet_cifar": ":", "dcgan": "-."}
DASHES = ("-", "--", ":", "-.")

TEXT_COLOR, MUTED_COLOR, FAINT_COLOR = "#222222", "#666666", "#d9d9d9"

# Figures have a white background on light and dark pages alike.
RC_PARAMS: Any = {
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "axes.edgecolor": "#999999",
    "axes.labelcolor": TEXT_COLOR,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "grid.color": "#ebebeb",
    "text.color": TEXT_COLOR,
    "xtick.color": MUTED_COLOR,
    "ytick.color": MUTED_COLOR,
    "font.size": 9.5,
    "text.parse_math": False,  # names may contain "$"
    "pdf.fonttype": 42,  # TrueType, which journals ask for
    "svg.hashsalt": "landscape",  # equal figures are identical files
}


class CellStyle(NamedTuple):
    """The style of one cell: `color` in hex, `marker` and `dash` in matplotlib's notation."""

    color: str
    marker: str
    dash: str


def cell_styles(cells: Mapping[str, Mapping[str, Any]]) -> dict[str, CellStyle]:
    """The style of each cell by label, independent of the other cells; `cells` is as from `cells.cell_facts`.

    A label that begins with the network takes its dash from it.
    """
    return {label: _style(facts, label.startswith(f"{facts.get('arch')} ")) for label, facts in cells.items()}


def _style(facts: Mapping[str, Any], by_arch: bool) -> CellStyle:
    name, loss = method(facts), family(facts)
    return CellStyle(
        COLORS.get(name) or _pick(name, SPARE),
        MARKERS.get(loss) or _pick(loss, tuple(MARKERS.values())),
        _dash(str(facts["arch"]), ARCH_DASHES) if by_arch else _dash(loss, LOSS_DASHES),
    )


def _dash(name: str, known: Mapping[str, str]) -> str:
    return known.get(name) or _pick(name, DASHES)


def _pick(name: str, among: Sequence[str]) -> str:
    """One of `among`, always the same for a name."""
    return among[int.from_bytes(sha256(name.encode()).digest()[:8], "big") % len(among)]
