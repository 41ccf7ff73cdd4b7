"""Descriptor of a score: its columns, options and requirements. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from landscape.ranges import Legal
from landscape.scores.distance import DISTANCES, distance_key, distance_of


@dataclass(frozen=True)
class Column:
    """A value of a score: its key in rows, frames and files, and how reports show it."""

    key: str
    label: str = ""  # column header ("{distance}": the distance's own name); "": in files only
    format: str = ".3g"  # number format
    better: Literal["lower", "higher"] | None = None
    ratios: bool = False  # above zero by nature: reports take logs and ratios of it, else differences
    spread: bool = False  # standard deviation of the column before
    curve: bool = False  # a list of numbers
    one_minus: str | None = None  # computed on reading as 1 minus this column; not stored
    on_features: bool = False  # trackers append the extractor to its key unless it is Inception
    distance: bool = False  # stored under `distance_key`, read as `key`

    @property
    def keys(self) -> set[str]:
        """Those that a row of scores may have it under."""
        return set(DISTANCES) if self.distance else {self.key}

    def stored(self, extractor: str | None) -> str:
        """Its key in a row of scores for this extractor."""
        return distance_key(extractor) if self.distance else self.key

    def of(self, row: Mapping[str, Any]) -> float | None:
        """Its value in a row of scores as they are stored; None where there is none that is finite."""
        return distance_of(row) if self.distance else row.get(self.key)

    def text(self, value: float) -> str:
        """A value as people read it, wherever that is."""
        if abs(value) >= 1e9:
            return f"{value:.4g}"
        return format(value, ",.0f" if self.format.endswith("g") and abs(value) >= 1000 else self.format)


@dataclass(frozen=True)
class Option:
    """A key of `metrics` that a score needs. Defaults are in `conf/metrics`.

    At the value `neutral` it is not part of a protocol's id, so that scores from before the key existed stay valid.
    """

    name: str
    neutral: int | float | str
    range: Legal
    help: str


# What a score needs besides the samples' features: the features of real images (not only their moments); the networks
# (without them the score is omitted); or a discriminator (without one the score is refused).
Need = Literal["real_features", "networks", "discriminator"]


@dataclass(frozen=True)
class Score:
    """A score by its name in `metrics.scores`.

    `measure` ("module:function") maps `landscape.metrics.evaluator.ScoringInput` to values by column: a number, a list
    of numbers, or the reason why there is none.
    """

    name: str
    measure: str
    columns: tuple[Column, ...]
    options: tuple[Option, ...] = ()
    extractors: tuple[str, ...] = ()  # supported extractors; (): all
    needs: tuple[Need, ...] = ()
    diagnostic: bool = True  # a diagnostic: shown in the table of diagnostics
