"""Replay: recorded runs stand in for training, with a simulated clock and a number of workers.

The runs of each cell are put into a random order, which is that of their tickets, and the race is run on them: a
thousand orders take seconds. What comes out is how often the race names another cell than all runs together do, and
what it costs beside training all of them.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from landscape.config.errors import UserError
from landscape.scores import DISTANCES
from landscape.store import DIVERGED, DONE, FAILED, Store
from landscape.store.races import BEST, ORDER, TOP, WITHIN
from landscape.store.run_table import of_store
from landscape.store.trials import CONFIRM
from sweeps.race.elimination import all_evidence, eliminate
from sweeps.race.evidence import Floats, level
from sweeps.race.question import Question
from sweeps.race.thresholds import FIRST, PER_ROUND

BLIND = ("random", "qmc")  # samplers that look at no results


class Recorded(NamedTuple):
    """A cell of a table of runs."""

    name: str
    distances: Floats
    hours: Floats


class Replayed(NamedTuple):
    """Of so many orders of a table. Shares are of training all of its runs, and medians over the orders."""

    orders: int
    right: float  # the chance of the answer that all runs together give
    wrong: float
    undecided: float
    certified: float
    runs: float
    hours: float
    clock: float  # by the simulated clock, with the same workers

    @property
    def wrong_se(self) -> float:
        """The standard error of `wrong`."""
        at = max(self.wrong, 1 / self.orders)
        return math.sqrt(at * (1 - at) / self.orders)


def ends(hours: Iterable[float], workers: int, begin: float = 0.0) -> list[float]:
    """When each of these runs ends, taken up in order by whichever worker is free."""
    free = [begin] * workers
    found = []
    for took in hours:
        found.append(heapq.heappop(free) + took)
        heapq.heappush(free, found[-1])
    return found


def replay(cells: Sequence[Recorded], question: Question, orders: int, workers: int, seed: int = 0) -> Replayed:
    """Race through a table in random orders. Raises `UserError` where its cells have too few runs for a race."""
    if question.matched or question.by_cost:
        raise UserError("a replay is of rounds of independent runs; leave matched and by-cost out")
    least = min(len(cell.distances) for cell in cells)
    if least < FIRST * PER_ROUND:
        few = min(cells, key=lambda cell: len(cell.distances))
        raise UserError(
            f"cell {few.name} has {least} runs in the table; a race needs {FIRST * PER_ROUND} of each at least"
        )
    have = np.array([len(cell.distances) for cell in cells])
    question = replace(question, tickets=int(have.max()))
    rng = np.random.default_rng(seed)
    places = [np.argsort(rng.random((orders, n)), axis=1) for n in have]
    values = np.full((orders, len(cells), have.max()), np.inf)
    for number, (cell, place) in enumerate(zip(cells, places, strict=True)):
        values[:, number, : have[number]] = cell.distances[place]
    found = all_evidence(values, question.k, question.within, question.rounds)
    took = np.zeros(values.shape)
    for number, (cell, place) in enumerate(zip(cells, places, strict=True)):
        took[:, number, : have[number]] = cell.hours[place]
    course = eliminate(question, found, np.broadcast_to(have, (orders, len(cells))), took)
    p = level(question.k)
    truth = np.array([np.quantile(cell.distances, p, method="inverted_cdf") for cell in cells])
    best = float(truth.min())
    right = (course.state == BEST) & (truth[course.winner] == best)
    right |= (course.state == WITHIN) & (truth[course.winner] <= best * (question.within or 1))
    decided = np.isin(course.state, (BEST, WITHIN, TOP, ORDER))
    if question.relates:
        right = decided & ~(course.better & (truth[:, None] >= truth[None, :])).any(axis=(1, 2))
    rounds = np.where(course.alive, course.rounds[:, None], course.out_at)
    spent, clock = np.zeros(orders), np.zeros(orders)
    for order in range(orders):
        of_cells = [cell.hours[place[order]] for cell, place in zip(cells, places, strict=True)]
        for number in range(int(course.rounds[order])):
            part = slice(PER_ROUND * number, PER_ROUND * (number + 1))
            took = np.concatenate([h[part] for h, n in zip(of_cells, rounds[order], strict=True) if n > number])
            spent[order] += took.sum()
            clock[order] += max(ends(took, workers))
    whole = np.concatenate([cell.hours for cell in cells])
    return Replayed(
        orders=orders,
        right=float(right.mean()),
        wrong=float((decided & ~right).mean()),
        undecided=float(1 - decided.mean()),
        certified=float((course.certified & decided).mean()),
        runs=float(np.median(course.spent) / have.sum()),
        hours=float(np.median(spent) / whole.sum()),
        clock=float(np.median(clock) / max(ends(whole, workers))),
    )


def _frame(file: Path) -> pd.DataFrame:
    if file.is_dir():
        return of_store(Store(file)).frame()
    return pd.read_parquet(file) if file.suffix == ".parquet" else pd.read_csv(file)


def read_table(file: str | Path) -> list[Recorded]:
    """The cells of a store, or of a table of runs: CSV or Parquet, of a report or of `python -m sweeps export`.

    Needed are `cell` and the distance (fid, fd_classifier or the like); `status` and the seconds `train_s` and
    `eval_s` are taken where they are there. A run that diverged or failed is infinite. Left out are runs that have
    not ended, that were stopped early, and that earlier results chose: trials of a sampler that learns, and
    confirmations. Raises `UserError`.
    """
    try:
        found = _frame(Path(file).expanduser())
    except (OSError, ValueError, ImportError) as e:
        raise UserError(f"replay={file} cannot be read ({' '.join(str(e).split())[:160]})") from e
    distances = [str(key) for key in found if str(key) in DISTANCES or str(key).startswith("fid_")]
    distance = next((key for key in distances if found[key].notna().any()), None)
    if "cell" not in found or distance is None:
        raise UserError(f"replay={file} lacks {'a distance (fid)' if 'cell' in found else 'the column cell'}")
    if "status" not in found:
        found = found.assign(status=DONE)
    found = found[found["status"].isin((DONE, DIVERGED, FAILED))]
    if "stage" in found:
        found = found[found["stage"] != CONFIRM]
    if "sampler" in found:
        found = found[found["sampler"].isna() | found["sampler"].isin(BLIND)]
    if "protocol" in found and found["protocol"].nunique() > 1:
        raise UserError(f"replay={file} has scores under {found['protocol'].nunique()} protocols; keep the rows of one")
    values = pd.to_numeric(found[distance], errors="coerce").astype(float)
    values = values.where((found["status"] == DONE) & values.notna(), np.inf)
    seconds = sum(
        (pd.to_numeric(found[key], errors="coerce").fillna(0.0) for key in ("train_s", "eval_s") if key in found),
        pd.Series(0.0, index=found.index),
    )
    hours = seconds / 3600 if (seconds > 0).any() else seconds + 1.0
    cells = [
        Recorded(str(name), np.asarray(values[rows], np.float64), np.asarray(hours[rows], np.float64))
        for name, rows in found.groupby("cell", sort=True).groups.items()
    ]
    if len(cells) < 2:
        raise UserError(f"replay={file} has {len(cells)} cells with finished runs; a race needs two or more")
    return cells
