"""How numbers and states are written in tables and lines."""

from __future__ import annotations

COLOURS = {"done": "green", "running": "cyan", "diverged": "yellow", "failed": "red", "preempted": "magenta"}
COLOURS |= {"lost": "red", "stalled": "red"}


def duration(seconds: float) -> str:
    """Seconds as people say them: 42 s, 3 min 20 s, 2 h 5 min."""
    s = round(seconds)
    if s < 60:
        return f"{s} s"
    if s < 3600:
        return f"{s // 60} min {s % 60} s"
    return f"{s // 3600} h {s % 3600 // 60} min"


def score(value: float | None, digits: int) -> str:
    """A score to so many decimals; a dash where there is none."""
    return "-" if value is None else f"{value:.{digits}f}"
