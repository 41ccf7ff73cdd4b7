"""Claims of a normal model of log distances, beside those of the distribution-free tests, as sentences."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.estimators.effects import share_interval
from analysis.estimators.families import MOST
from analysis.estimators.normal_model import check, games_howell
from analysis.loading.cells import cell_order
from analysis.loading.measure import BY_DISTANCE, Measure
from analysis.tables.pairs import Sample, samples

MIN_RUNS = 4  # per cell, as for any claim


def model_sentences(
    runs: pd.DataFrame, pairs: pd.DataFrame, level: float = 0.05, measure: Measure = BY_DISTANCE
) -> list[str]:
    """The claims at k = 1 that follow only if log distances are normal, beside the claims of `pairs`; with its check.

    By a `measure` without ratios it is the scores themselves that are taken to be normal.

    If a run diverged, the shares of diverged runs instead. Empty for cells of fewer than `MIN_RUNS` runs, and for more
    cells than a closed test takes.
    """
    drawn = samples(runs)
    cells = {label: drawn[label] for label in cell_order(runs) if label in drawn}
    if lost := {label: one for label, one in cells.items() if np.isinf(one.values).any()}:
        return [
            "Share of diverged runs, with 95 % intervals: "
            + "; ".join(_share(label, one) for label, one in lost.items())
            + "."
        ]
    whole = all(len(one.values) >= MIN_RUNS and (one.values == one.most).all() for one in cells.values())
    logs = [measure.scaled(one.values) for one in cells.values()]
    if not 2 <= len(cells) <= MOST or not whole or not all(np.isfinite(one).all() for one in logs):
        return []
    if min(float(np.ptp(one)) for one in logs) <= 0:
        return []
    names, found = list(cells), games_howell(logs)
    modelled = {frozenset((names[i], names[j])) for (i, j), p in found.items() if p <= level}
    at_1 = pairs[(pairs["k"] == 1) & (pairs["said"] != "")]
    claimed = {frozenset(pair) for pair in zip(at_1["a"], at_1["b"], strict=True)}
    only = [f"{names[i]} and {names[j]}" for i, j in found if frozenset((names[i], names[j])) in modelled - claimed]
    agree = "It claims the same pairs." if modelled == claimed else ""
    if only:
        shown = ", ".join(only[:8]) + (f" and {len(only) - 8} more" if len(only) > 8 else "")
        agree = f"It alone tells apart {shown}; the tests above do not."
    elif modelled < claimed:
        agree = f"It tells apart {len(modelled)} of the {len(claimed)} claimed pairs."
    normal, alike = check(logs)
    of, values = ("log distances", "logs") if measure.is_distance else (measure.scale, "values")
    odd = [
        text for p, text in ((normal, f"{values} do not look normal"), (alike, "spreads look unequal")) if p <= level
    ]
    doubt = f", so it may be wrong here ({' and '.join(odd)})" if odd else ""
    return [
        f"A model of normal {of} (Games and Howell's test of all pairs, {100 * level:.0f} % family-wise): "
        f"{agree} Check of its assumptions: p = {normal:.2g} for normality, {alike:.2g} for equal spreads{doubt}; with "
        "few runs this check has little power."
    ]


def _share(label: str, one: Sample) -> str:
    lost, n = int(np.isinf(one.values).sum()), len(one.values)
    low, high = share_interval(lost, n)
    return f"{label} {lost} of {n} {one.unit}s ({100 * low:.0f} % to {100 * high:.0f} %)"
