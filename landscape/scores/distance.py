"""Names of the Frechet distance: FID for Inception features only, otherwise with the extractor in the name.

`metrics.scores=[fid]` requests the distance for the chosen extractor. `stop.factor`, searches and `confirm` use it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

EXTRACTORS = ("classifier", "dinov2", "imagenet", "inception", "pixels", "points")


def distance_key(extractor: str | None) -> str:
    """The distance's key in files: `fid`, `fd_classifier`, `fd_points`."""
    return "fid" if extractor in (None, "inception") else f"fd_{extractor}"


DISTANCES = tuple(map(distance_key, EXTRACTORS))


def distance_name(extractor: str | None, *notes: str) -> str:
    """The distance's display name: "FID", "FD (classifier)". `notes` follow inside the parentheses."""
    plain = extractor in (None, "inception")
    inside = ", ".join(notes if plain else (str(extractor), *notes))
    return ("FID" if plain else "FD") + (f" ({inside})" if inside else "")


def distance_of(row: Mapping[str, Any]) -> float | None:
    """The distance in a row of scores, for any extractor; None if missing or not finite."""
    return next((row[key] for key in DISTANCES if row.get(key) is not None), None)


def name_of_all(rows: Iterable[Mapping[str, Any]]) -> str:
    """The common name of the distance in these rows; "distance" if there is none or more than one."""
    found = {key for row in rows for key in DISTANCES if key in row}
    names = [distance_name(extractor) for extractor in EXTRACTORS if distance_key(extractor) in found]
    return names[0] if len(names) == 1 else "distance"
