"""Colors of states and formats of numbers in the terminal."""

from __future__ import annotations

COLORS = {"done": "green", "running": "cyan", "diverged": "yellow", "failed": "red", "preempted": "magenta"}
COLORS |= {"lost": "red", "stalled": "red"}


def score(value: float | None, digits: int) -> str:
    """A score with `digits` decimals; a dash for None."""
    return "-" if value is None else f"{value:.{digits}f}"
