"""Cells: how runs are grouped and labeled, which of them count, and the value of each unit of budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from analysis.loading.trials import ADAPTIVE
from landscape.config.axes import CELL_AXES, CELL_KEYS, VARIED_AXES, cell_label
from landscape.store import DONE, STOPPED
from landscape.store.trials import CONFIRM

# Columns that may vary within a cell, in display order: hyperparameters, and n_dis in pooled cells.
VARIED = tuple(axis.name for axis in VARIED_AXES)
VARIED_NAMES = {axis.name: axis.title for axis in VARIED_AXES}

POOLED = " (n_dis "  # in the label of a cell pooled over n_dis

UNITS = ("run", "setting")
ENDS = ["least", "worth"]  # columns: bounds of the final distance

MOST_DRAWN = 40  # cells in a figure or a table of pairs; more cannot be read


def pooled_label(facts: Mapping[str, Any], counts: Sequence[int]) -> str:
    """The label of a cell pooled over these n_dis: "WGAN GP (n_dis 1, 5)"."""
    return f"{cell_label({**facts, 'n_dis': 1})}{POOLED}{', '.join(map(str, counts))})"


def label_cells(runs: pd.DataFrame) -> pd.DataFrame:
    """A copy of `runs` in which `cell` begins with the architecture if there are several."""
    runs = runs.copy()
    if runs["arch"].nunique() > 1:
        runs["cell"] = runs["arch"] + " " + runs["cell"]
    return runs


def cell_facts(runs: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """The values of `CELL_KEYS` by cell label, without keys that vary within the cell (n_dis of a pooled one)."""
    distinct = runs[["cell", *CELL_KEYS]].drop_duplicates()
    found = {}
    for label, cell in distinct.groupby("cell", sort=False):
        found[str(label)] = {key: cell[key].iloc[0] for key in CELL_KEYS if cell[key].nunique() == 1}
    return found


def countable(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs that boxes, tables and curves over k include: `comparable` ones that were not stopped early.

    A stopped run has no final score; it enters curves over hours, with its cost.
    """
    kept = comparable(runs)
    return kept[kept["status"] != STOPPED]


