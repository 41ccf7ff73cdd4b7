"""What older stores call things, renamed when they are read, here and nowhere else.

A Frechet distance was `fid` whatever it was measured on; now that is Inception's alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from landscape.scores import DISTANCES, distance_key

OLD = "fid"


def named(scores: Mapping[str, Any], extractor: str | None) -> Mapping[str, Any]:
    """Values by column (of a row, a status or a floor) with the distance under the name that its extractor gives it."""
    key = distance_key(extractor)
    if key == OLD or OLD not in scores or key not in DISTANCES:  # an extractor that only another version knows
        return scores
    return {key if name == OLD else name: value for name, value in scores.items()}
