"""Budgets in hours: the best distance over time, from the cost of each run's training and evaluation."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.estimators.simulation import Array, OverTime, best_over_time, random_orders
from analysis.loading.clocks import CPU, by_cpu, costed
from analysis.loading.csv_runs import MAX_SECONDS, MIN_SECONDS
from landscape.config.axes import CELL_KEYS
from landscape.config.errors import UserError
from landscape.store import STOPPED
from landscape.store.trials import CONFIRM

CLOCKS = {"training": ("train_s",), "evaluation": ("eval_s",), "training and evaluation": ("train_s", "eval_s")}
APART = "any device, with training time from the given cost of a D update"


class Timed(NamedTuple):
    """Of runs on one kind of device that none shared, by cell: `hours` by clock, and what they are `worth`; on which
    device, how many were left out since they shared it, how many on others, and how many of the runs were stopped.

    `by_cpu`: whether hours are CPU hours, as where every run has those on record, or of the clock; `apart`: cells whose
    seconds by the clock and by the processor differ by more than a quarter, and their ratio.
    `unsure`: whether there are runs of which it is not on record that they had it to themselves.
    """

    hours: dict[str, dict[str, Array]]
    worth: dict[str, Array]
    device: str | None
    shared: int
    left_out: int
    stopped: int
    unsure: bool
    by_cpu: bool
    apart: dict[str, float]


def timed(runs: pd.DataFrame) -> Timed:
    """A part's runs with a result, stopped ones included, confirming ones not, all on one kind of device.

    Runs that shared a GPU or core with others are left out: what they took says how many those were. The device is
    that of most runs; a run that moved between kinds is left out with those on others. Seconds thrown
    away by interruptions are not counted. A clock that a run of the cell did not record is left out for that cell, a
    cell of one run altogether. Where training was measured apart there is no clock of evaluation, which was not.
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
    shared, left_out = len(use) - len(alone), len(alone) - len(mine)
    stopped, unsure = int((mine["status"] == STOPPED).sum()), bool((mine["sharing"] == 0).any())
    return Timed(hours, worth, device, shared, left_out, stopped, unsure, cpu_counts, ratios)


def over_hours(found: Timed, seed: int) -> dict[str, dict[str, OverTime]]:
    """The best known over hours, by clock and cell; a cell's runs come in the same random orders for each clock."""
    generator = np.random.default_rng(seed)
    orders = {label: random_orders(len(worth), generator) for label, worth in found.worth.items()}
    return {
        clock: {label: best_over_time(spent, found.worth[label], orders[label]) for label, spent in cells.items()}
        for clock, cells in found.hours.items()
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
