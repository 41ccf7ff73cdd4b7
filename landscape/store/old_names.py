"""Names in older stores, translated on reading. This is the only place.

Every Frechet distance was called `fid`; now only Inception's is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from landscape.scores import DISTANCES, distance_key

OLD = "fid"


def named(scores: Mapping[str, Any], extractor: str | None) -> Mapping[str, Any]:
    """Values by column (of a row, a status or a floor) with the distance under its present name."""
    key = distance_key(extractor)
    if key == OLD or OLD not in scores or key not in DISTANCES:  # or an unknown extractor
        return scores
    return {key if name == OLD else name: value for name, value in scores.items()}
