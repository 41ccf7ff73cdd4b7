"""From the frame to what the practitioner's simulation takes: a cell's grid, and its search's rounds in their order."""

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
    """For each cell the practitioner's curve, one a search, or that of its grid alone where there was none.

    `runs` as in `cells.unit_values`, `trials` as in `Collected.trials`. A cell is left out where a diverged run has no
    step-0 score to count as, or where it has no results.
    """
    found = {}
    for label, cell in countable(runs).groupby("cell", sort=False):
        paths = rounds_of(cell, trials)
        if paths and all(np.isfinite(part).all() for grid, rounds in paths for part in (grid, *rounds)):
            found[str(label)] = [practitioner(grid, rounds, generator, simulations) for grid, rounds in paths]
    return found


def rounds_of(cell: pd.DataFrame, trials: pd.DataFrame) -> list[tuple[Array, list[Array]]]:
    """Of one cell, for each search: the values of the fixed grid's settings, and those of each round of the search.

    Values are medians over seeds, a diverged run at its own step-0 score. Results of an asynchronous search are rounds
    of one; those of a sampler that looks at no results are all one round, their order saying nothing.
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
    # The same search asked for by two sweeps is one; older records do not name the search.
    mine = mine[mine["search"].isna() | ~mine.duplicated(["search", "order"])]
    for _, search in mine.groupby(mine["search"].fillna(mine["sweep"]), sort=True):
        alone = search["order"].where(search["sampler"].isin(ADAPTIVE), -1.0)
        place = search["round"].where(search["round"].notna() & search["sampler"].isin(ADAPTIVE), alone)
        paths.append((grid, [group["value"].to_numpy(float) for _, group in search.groupby(place, sort=True)]))
    return paths
