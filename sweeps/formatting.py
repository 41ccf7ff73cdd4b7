"""How numbers and states are written in tables and lines."""

from __future__ import annotations

COLOURS = {"done": "green", "running": "cyan", "diverged": "yellow", "failed": "red", "preempted": "magenta"}
COLOURS |= {"lost": "red", "stalled": "red"}


def score(value: float | None, digits: int) -> str:
    """A score to so many decimals; a dash where there is none."""
    return "-" if value is None else f"{value:.{digits}f}"
