"""What the answer to "which cell is best" costs: the chance of the right one by the runs and hours that were spent.

Simulated from a pilot, by `sweeps.race.power`: equal numbers of runs with the tests of the report, and races.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.estimators.simulation import Array
from sweeps.race.power import TICKETS, fixed_costs, plausible, race_costs
from sweeps.race.question import Question

EQUAL, CALIBRATED, CERTIFIED = "equal numbers", "race, calibrated", "race, certified"
WAYS = (EQUAL, CALIBRATED, CERTIFIED)
COLUMNS = ("by", "unit", "spent", "chance")
RACES, TRUTHS = 200, 40  # simulated, of so many truths that the pilot allows
MOST = TICKETS  # runs of a cell in a race


class Pilot(NamedTuple):
    """Cells of a section: their distances (infinite: diverged) and the hours of one of them, None if not on record.

    unit    what a distance is of: "run", or "setting" (the median of its seeds)
    clock   what hours are: "hours" or "CPU hours"
    """

    cells: tuple[str, ...]
    distances: tuple[Array, ...]
    hours: tuple[float, ...] | None
    unit: str
    clock: str


def cost_curves(pilot: Pilot, seed: int) -> pd.DataFrame:
    """A row for each step of each curve: `by` is one of `WAYS`, `unit` the pilot's, or its clock; no row where the
    answer is never right."""
    hours = pilot.hours or (1.0,) * len(pilot.cells)
    truths = plausible(pilot.distances, hours, TRUTHS, seed)
    found = (fixed_costs(truths, 1), *race_costs(truths, Question(len(pilot.cells)), RACES, seed))
    rows: list[tuple[str, str, float, float]] = []
    for way, costs in zip(WAYS, found, strict=True):
        sides = [(f"{pilot.unit}s", costs.runs, costs.by_runs), (pilot.clock, costs.hours, costs.by_hours)]
        for unit, spent, chances in sides if pilot.hours else sides[:1]:
            last = np.diff(spent, append=np.inf) > 0  # of races that had spent the same
            at, chance = spent[last], chances[last]
            steps = np.diff(chance, prepend=0.0) > 1e-4
            rows += [(way, unit, float(x), float(y)) for x, y in zip(at[steps], chance[steps], strict=True)]
    return pd.DataFrame(rows, columns=[*COLUMNS])
