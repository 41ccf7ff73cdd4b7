"""The input of the practitioner's simulation: a cell's grid, and the rounds of its search in order."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.estimators.simulation import Array, Practitioner, practitioner
from analysis.loading.cells import countable, unit_values
from analysis.loading.trials import ADAPTIVE
from landscape.store.trials import GRID, SEARCH


def practitioners(
    runs: pd.DataFrame, trials: pd.DataFrame, generator: np.random.Generator, simulations: int = 1000
) -> dict[str, list[Practitioner]]:
    """The practitioner's curves of each cell, one per search, or that of its grid if there was no search.

    `runs` is as in `cells.unit_values`, `trials` as in `Collected.trials`. Cells without results, and cells with a
    diverged run that has no step-0 score, are left out.
    """
    found = {}
    for label, cell in countable(runs).groupby("cell", sort=False):
        paths = rounds_of(cell, trials)
        if paths and all(np.isfinite(part).all() for grid, rounds in paths for part in (grid, *rounds)):
            found[str(label)] = [practitioner(grid, rounds, generator, simulations) for grid, rounds in paths]
    return found


def rounds_of(cell: pd.DataFrame, trials: pd.DataFrame) -> list[tuple[Array, list[Array]]]:
    """For each search of one cell: the values of the grid's settings, and those of each round of the search.

    Values are medians over seeds; a diverged run counts with its step-0 score. Trials of an asynchronous search are
    rounds of one; trials of a sampler that is not adaptive are one round, as their order has no meaning.
    """
    values = unit_values(cell, "setting").set_index("setting")["capped"]
    on_grid = set(cell.loc[(cell["stage"] == GRID) & cell["worth"].notna(), "setting"])
    grid = values[values.index.isin(on_grid)].to_numpy(float)
    setting = cell.drop_duplicates("id").set_index("id")["setting"]
    mine = trials[(trials["stage"] == SEARCH) & trials["id"].isin(setting.index)].copy()
    mine["value"] = mine["id"].map(setting).map(values)
    mine = mine[mine["value"].notna()]
    if mine.empty:
        return [(grid, [])] if len(grid) else []
    paths = []
    # Two sweeps may share a search; old records do not name it.
    mine = mine[mine["search"].isna() | ~mine.duplicated(["search", "order"])]
    for _, search in mine.groupby(mine["search"].fillna(mine["sweep"]), sort=True):
        alone = search["order"].where(search["sampler"].isin(ADAPTIVE), -1.0)
        place = search["round"].where(search["round"].notna() & search["sampler"].isin(ADAPTIVE), alone)
        paths.append((grid, [group["value"].to_numpy(float) for _, group in search.groupby(place, sort=True)]))
    return paths
