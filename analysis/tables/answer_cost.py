"""Which runs of a section are the pilot from which the cost of an answer is simulated."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.estimators.answer_cost import Pilot
from analysis.loading.cells import equal_seeds
from analysis.loading.clocks import by_cpu, costed
from analysis.tables.pairs import Sample, entering, samples

MOST_CELLS = 12  # of more, the simulation takes longer than the rest of the page
FEWEST = 5  # runs of a cell
COMMAND = "python -m sweeps plan --power --pilot STORE"


def pilot_of(runs: pd.DataFrame) -> Pilot | str:
    """The cells with enough runs, in the units of the table of pairs; a sentence if there is no pilot, "" if there is
    nothing to ask."""
    every = samples(runs)
    if len(every) < 2:
        return ""
    enough = {label: one for label, one in every.items() if _is_enough(one)}
    if len(enough) > MOST_CELLS:
        return f"What the answer costs is not drawn for more than {MOST_CELLS} cells; {COMMAND} says it."
    if len(enough) < 2:
        return f"What the answer costs is drawn from {FEWEST} runs a cell on; {COMMAND} says it for fewer."
    units = {one.unit for one in enough.values()}
    if len(units) > 1 or all(np.ptp(one.most[np.isfinite(one.most)]) == 0 for one in enough.values()):
        return ""  # seeds are not compared with settings, and runs without a spread need no second look
    use = equal_seeds(entering(runs[runs["cell"].isin([*enough])]))
    seeds = use.drop_duplicates(["cell", "setting", "seed"])["cell"].value_counts()
    seeds = pd.Series({label: seeds[label] / len(one.most) for label, one in enough.items()})  # of a unit
    took = costed(use)[["train_s", "eval_s"]].sum(axis=1, skipna=False) / 3600
    hours = (took.groupby(use["cell"]).mean() * seeds)[[*enough]]
    return Pilot(
        tuple(enough),
        tuple(one.most for one in enough.values()),
        tuple(hours) if np.isfinite(took).all() and (took > 0).all() else None,
        "run" if (seeds == 1).all() else "setting",
        "CPU hours" if by_cpu(use) else "hours",
    )


def _is_enough(one: Sample) -> bool:
    return len(one.most) >= FEWEST and int(np.isfinite(one.most).sum()) > 1
