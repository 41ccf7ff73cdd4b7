"""Cells: what runs are grouped by, how a cell is called, and what its units of budget are worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from analysis.loading.trials import ADAPTIVE
from landscape.config.axes import CELL_AXES, CELL_KEYS, VARIED_AXES, cell_label
from landscape.store import DONE, STOPPED
from landscape.store.trials import CONFIRM

# What may differ within a cell, in the order in which it is told: hyperparameters, and what cells may be pooled over.
VARIED = tuple(axis.name for axis in VARIED_AXES)
VARIED_NAMES = {axis.name: axis.title for axis in VARIED_AXES}

POOLED = " (n_dis "  # begins the end of the label of a cell that is pooled over n_dis

UNITS = ("run", "setting")
ENDS = ["least", "worth"]  # of what a run may have come to

MOST_DRAWN = 40  # cells of a figure, or of a table of pairs, that can still be read


def pooled_label(facts: Mapping[str, Any], counts: Sequence[int]) -> str:
    """The name of a cell pooled over these n_dis: "WGAN GP (n_dis 1, 5)"."""
    return f"{cell_label({**facts, 'n_dis': 1})}{POOLED}{', '.join(map(str, counts))})"


def label_cells(runs: pd.DataFrame) -> pd.DataFrame:
    """A copy whose `cell` also names the architecture, where the frame holds several."""
    runs = runs.copy()
    if runs["arch"].nunique() > 1:
        runs["cell"] = runs["arch"] + " " + runs["cell"]
    return runs


def cell_facts(runs: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """What each cell is on its axes, by its label; without what its runs differ in, as those of pooled cells do."""
    distinct = runs[["cell", *CELL_KEYS]].drop_duplicates()
    found = {}
    for label, cell in distinct.groupby("cell", sort=False):
        found[str(label)] = {key: cell[key].iloc[0] for key in CELL_KEYS if cell[key].nunique() == 1}
    return found


def countable(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs of `runs` that boxes, tables and curves over k may count: neither stopped early nor trained to confirm.

    A stopped run has no final score to compare (it enters curves over hours, with what it cost); a run that confirms a
    choice is of a setting picked for its score; a superseded one was trained by a choice that means something else now.
    """
    kept = comparable(runs)
    return kept[kept["status"] != STOPPED]


def comparable(runs: pd.DataFrame) -> pd.DataFrame:
    """`countable`, and the stopped runs: what a comparison must reckon with, whatever these would have come to."""
    return runs[(runs["stage"] != CONFIRM) & runs["superseded"].isna()]


def bounded(runs: pd.DataFrame) -> pd.DataFrame:
    """The `comparable` runs that have a result, with `least` and `worth`, between which their value lies: equal where
    it is known.

    A run that was stopped may have come to anything, from zero to divergence; so may one that is done and has no value
    (as a row of a CSV). Cells of which nothing is known are left out. A frame that is bounded stays as it is.
    """
    if "least" in runs:
        return runs
    kept = comparable(runs)
    stopped = kept["status"] == STOPPED
    known = kept["worth"].notna() & ~stopped
    unknown = stopped | ((kept["status"] == DONE) & ~known)
    kept = kept.assign(least=kept["worth"].mask(unknown, 0.0), worth=kept["worth"].mask(unknown, np.inf))
    return kept[kept["worth"].notna() & known.groupby(kept["cell"]).transform("any")]


def worths(runs: pd.DataFrame, unit: str = "run") -> pd.DataFrame:
    """What each unit of budget is worth: one row a unit, columns cell, setting, worth, least, capped, diverged.

    `runs` is a frame of `load` under one protocol. Its rows without a result (`worth` NaN) are left out.

    worth     FID, infinity where the unit diverged or was stopped: what the median of the best takes
    least     zero where it was stopped, else the same (see `bounded`)
    capped    `worth` with the run's own step-0 score in the place of infinity: what the mean of the best takes. NaN
              where there is no step-0 score
    diverged  whether it diverged for certain

    A "run" is a setting and seed; repeats of one seed are nearly copies, so that they count once, by their median.
    A "setting" is the median over its seeds, half of which diverged make it diverge. Raises `ValueError` for an
    unknown unit.
    """
    if unit not in UNITS:
        raise ValueError(f"unit {unit!r} is none of {', '.join(UNITS)}")
    known = bounded(runs)[["cell", "setting", "seed", *ENDS, "fid_start"]].copy()
    # A distance of nearly nothing may come out below zero by rounding.
    known[[*ENDS, "fid_start"]] = known[[*ENDS, "fid_start"]].clip(lower=0)
    known["capped"] = known["worth"].where(np.isfinite(known["worth"]), known["fid_start"])
    for keys in (["cell", "setting", "seed"], ["cell", "setting"])[: UNITS.index(unit) + 1]:
        groups = known.groupby(keys, sort=True)[[*ENDS, "capped"]]
        # A missing step-0 score must stay missing, not be skipped; infinities count as values.
        known = groups.median().where(groups.count().eq(groups.size(), axis=0)).reset_index()
    known["diverged"] = np.isinf(known["least"])
    return known[["cell", "setting", *ENDS, "capped", "diverged"]]


