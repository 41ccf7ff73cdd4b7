"""Score descriptors, which planning, storing, training, trackers and reports read. No torch.

Every module of this folder with a list `SCORES` adds its scores. A new score needs a file here (recipe in
CONTRIBUTING.md), its name in a file of `conf/metrics`, and a row of a test.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Any

from landscape.scores.descriptor import Column, Need, Option, Score
from landscape.scores.distance import (
    DISTANCES,
    EXTRACTORS,
    distance_key,
    distance_name,
    distance_of,
    name_of_all,
)  # fmt: skip

__all__ = [
    "COLUMNS", "CURVES", "DIAGNOSTICS", "DISTANCE", "DISTANCES", "EXTRACTORS", "NUMBERS", "OPTIONS", "QUALITY",
    "SCORES", "STORED",
    "Column", "Need", "Option", "Score", "columns_of", "distance_key", "distance_name", "distance_of", "name_of_all",
]  # fmt: skip


def _found() -> list[Score]:
    modules = [import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)]
    scores = [score for module in modules for score in getattr(module, "SCORES", ())]
    return sorted(scores, key=lambda score: score.diagnostic)


SCORES = {score.name: score for score in _found()}  # quality scores first
OPTIONS = {option.name: option for score in SCORES.values() for option in score.options}
COLUMNS = {column.key: column for score in SCORES.values() for column in score.columns}
CURVES = tuple(key for key, column in COLUMNS.items() if column.curve)
NUMBERS = tuple(key for key, column in COLUMNS.items() if not column.curve)
DIAGNOSTICS = tuple(
    column.key for score in SCORES.values() if score.diagnostic for column in score.columns if not column.curve
)
QUALITY = tuple(key for key in NUMBERS if key not in DIAGNOSTICS)
DISTANCE = next(column for column in COLUMNS.values() if column.distance)
# Keys of the numbers in a stored row.
STORED = (*DISTANCES, *(key for key in NUMBERS if not COLUMNS[key].distance and COLUMNS[key].one_minus is None))


def columns_of(rows: Iterable[Mapping[str, Any]]) -> list[tuple[str, Column]]:
    """The columns, each under its head, of a table of rows of scores as they are stored: those that any row has."""
    rows = list(rows)
    keys = {key for row in rows for key in row}
    found = [column for column in COLUMNS.values() if column.label and keys & column.keys]
    return [(name_of_all(rows) if column.distance else column.label, column) for column in found]
