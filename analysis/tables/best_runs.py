"""The best run of each cell with its hyperparameters, beside the paper's best of the same cell."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from analysis.loading.cells import VARIED_NAMES, cell_order, countable
from analysis.loading.clocks import with_clocks
from analysis.loading.measure import BY_DISTANCE, Measure
from analysis.loading.paper_results import best_published, differences, read_lines
from analysis.tables.runs_and_cells import SCORE_NAMES
from landscape.config.axes import VARIED_AXES
from landscape.store.protocols import EvalProtocol

BEST_COLUMNS = {
    "cell": "cell",
    "fid": "{distance}, {lowest}",
    "paper": "paper's FID, best checkpoint",
    "compares": "comparable",
    **VARIED_NAMES,
    "seed": "seed",
    **SCORE_NAMES,
    "train_s": "training",
    "eval_s": "evaluation",
    "train_cpu_s": "training, CPU time",
    "eval_cpu_s": "evaluation, CPU time",
    "id": "run",
}

# The paper's code reports the lowest FID over a run's checkpoints.
COMPARABLE = "yes (ours: last checkpoint; paper: best checkpoint)"


def best_runs(runs: pd.DataFrame) -> pd.DataFrame:
    """The `countable` run with the best final score of each cell, in cell order; unscored cells are left out."""
    use = countable(runs)
    scored: pd.DataFrame = use[np.isfinite(use["worth"])].sort_values("worth", kind="stable").drop_duplicates("cell")
    return scored.set_index("cell", drop=False).reindex([c for c in cell_order(runs) if c in set(scored["cell"])])


def best_table(
    runs: pd.DataFrame, text: EvalProtocol, configs: Mapping[str, str], measure: Measure = BY_DISTANCE
) -> pd.DataFrame:
    """`best_runs` with columns `BEST_COLUMNS`; `text` is the protocol's, `configs` as in `Collected`.

    By another `measure` than the distance its column is second, and nothing is compared with the paper.

    `paper` is the lowest FID that the paper reports for the cell, or NaN; `compares` is `COMPARABLE`, the differences
    that prevent a comparison, or "" without a published FID. The best of many runs is an optimistic value, here and in
    the paper.
    """
    best = best_runs(runs)
    names = list(dict.fromkeys(["cell", measure.column.key, *BEST_COLUMNS]))
    rows = []
    for _, run in best.iterrows():
        facts = {str(key): value for key, value in run.items()}
        paper, compares = None, ""
        if measure.is_distance and (model := best_published(facts)) is not None:
            known = configs.get(str(run["id"]))
            why = differences(facts, text, None if known is None else read_lines(known))
            paper, compares = float(model["fid"]), f"no: {', '.join(why)}" if why else COMPARABLE
        rows.append({**{key: facts.get(key) for key in names}, "paper": paper, "compares": compares})
    frame = pd.DataFrame(rows, columns=with_clocks(names, runs))
    return frame.astype({"paper": float, **{axis.name: float for axis in VARIED_AXES if axis.kind is float}})
