"""The objective value of a run: the logarithm of its last distance, or of its first one if it diverged."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from statistics import median
from typing import NamedTuple

from landscape.config.axes import cell_of
from landscape.config.errors import CorruptFile, UserError
from landscape.scores import distance_of
from landscape.store import DIVERGED, FINISHED, STOPPED, RunFolder
from landscape.store.metrics_row import MetricsRow
from landscape.store.protocols import EvalRequest
from landscape.store.trials import GRID, TrialRecord, put_rows
from sweeps.planning.plan import Plan


class ObjectiveValue(NamedTuple):
    """The value that Optuna minimizes (None if the run has no usable score), and how the run ended."""

    value: float | None
    diverged: bool
    stopped: bool = False


def objective_value(run: RunFolder, asked: EvalRequest) -> ObjectiveValue:
    """The objective value of a run under the request `asked`; no value if it is not finished or not scored.

    A diverged run, and one whose last distance is not finite, counts as its distance at step 0, that of an untrained
    generator. Samplers ignore failed trials and would propose similar settings again; this value keeps them away.
    """
    state = run.status().state
    if state not in FINISHED:
        return ObjectiveValue(None, False)
    rows = rows_of(run, asked)
    last = distance_of(rows[-1].values) if rows else None
    if state != DIVERGED and last is not None and last > 0:
        return ObjectiveValue(math.log(last), False, state == STOPPED)
    start = next((found for row in rows or run.rows() if row.step == 0 and (found := distance_of(row.values))), None)
    return ObjectiveValue(None if start is None else math.log(start), True, state == STOPPED)


def least_median(values: Sequence[float], count: int) -> float:
    """The least that the median of `count` values can be where these are known; -inf where there is no bound."""
    return median([*values, *[-math.inf] * (count - len(values))])


def cannot_matter(values: Sequence[float], count: int, told: Sequence[float]) -> bool:
    """Whether a trial with these values, of `count` seeds, will be in the worse half of the told ones, whatever its
    further seeds give: even if those were the best there can be, its median is above theirs."""
    return bool(told) and least_median(values, count) > median(told)


def rows_of(run: RunFolder, asked: EvalRequest) -> list[MetricsRow]:
    """The run's metric rows under the requested protocol, oldest first; raises `UserError` if one is unreadable."""
    rows = run.rows()
    mine = {name for name in {row.protocol for row in rows} if _answers(run, name, asked)}
    return [row for row in rows if row.protocol in mine]


def _answers(run: RunFolder, protocol: str, asked: EvalRequest) -> bool:
    """Whether a stored protocol agrees with the request in all keys that decide a distance."""
    try:
        text = run.protocol(protocol)
    except (CorruptFile, FileNotFoundError) as e:
        raise UserError(f"the protocol of {run.metrics_file} cannot be read ({e})") from e
    same = ("extractor", "extractor_seed", "real", "n_fake", "quantise", "seed", "data", "generator")
    agree = all(getattr(text, key) == getattr(asked, key) for key in same)
    return agree and asked.weights_sha256 in (None, text.weights)


def record_grid(plan: Plan) -> None:
    """Write the grid's runs into the sweep's trial record, finished ones with their objective value."""
    rows = []
    for order, planned in enumerate(plan.runs):
        value, diverged = None, False
        if planned.asked and "fid" in planned.asked[0].scores:
            with suppress(CorruptFile, OSError, UserError):
                value, diverged, _ = objective_value(plan.store.run(planned.id), planned.asked[0])
        rows.append(TrialRecord(planned.id, cell_of(planned.config), GRID, order, value=value, diverged=diverged))
    put_rows(plan.store, plan.name, rows)