def comparable(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs a comparison has to account for, stopped ones included (their final scores are unknown).

    Left out are confirmation runs, whose setting was picked for its score, and superseded runs, trained by a choice
    whose meaning has changed since.
    """
    return runs[(runs["stage"] != CONFIRM) & runs["superseded"].isna()]


def bounded(runs: pd.DataFrame) -> pd.DataFrame:
    """The `comparable` runs that have a result, with bounds `least` and `worth` of their final distance.

    The bounds are equal if the distance is known. That of a stopped run may be anything, from zero to divergence, and
    so may that of a finished run without a value (a row of a CSV file). Cells without any known distance are left out.
    A frame that has bounds is returned as it is. Where another score is in the distance's place (`measure.judged`), a
    value may be anything from `at_best` to divergence.
    """
    if "least" in runs:
        return runs
    kept = comparable(runs)
    stopped = kept["status"] == STOPPED
    known = kept["worth"].notna() & ~stopped
    unknown = stopped | ((kept["status"] == DONE) & ~known)
    kept = kept.assign(
        least=kept["worth"].mask(unknown, best_possible(kept)), worth=kept["worth"].mask(unknown, np.inf)
    )
    return kept[kept["worth"].notna() & known.groupby(kept["cell"]).transform("any")]


def best_possible(runs: pd.DataFrame) -> float:
    """The value that no `worth` of a frame is below: 0 for distances, else as `measure.judged` has it."""
    return float(runs["at_best"].iloc[0]) if "at_best" in runs and len(runs) else 0.0


def unit_values(runs: pd.DataFrame, unit: str = "run") -> pd.DataFrame:
    """The value of each unit of budget: one row per unit, columns cell, setting, worth, least, capped, diverged.

    `runs` is a frame of `load` under one protocol. Rows without a result (`worth` NaN) are left out.

    worth     the distance, infinite for a unit that diverged or was stopped; used by the median of the best of k
    least     the same, but the best possible value for a unit that was stopped (see `bounded`)
    capped    `worth` with the step-0 score in place of infinity, NaN without a step-0 score; used by the mean
    diverged  whether the unit is known to have diverged

    The unit "run" is a setting and seed: repeats of one seed are nearly copies and count once, by their median. The
    unit "setting" is the median over its seeds; it diverges if half of them do. Raises `ValueError` for another unit.
    """
    if unit not in UNITS:
        raise ValueError(f"unit {unit!r} is none of {', '.join(UNITS)}")
    known = bounded(runs)[["cell", "setting", "seed", *ENDS, "fid_start"]].copy()
    # Rounding may put a distance near 0 below it.
    known[[*ENDS, "fid_start"]] = known[[*ENDS, "fid_start"]].clip(lower=best_possible(runs))
    known["capped"] = known["worth"].where(np.isfinite(known["worth"]), known["fid_start"])
    for keys in (["cell", "setting", "seed"], ["cell", "setting"])[: UNITS.index(unit) + 1]:
        groups = known.groupby(keys, sort=True)[[*ENDS, "capped"]]
        # A missing step-0 score makes the median missing; infinities count as values.
        known = medians(groups).where(groups.count().eq(groups.size(), axis=0)).reset_index()
    known["diverged"] = np.isposinf(known["least"])
    return known[["cell", "setting", *ENDS, "capped", "diverged"]]


def medians(groups: pd.api.typing.DataFrameGroupBy[Any, Any]) -> pd.DataFrame:
    """Medians by group of columns with `least`, which is -inf between a value without a bound and a diverged one."""
    found = groups.median()
    return found.assign(least=found["least"].fillna(-np.inf))


def equal_seeds(runs: pd.DataFrame) -> pd.DataFrame:
    """The `bounded` runs with the same number of seeds for all settings: the first that every setting has.

    A median over several seeds varies less than a single seed, so that the best setting of a cell with one seed each
    would look too good, the more so the more settings there are. A cell with one setting keeps all its seeds, because
    they are its units.
    """
    known = bounded(runs)
    seeds = known.groupby(["cell", "setting"])["seed"]
    several = known.groupby("cell")["setting"].transform("nunique") > 1
    fewest = seeds.transform("nunique")[several].min()
    kept: pd.DataFrame = known[~several | (seeds.rank("dense") <= fewest)]
    return kept


def independent(runs: pd.DataFrame) -> bool:
    """Whether the runs of one cell are independent draws: one setting with many seeds, or one seed per setting.

    Several seeds of several settings are clustered, so that a band over single runs would be too narrow.
    """
    known = runs.loc[runs["worth"].notna()].drop_duplicates(["setting", "seed"])
    return known["setting"].nunique() in (0, 1, len(known))


def adaptive(runs: pd.DataFrame) -> bool:
    """Whether an adaptive sampler proposed some of the runs: they are one trajectory, not independent draws."""
    return bool(runs["sampler"].isin(ADAPTIVE).any())


class NoBand(NamedTuple):
    """Why a cell has no band (`cause`), and the `note` in its figure."""

    cause: Literal["searched", "clustered", "picked"]
    note: str


SEARCHED = NoBand("searched", "no band: an adaptive search\nis one trajectory")
CLUSTERED = NoBand("clustered", "no band: seeds of one\nsetting are correlated")
PICKED = NoBand("picked", "no band: runs were\nfiltered by outcome")


def no_bands(runs: pd.DataFrame, unit: str) -> dict[str, NoBand]:
    """The cells that have no band, and why. `runs` is as in `unit_values`."""
    reasons = {}
    for label, cell in bounded(runs).groupby("cell"):
        if adaptive(cell):
            reasons[str(label)] = SEARCHED
        elif unit == "run" and not independent(cell):
            reasons[str(label)] = CLUSTERED
    return reasons


def stopped_cells(runs: pd.DataFrame) -> list[str]:
    """The cells whose curves are upper bounds, because the results of some runs are unknown."""
    known = bounded(runs)
    return sorted(known.loc[(known["least"] < known["worth"]) & ~known["sampler"].isin(ADAPTIVE), "cell"].unique())


def varied(runs: pd.DataFrame) -> list[str]:
    """The columns of `VARIED` that take several values in `runs`."""
    return [key for key in VARIED if runs[key].nunique(dropna=False) > 1]


def cell_order(runs: pd.DataFrame) -> list[str]:
    """The cell labels in `runs`, by loss, then regularization (unregularized first); never by score."""
    first = runs.drop_duplicates("cell")
    joined = [axis for axis in CELL_AXES if axis.mark == "plus"]
    dressed = pd.concat([first[axis.name] != axis.plain for axis in joined], axis=1).any(axis=1)
    keys = [axis.name for axis in CELL_AXES if axis.name != "data"]
    keys.insert(keys.index(joined[0].name), "dressed")
    return list(first.assign(dressed=dressed).sort_values(keys)["cell"])


def cells_to_draw(runs: pd.DataFrame) -> list[str]:
    """The cells to draw and compare, in cell order: all, or the `MOST_DRAWN` with the lowest median distance."""
    order = cell_order(runs)
    if len(order) <= MOST_DRAWN:
        return order
    medians = unit_values(runs).groupby("cell")["worth"].median().reindex(order)
    kept = set(medians.sort_values(kind="stable").index[:MOST_DRAWN])
    return [label for label in order if label in kept]
