"""Pooling of cells over n_dis, the report's `--pool n_dis`."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from analysis.loading.cells import pooled_label
from analysis.loading.runs import Collected
from landscape.config.axes import CELL_AXES, CELL_KEYS, cell_label

POOLS = tuple(axis.name for axis in CELL_AXES if axis.pools)  # columns of a cell that may be pooled over


def pool_cells(found: Collected) -> Collected:
    """`found` with one `cell` for runs whose cells differ in n_dis alone, labeled "WGAN GP (n_dis 1, 5)".

    A cell with a single n_dis keeps its label. Only `cell` changes: `setting` and `n_dis` stay those of the run.
    """
    rest = [key for key in CELL_KEYS if key != "n_dis"]
    labels = {}
    for facts, group in found.runs.groupby(rest, sort=False):
        counts = sorted(group["n_dis"].unique().tolist())
        first = dict(zip(rest, facts, strict=True))
        labels[facts] = pooled_label(first, counts) if len(counts) > 1 else cell_label(first | {"n_dis": counts[0]})

    def named(frame: pd.DataFrame) -> pd.DataFrame:
        keys = zip(*(frame[key] for key in rest), strict=True)
        return frame.assign(cell=[labels[key] for key in keys])

    return replace(found, runs=named(found.runs), rows=named(found.rows), pooled_over=POOLS)
