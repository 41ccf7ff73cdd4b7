"""What cells are compared by: the distance, or with `report --score NAME` another score.

Estimators take values of which lower is better and a diverged run's is infinite: the columns `worth` and `fid_start` of
a frame. `judged` fills them from the chosen score, and a `Measure` turns results back into the score's own units.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.loading.protocols import distance_label
from analysis.loading.runs import Collected
from landscape.config.errors import UserError
from landscape.scores import COLUMNS, DISTANCE, DISTANCES, SCORES, Column, distance_key
from landscape.store import DIVERGED
from landscape.store.protocols import EvalProtocol

Array = NDArray[np.float64]
Values = TypeVar("Values", float, Array)


@dataclass(frozen=True)
class Measure:
    """The score by which the cells of a section are compared, under the `name` that texts give it."""

    name: str
    column: Column = DISTANCE

    @property
    def is_distance(self) -> bool:
        """Whether it is the distance, which alone has a floor, published values and early-stopping rules."""
        return self.column.distance

    @property
    def what(self) -> str:
        """The score in a sentence: "distance", or its name."""
        return "distance" if self.is_distance else self.name

    @property
    def higher(self) -> bool:
        """Whether higher is better."""
        return self.column.better == "higher"

    @property
    def ratios(self) -> bool:
        """Whether axes are logarithmic and effects are ratios; else axes are linear and effects are differences."""
        return self.column.ratios

    @property
    def best(self) -> float:
        """The value of `worth` that none is below: 0 for a distance, -inf where no bound is known."""
        return 0.0 if self.ratios and not self.higher else -np.inf

    @property
    def scale(self) -> str:
        """What spreads are of, in a sentence: "log distance", "IS"."""
        return f"log {self.what}" if self.ratios else self.name

    @property
    def effect(self) -> str:
        """The size of a difference of two cells: "ratio" or "difference"."""
        return "ratio" if self.ratios else "difference"

    def axis(self, log: str) -> str:
        """The label of an axis of the score; `log` is added where the axis is logarithmic."""
        return f"{self.name}, {log}" if self.ratios else self.name

    def own(self, worth: Values) -> Values:
        """The score of a `worth`, and the other way round; infinite (of either sign) for a diverged run."""
        return 0.0 - worth if self.higher else worth

    def scaled(self, worth: Array) -> Array:
        """`worth` on the scale of effects and spreads, lower is better: its log where effects are ratios."""
        if not self.ratios:
            return worth
        with np.errstate(divide="ignore"):
            logs = np.log(np.maximum(self.own(worth), 0.0))
        return self.own(logs)

    def unscaled(self, scaled: Array) -> Array:
        """The score of a value of `scaled`; also the effect, a ratio or a difference, that a shift on that scale is."""
        return np.exp(self.own(scaled)) if self.ratios else self.own(scaled)


BY_DISTANCE = Measure("distance")


def score_key(name: str, found: Collected) -> str:
    """The key of the column that `--score` names, by the name of a score or the key of a column: "fid", "ms_ssim".

    Raises `UserError` for a name that is none, for a score without a direction, and for one that no run has.
    """
    key = name.lower().replace("-", "_")
    extractors = {text.extractor for text in found.protocols.values()}
    has = [DISTANCE.key] if found.runs["fid"].notna().any() else []
    has += [one for one in DISTANCES if one != DISTANCE.key and one in map(distance_key, extractors)]
    has += [one for one, column in COLUMNS.items() if column.better and not column.distance and _any(found, one)]
    legal = f"give one of {', '.join(has)}" if has else "no run here is scored"
    if key in SCORES and key not in COLUMNS:
        columns = SCORES[key].columns
        key = next((column.key for column in columns if column.better), columns[0].key)
    if key not in (*COLUMNS, *DISTANCES):
        raise UserError(f"--score {name} is no score; {legal}")
    if key in COLUMNS and COLUMNS[key].better is None:
        raise UserError(f"--score {name} has no direction (neither lower nor higher is better); {legal}")
    if key not in has:
        raise UserError(f"--score {name}: no run here has it; {legal}")
    return key


def _any(found: Collected, key: str) -> bool:
    return bool(found.runs[key].notna().any())


def measure_of(score: str | None, text: EvalProtocol) -> Measure:
    """The measure of a section under the protocol `text`; `score` is as from `score_key`, None for the distance."""
    column = COLUMNS.get(score or DISTANCE.key, DISTANCE)
    if column.distance:
        of_other = score not in (None, DISTANCE.key, distance_key(text.extractor))
        return Measure(str(score) if of_other else distance_label(text), column)
    return Measure(column.label or column.key, column)


def judged(runs: pd.DataFrame, rows: pd.DataFrame, score: str | None, text: EvalProtocol) -> pd.DataFrame:
    """`runs`, a section under the protocol `text`, with `worth` and `fid_start` by the measure of `score`.

    `rows` are the section's evaluations. A diverged run is infinite, whatever the direction, and so is one whose
    distance is infinite and that has no value of the score. Any other run without a value is unknown (NaN): if it has a
    distance, its cell is partly scored (`protocols.partly_scored`). `at_best` is the measure's `best`.
    """
    measure = measure_of(score, text)
    if score in (None, DISTANCE.key, distance_key(text.extractor)):
        return runs
    if measure.is_distance:  # of another extractor than this protocol's
        return runs.assign(worth=np.where(runs["status"] == DIVERGED, runs["worth"], np.nan), fid_start=np.nan)
    values = measure.own(runs[measure.column.key].to_numpy(float))
    values = np.where(np.isfinite(values), values, np.where(np.isinf(runs["worth"]), np.inf, np.nan))
    values = np.where(runs["status"] == DIVERGED, np.inf, values)
    first = rows[rows["step"] == 0].drop_duplicates("id").set_index("id")
    started = pd.Series(measure.own(score_values(first, measure.column)), index=first.index, dtype=float)
    return runs.assign(
        worth=pd.Series(values, index=runs.index).where(runs["superseded"].isna()),
        fid_start=runs["id"].map(started).where(runs["protocol"].notna()).astype(float),
        at_best=measure.best,
    )


def score_values(rows: pd.DataFrame, column: Column) -> Array:
    """The values of a score in evaluations (a frame of `load_rows`)."""
    if column.one_minus is None:
        return rows[column.key].to_numpy(float)
    return 1 - rows[column.one_minus].to_numpy(float)
