"""Colors of states and formats of numbers in the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from landscape.scores import DISTANCE, Column, distance_of, name_of_all

COLORS = {"done": "green", "running": "cyan", "diverged": "yellow", "failed": "red", "preempted": "magenta"}
COLORS |= {"lost": "red", "stalled": "red"}


def score(column: Column, value: float | None) -> str:
    """A score in a table; a dash for None."""
    return "-" if value is None else column.text(value)


def distance(row: Mapping[str, Any]) -> str:
    """The distance of a row of scores under its name, to end a line with; empty if there is none."""
    found = distance_of(row)
    return "" if found is None else f", {name_of_all([row])} {DISTANCE.text(found)}"