def equal_seeds(runs: pd.DataFrame) -> pd.DataFrame:
    """The `bounded` runs, of each setting those of its first seeds, as many as every setting has.

    A median of several seeds lies nearer to the middle than a single one, so that a cell of single seeds would look the
    better the more settings are tried. A cell of one setting has all its seeds: there they are the units.
    """
    known = bounded(runs)
    seeds = known.groupby(["cell", "setting"])["seed"]
    several = known.groupby("cell")["setting"].transform("nunique") > 1
    fewest = seeds.transform("nunique")[several].min()
    kept: pd.DataFrame = known[~several | (seeds.rank("dense") <= fewest)]
    return kept


def independent(runs: pd.DataFrame) -> bool:
    """Whether the runs of one cell can be taken for independent draws: its seeds are of one setting, or one a setting.

    Several seeds of several settings come in clusters; a band for single runs would be too narrow there.
    """
    known = runs.loc[runs["worth"].notna()].drop_duplicates(["setting", "seed"])
    return known["setting"].nunique() in (0, 1, len(known))


def adaptive(runs: pd.DataFrame) -> bool:
    """Whether some runs were proposed by looking at the results of others: one trajectory, no independent draws."""
    return bool(runs["sampler"].isin(ADAPTIVE).any())


class NoBand(NamedTuple):
    """Why no band holds for a cell's units, and the note that its figure bears."""

    cause: Literal["searched", "clustered", "picked"]
    note: str


SEARCHED = NoBand("searched", "no band: a search's results\nare one trajectory")
CLUSTERED = NoBand("clustered", "no band: seeds of one\nsetting go together")
PICKED = NoBand("picked", "no band: runs were picked\nby what came of them")


def no_bands(runs: pd.DataFrame, unit: str) -> dict[str, NoBand]:
    """The cells for whose units no band holds, and why; `runs` as in `worths`."""
    reasons = {}
    for label, cell in bounded(runs).groupby("cell"):
        if adaptive(cell):
            reasons[str(label)] = SEARCHED
        elif unit == "run" and not independent(cell):
            reasons[str(label)] = CLUSTERED
    return reasons


def stopped_cells(runs: pd.DataFrame) -> list[str]:
    """The cells whose curves are drawn at worst, since what some of their runs would have come to is unknown."""
    known = bounded(runs)
    return sorted(known.loc[(known["least"] < known["worth"]) & ~known["sampler"].isin(ADAPTIVE), "cell"].unique())


def varied(runs: pd.DataFrame) -> list[str]:
    """The hyperparameters that take several values among `runs`, in the order of `VARIED`."""
    return [key for key in VARIED if runs[key].nunique(dropna=False) > 1]


def cell_order(runs: pd.DataFrame) -> list[str]:
    """The labels in `runs`, by loss and then regularization, without one before with one; never by rank."""
    first = runs.drop_duplicates("cell")
    joined = [axis for axis in CELL_AXES if axis.mark == "plus"]
    dressed = pd.concat([first[axis.name] != axis.plain for axis in joined], axis=1).any(axis=1)
    keys = [axis.name for axis in CELL_AXES if axis.name != "data"]
    keys.insert(keys.index(joined[0].name), "dressed")
    return list(first.assign(dressed=dressed).sort_values(keys)["cell"])


def readable(runs: pd.DataFrame) -> list[str]:
    """The cells that figures and pairs are of, in the order of cells: all, or of too many the `MOST_DRAWN` with the
    lowest median distance."""
    order = cell_order(runs)
    if len(order) <= MOST_DRAWN:
        return order
    medians = worths(runs).groupby("cell")["worth"].median().reindex(order)
    kept = set(medians.sort_values(kind="stable").index[:MOST_DRAWN])
    return [label for label in order if label in kept]
