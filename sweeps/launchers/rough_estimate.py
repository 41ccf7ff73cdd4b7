"""What a long run would roughly take on a CPU, where the store has no finished run to estimate from.

Measured for SNDCGAN, the default network: a D and a G update of 64 images of 32 px took 0.054, 0.12, 0.44 and 1.5 CPU
seconds at widths 0.125, 0.25, 0.5 and 1, and 0.21 and 0.48 at 64 px and widths 0.125 and 0.25 (an AMD EPYC).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from landscape.config.text import duration

LONG_S = 2 * 3600.0  # a run that takes no longer needs no advice
SHORT_S = 30 * 60.0  # what is advised takes no longer
STEPS, WIDTHS = 2000, (0.5, 0.25, 0.125)


def step_s(size: int, width: float, batch_size: int) -> float:
    """Rough seconds of one core for a D and a G update of SNDCGAN."""
    return (size / 32) ** 2 * batch_size / 64 * (0.2 * width + 1.4 * width**2)


def advice(config: Mapping[str, Any]) -> str | None:
    """A line on a run that is too long for a CPU, and which width and steps are not; None if it is short or another
    network's."""
    arch, size, train = config["arch"], config["data"]["size"], config["train"]
    if arch["kind"] != "sndcgan":
        return None
    takes = train["steps"] * step_s(size, arch["width"], train["batch_size"])
    if takes <= LONG_S:
        return None
    line = f"a run of {train['steps']:,} D updates of {size} px at arch.width={arch['width']:g} takes a core some "
    line += duration(takes)
    less = {width: STEPS * step_s(size, width, train["batch_size"]) for width in WIDTHS if width < arch["width"]}
    fits = next((width for width, seconds in less.items() if seconds <= SHORT_S), None)
    if fits is None:
        return line
    return f"{line}; for a first look, arch.width={fits:g} train.steps={STEPS} takes some {duration(less[fits])}"
