"""Values that score functions return, and their form in a row of `metrics.jsonl`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

Value = float | str | list[float]  # a number, the reason for its absence, or a curve


def as_row(values: Mapping[str, Value]) -> dict[str, Any]:
    """Values by column. Values that are not finite become null, with the reason in "why"."""
    why = {}
    for key, value in values.items():
        if isinstance(value, str):
            why[key] = value
        elif isinstance(value, list):
            if not all(map(math.isfinite, value)):
                why[key] = f"{key} has entries that are not finite"
        elif not math.isfinite(value):
            why[key] = f"{key} is {value}"
    return {k: None if k in why else v for k, v in values.items()} | ({"why": why} if why else {})
