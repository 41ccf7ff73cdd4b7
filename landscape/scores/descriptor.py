"""How a score is described: its columns, its options, what it needs. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from landscape.ranges import Legal
from landscape.scores.distance import DISTANCES, distance_key, distance_of


@dataclass(frozen=True)
class Column:
    """A value of a score: its key in rows, frames and files, and how a report shows it."""

    key: str
    label: str = ""  # the head of its column ("{distance}" is the distance's own name); "": in files only
    format: str = ".3g"  # of a number
    better: Literal["lower", "higher"] | None = None
    spread: bool = False  # how far another column spreads
    curve: bool = False  # a list of numbers
    one_minus: str | None = None  # the column that it is 1 minus, when rows are read; it is stored nowhere
    on_features: bool = False  # mirrors add the extractor to its key where that is not Inception
    distance: bool = False  # stored under `distance_key`, read as `key`

    @property
    def keys(self) -> set[str]:
        """Those that a row of scores may have it under."""
        return set(DISTANCES) if self.distance else {self.key}

    def stored(self, extractor: str | None) -> str:
        """Its key in a row of scores under this extractor."""
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
    """A key of `metrics` that a score needs. Its defaults stand in `conf/metrics`.

    At the value `neutral` it is not part of a protocol's id, so that scores from before there was the key stay valid.
    """

    name: str
    neutral: int | float | str
    range: Legal
    help: str


# What a score may need beyond the features of the samples: those of the real images, not only their moments; the
# networks that made the samples, without which it is left out; and a D among them, without which it is refused.
Need = Literal["real_features", "networks", "discriminator"]


@dataclass(frozen=True)
class Score:
    """A score by its name in `metrics.scores`.

    `measure` names the function ("module:function") from `landscape.metrics.evaluator.Sample` to values by column: a
    number, a list of numbers, or a sentence that says why there is none.
    """

    name: str
    measure: str
    columns: tuple[Column, ...]
    options: tuple[Option, ...] = ()
    extractors: tuple[str, ...] = ()  # that it can be made from; (): all
    needs: tuple[Need, ...] = ()
    diagnostic: bool = True  # asks why a generator is good or bad: its columns are in the table of diagnostics
