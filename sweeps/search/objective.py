"""What a run is worth to a search: the logarithm of its last distance, or of its first one where it diverged."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import NamedTuple

from landscape.config.axes import cell_of
from landscape.config.errors import CorruptFile, UserError
from landscape.scores import distance_of
from landscape.store import DIVERGED, FINISHED, STOPPED, RunFolder
from landscape.store.metrics_row import MetricsRow
from landscape.store.protocols import EvalRequest
from landscape.store.trials import GRID, TrialRecord, put_rows
from sweeps.planning.plan import Plan


class Worth(NamedTuple):
    """`value` is None where the run holds nothing to tell."""

    value: float | None
    diverged: bool
    stopped: bool = False


def worth(run: RunFolder, asked: EvalRequest) -> Worth:
    """The worth of a finished run under the scores asked for.

    A diverged run, and one whose last distance is not finite, is worth its own distance at step 0, that of a generator
    that has learnt nothing: a model that learns from finished trials alone keeps away from there, where one that hears
    of a failure would go again.
    """
    state = run.status().state
    if state not in FINISHED:
        return Worth(None, False)
    rows = rows_of(run, asked)
    last = distance_of(rows[-1].values) if rows else None
    if state != DIVERGED and last is not None and last > 0:
        return Worth(math.log(last), False, state == STOPPED)
    start = next((found for row in rows or run.rows() if row.step == 0 and (found := distance_of(row.values))), None)
    return Worth(None if start is None else math.log(start), True, state == STOPPED)


def rows_of(run: RunFolder, asked: EvalRequest) -> list[MetricsRow]:
    """The run's rows under the protocol that `asked` led to, oldest first."""
    rows = run.rows()
    mine = {name for name in {row.protocol for row in rows} if _answers(run, name, asked)}
    return [row for row in rows if row.protocol in mine]


def _answers(run: RunFolder, protocol: str, asked: EvalRequest) -> bool:
    """Whether a protocol's text says, of each key that decides a distance, what was asked for."""
    try:
        text = run.protocol(protocol)
    except (CorruptFile, FileNotFoundError) as e:
        raise UserError(f"the protocol of {run.metrics_file} cannot be read ({e})") from e
    same = ("extractor", "extractor_seed", "real", "n_fake", "quantise", "seed", "data", "generator")
    agree = all(getattr(text, key) == getattr(asked, key) for key in same)
    return agree and asked.weights_sha256 in (None, text.weights)


def record_grid(plan: Plan) -> None:
    """Put the grid's runs into the sweep's record, with what they are worth where they are finished."""
    rows = []
    for order, planned in enumerate(plan.runs):
        value, diverged = None, False
        if planned.asked and "fid" in planned.asked[0].scores:
            with suppress(CorruptFile, OSError, UserError):
                value, diverged, _ = worth(plan.store.run(planned.id), planned.asked[0])
        rows.append(TrialRecord(planned.id, cell_of(planned.config), GRID, order, value=value, diverged=diverged))
    put_rows(plan.store, plan.name, rows)
