"""Budgets in hours: the best distance over time, from the cost of each run's training and evaluation."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.estimators.repeated_searches import of_searches
from analysis.estimators.simulation import Array, OverTime, best_over_time, random_orders
from analysis.loading.cells import adaptive
from analysis.loading.clocks import CPU, by_cpu, costed
from analysis.loading.csv_runs import MAX_SECONDS, MIN_SECONDS
from landscape.config.axes import CELL_KEYS
from landscape.config.errors import UserError
from landscape.store import STOPPED
from landscape.store.trials import CONFIRM

CLOCKS = {"training": ("train_s",), "evaluation": ("eval_s",), "training and evaluation": ("train_s", "eval_s")}
APART = "any device, with training time from the given cost of a D update"


class Timed(NamedTuple):
    """The cost and the result of runs on one kind of device, by cell, without runs that shared the device.

    hours     of each run, by clock and cell
    worth     the final distances
    orders    for cells of an adaptive search: its trials in their order, a row per search; other cells are taken in
              random order
    device    the kind of device, None if unknown
    shared    the number of runs left out because they shared the device
    left_out  the number of runs left out because they were on other devices
    stopped   the number of stopped runs among those that count
    unsure    whether it is unknown for some runs if they shared the device
    by_cpu    whether hours are CPU time (every run has it on record) or wall-clock time
    apart     the ratio of wall-clock to CPU time of cells where they differ by more than a quarter
    """

    hours: dict[str, dict[str, Array]]
    worth: dict[str, Array]
    orders: dict[str, NDArray[np.int64]]
    device: str | None
    shared: int
    left_out: int
    stopped: int
    unsure: bool
    by_cpu: bool
    apart: dict[str, float]


def timed(runs: pd.DataFrame, trials: pd.DataFrame | None = None) -> Timed:
    """The runs of a section that have a result, with stopped runs and without confirmation runs, on one kind of device.

    Runs that shared a GPU or core with others are left out, because their time depends on those. The device is the one
    of most runs; a run that moved between kinds of device is left out. Time lost to interruptions does not count. A
    cell has no curve for a clock that one of its runs did not record, and none at all if it has one run. For a cell of
    an adaptive search, the trials are taken from `trials`, each search up to its first trial that is left out. With
    the given cost of a D update (`--step-costs`) there is no clock for evaluation.
    """
    use = runs[runs["worth"].notna() & (runs["stage"] != CONFIRM)].drop_duplicates("id")
    alone = use[use["sharing"] <= 1]
    known = alone[alone["device"].notna() & (alone["device_kinds"] == 1)]
    device = str(known["device"].mode().iloc[0]) if len(known) else None
    mine = known[known["device"] == device] if device is not None else alone
    cells = {str(label): cell for label, cell in mine.groupby("cell", sort=False) if len(cell) > 1}
    hours: dict[str, dict[str, Array]] = {}
    cpu_counts, count = by_cpu(mine), costed(mine)
    ratios = {}
    for label, cell in cells.items() if cpu_counts else ():
        wall, cpu = (float(cell[[*names]].sum().sum()) for names in (CPU.keys(), CPU.values()))
        if cpu > 0 and not 0.8 <= wall / cpu <= 1.25:
            ratios[label] = wall / cpu
    for clock, columns in CLOCKS.items() if device != APART else [("training", CLOCKS["training"])]:
        for label, cell in cells.items():
            costs = count.loc[cell.index, list(columns)].to_numpy(float)
            if ((costs > MIN_SECONDS) & (costs < MAX_SECONDS)).all():
                hours.setdefault(clock, {})[label] = costs.sum(1) / 3600
    worth = {label: cell["worth"].to_numpy(float) for label, cell in cells.items()}
    searched = [label for label, cell in cells.items() if adaptive(cell)]
    orders = {} if trials is None else {label: in_order(cells[label], trials) for label in searched}
    orders = {label: order for label, order in orders.items() if order.size}
    for label in {*searched} - {*orders}:  # the order of its trials is unknown
        for curves in hours.values():
            curves.pop(label, None)
    shared, left_out = len(use) - len(alone), len(alone) - len(mine)
    stopped, unsure = int((mine["status"] == STOPPED).sum()), bool((mine["sharing"] == 0).any())
    return Timed(hours, worth, orders, device, shared, left_out, stopped, unsure, cpu_counts, ratios)


def in_order(cell: pd.DataFrame, trials: pd.DataFrame) -> NDArray[np.int64]:
    """Row numbers in `cell` of the trials of its searches in their order, a row per search, padded with -1."""
    place = {name: at for at, name in enumerate(cell["id"])}
    mine, rows = of_searches(cell, trials), []
    if mine.duplicated(["sweep", "search", "order"]).any():  # trials of several seeds, which are no runs in an order
        return np.full((0, 0), -1)
    mine = mine.drop_duplicates(["search", "order"])
    for _, search in mine.sort_values("order", kind="stable").groupby("search", sort=True):
        whole = search["order"].to_numpy(float) == np.arange(len(search))
        rows.append([place[name] for name in search["id"][np.logical_and.accumulate(whole)]])
    made = np.full((len(rows), max(map(len, rows), default=0)), -1)
    for row, found in zip(made, rows, strict=True):
        row[: len(found)] = found
    return made[(made >= 0).any(axis=1)]


def over_hours(found: Timed, seed: int) -> dict[str, dict[str, OverTime]]:
    """The best distance so far over hours, by clock and cell.

    The runs of a cell are in the same random orders for each clock, those of an adaptive search in its own order.
    """
    generator = np.random.default_rng(seed)
    orders = {label: random_orders(len(worth), generator) for label, worth in found.worth.items()} | found.orders

    def curve(label: str, spent: Array) -> OverTime:
        made = best_over_time(spent, found.worth[label], orders[label])
        # The spread of a few searches is not a Monte-Carlo error.
        return made._replace(lower=made.median, upper=made.median) if label in found.orders else made

    return {
        clock: {label: curve(label, spent) for label, spent in cells.items()} for clock, cells in found.hours.items()
    }


def measured_apart(runs: pd.DataFrame, file: str) -> pd.DataFrame:
    """`runs` with `train_s` replaced by the D updates done times the seconds per update from `file`.

    `file` is a CSV with step_s and any of the columns data, arch, loss, penalty, norm, n_dis; each run takes the one
    row that agrees with it. All runs then count as on one device. Raises `UserError` for an unreadable file, and for a
    run with which no row, or more than one, agrees.
    """
    try:
        costs = pd.read_csv(file, keep_default_na=False)
    except (OSError, ValueError) as e:
        raise UserError(f"--step-costs {file} cannot be read ({' '.join(str(e).split())[:160]})") from e
    keys = [key for key in CELL_KEYS if key in costs]
    if "step_s" not in costs or not keys:
        raise UserError(f"--step-costs {file} needs the column step_s and at least one of {', '.join(CELL_KEYS)}")
    seconds = pd.to_numeric(costs["step_s"], errors="coerce")
    if not (seconds > 0).all():
        raise UserError(f"--step-costs {file}: step_s is seconds of one D update, above 0 in every row")
    table = dict(zip(costs[keys].astype(str).itertuples(index=False, name=None), seconds, strict=True))
    if len(table) < len(costs):
        raise UserError(f"--step-costs {file} gives several costs for one cell; one row each")
    wanted = list(runs[keys].astype(str).itertuples(index=False, name=None))
    missing = next((one for one in wanted if one not in table), None)
    if missing is not None:
        raise UserError(
            f"--step-costs {file} has no row for {', '.join(map('='.join, zip(keys, missing, strict=True)))}"
        )
    return runs.assign(
        train_s=np.array([table[one] for one in wanted]) * runs["step"],
        train_cpu_s=np.nan,
        eval_cpu_s=np.nan,
        device=APART,
        device_kinds=1,
        sharing=1,
    )
