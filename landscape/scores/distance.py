"""What a Frechet distance is called: FID on Inception's features alone, else with its extractor in the name.

`metrics.scores=[fid]` asks for the distance on whichever extractor there is; `stop.factor`, searches and `confirm`
go by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

EXTRACTORS = ("classifier", "imagenet", "inception", "points")


def distance_key(extractor: str | None) -> str:
    """Its key in files: `fid`, `fd_classifier`, `fd_points`."""
    return "fid" if extractor in (None, "inception") else f"fd_{extractor}"


DISTANCES = tuple(map(distance_key, EXTRACTORS))


def distance_name(extractor: str | None, *notes: str) -> str:
    """Its name for people: "FID", "FD (classifier)"; `notes` follow the extractor in its brackets."""
    plain = extractor in (None, "inception")
    inside = ", ".join(notes if plain else (str(extractor), *notes))
    return ("FID" if plain else "FD") + (f" ({inside})" if inside else "")


def distance_of(row: Mapping[str, Any]) -> float | None:
    """The distance of a row of scores, whatever its extractor; None where there is none, or none that is finite."""
    return next((row[key] for key in DISTANCES if row.get(key) is not None), None)


def name_of_all(rows: Iterable[Mapping[str, Any]]) -> str:
    """The name of the distance of these rows; "distance" where it is not one."""
    found = {key for row in rows for key in DISTANCES if key in row}
    names = [distance_name(extractor) for extractor in EXTRACTORS if distance_key(extractor) in found]
    return names[0] if len(names) == 1 else "distance"
