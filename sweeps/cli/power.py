"""`python -m sweeps plan --power`: how many runs and hours the answer to "which cell is best" takes."""

from __future__ import annotations

import csv
import math
from argparse import Namespace
from collections.abc import Iterable

import numpy as np
from rich.table import Table

from landscape.config.errors import ExitCode, UserError
from landscape.config.seeds import POWER
from landscape.config.text import duration, plural
from sweeps.cli.status import console
from sweeps.console import show
from sweeps.planning.describe import cells
from sweeps.planning.plan import make_plan
from sweeps.race.power import TICKETS, Costs, Truth, as_they_are, assumed, fixed_costs, plausible, race_costs
from sweeps.race.question import Question
from sweeps.race.replay import read_table

RACES, TRUTHS = 400, 40  # simulated, of so many truths that the pilot allows


def power(given: Namespace) -> int:
    """Print the runs and hours that a question needs, from a pilot or from an assumed spread; trains nothing."""
    truths, told, unit, at_their_word = _truths(given)
    question = Question(len(truths[0]), given.k)
    fixed = fixed_costs(truths, given.k)
    calibrated, certified = race_costs(truths, question, RACES)
    k = "for one model" if given.k == 1 else f"for the best of {given.k} models"
    show(f"which of {plural(question.cells, 'cell')} is best {k}, error 5 %: {told}")
    table = Table(box=None, pad_edge=False, header_style="dim")
    ways = (
        ("equal numbers of runs, and the tests of the report", fixed),
        ("a race, calibrated", calibrated),
        ("a race, certified", certified),
    )
    table.add_column("by", overflow="fold")
    for head in ("runs", *["hours"] * unit, "chance at the end", "wrong"):
        table.add_column(head, justify="right")
    for name, found in ways:
        table.add_row(name, *_row(found, unit, found is not fixed))
    console().print(table)
    runs, _ = fixed.at(POWER)
    if math.isfinite(runs):
        show(f"equal numbers: {plural(int(runs) // question.cells, 'run')} a cell")
    what = "runs and hours" if unit else "runs"
    show(
        f"{what}: by which 4 of 5 have the right answer; looked at are {4 * TICKETS} runs a cell at most, "
        f"in a race {TICKETS}"
    )
    if at_their_word is not None:
        _pilot_alone(at_their_word, given.k, unit)
    if given.curve is not None:
        _write_curve(given.curve, ways, unit)
    return ExitCode.DONE


def _write_curve(file: str, ways: Iterable[tuple[str, Costs]], unit: bool) -> None:
    """The chance of the right answer by what was spent, as CSV: a row for each step of each way."""
    lines = [["by", "hours" if unit else "runs", "chance"]]
    for name, found in ways:
        spent, chances = (found.hours, found.by_hours) if unit else (found.runs, found.by_runs)
        steps = np.flatnonzero(np.diff(chances, prepend=0.0) > 0)
        lines += [[name, f"{spent[at]:.6g}", f"{chances[at]:.4f}"] for at in steps]
    try:
        with open(file, "w", newline="") as f:
            csv.writer(f, lineterminator="\n").writerows(lines)
    except OSError as e:
        raise UserError(f"--curve {file} cannot be written ({e.strerror})") from e


def _truths(given: Namespace) -> tuple[list[Truth], str, bool, Truth | None]:
    """The truths, what they are in words, whether hours are known, and the pilot at its word."""
    if given.pilot is not None:
        if given.overrides or given.multirun or given.sd is not None or given.ratio is not None:
            raise UserError("--pilot has the cells and their spread; leave out --sd, --ratio and a grid")
        recorded = read_table(given.pilot)
        few = min(recorded, key=lambda cell: int(np.isfinite(cell.distances).sum()))
        if np.isfinite(few.distances).sum() < 2:
            raise UserError(f"cell {few.name} of the pilot has fewer than two runs with a distance")
        distances, hours = [cell.distances for cell in recorded], [float(cell.hours.mean()) for cell in recorded]
        sizes = [len(found) for found in distances]
        told = f"from a pilot of {min(sizes)} to {max(sizes)} runs a cell, with its error"
        known = not all(hour == 1.0 for hour in hours)
        return plausible(distances, hours, TRUTHS), told, known, as_they_are(distances, hours)
    if given.sd is None or given.ratio is None:
        raise UserError("--power needs a pilot (--pilot STORE) or an assumption (--sd 0.4 --ratio 1.3, and a grid)")
    if not 0 < given.sd < 10 or not 1 < given.ratio < 1000:
        raise UserError(f"--sd {given.sd:g} --ratio {given.ratio:g}: legal are an sd above 0 and a ratio above 1")
    n = len(cells(make_plan(given.overrides, given.multirun)))
    told = f"assumed that the others are {given.ratio:g} times as high, and a spread of {given.sd:g}"
    return [assumed(n, given.sd, given.ratio)], told, False, None


def _row(found: Costs, unit: bool, is_race: bool) -> list[str]:
    runs, hours = found.at(POWER)
    end = f"{found.by_runs[-1]:.0%}"
    if math.isinf(runs):
        return ["never", *["never"] * unit, end, f"{found.wrong:.1%}" if is_race else ""]
    row = [f"{runs:,.0f}", *[duration(3600 * hours)] * unit]
    return [*row, end, f"{found.wrong:.1%}" if is_race else ""]


def _pilot_alone(truth: Truth, k: int, unit: bool) -> None:
    """What the pilot says if its cells are exactly what they look like, which makes the best one look too good."""
    runs, hours = fixed_costs([truth], k).at(POWER)
    if math.isfinite(runs):
        took = f", {duration(3600 * hours)}" if unit else ""
        show(f"if the cells were exactly as they look: {runs:,.0f} runs{took} by equal numbers; on average too few")
