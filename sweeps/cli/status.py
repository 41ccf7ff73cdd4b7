"""`python -m sweeps status`: runs by cell and state, newest scores, and what is lost or failed."""

from __future__ import annotations

import json
import logging
import os
import shlex
import sys
from collections import Counter
from contextlib import suppress
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from landscape.config.axes import CELL_KEYS, cell_name, shown_axes
from landscape.config.errors import CorruptFile, ExitCode, UserError
from landscape.config.text import plural, printable
from landscape.scores import DISTANCE, columns_of, distance_of, name_of_all
from landscape.store import DONE, FAILED, PLANNED, PREEMPTED, QUEUED, Store, SweepFolder
from landscape.store.lookup import find_sweep
from sweeps.cli import arguments
from sweeps.cli.race_table import race_line, race_of, race_table
from sweeps.formatting import score
from sweeps.launchers.registry import query_schedulers
from sweeps.monitor import Obstacle, RunView, Snapshot, StoreMonitor, Task, mark_superseded, requested_part
from sweeps.planning.labels import labels
from sweeps.planning.select_runs import by_where
from sweeps.states import ALL_STATES, LOST, STALLED, SUPERSEDED

logger = logging.getLogger(__name__)

MAX_SHOWN = 10  # lost, failed or stalled runs, and warnings
MAX_NEWEST = 6  # runs in the table of newest scores


def status(argv: list[str]) -> int:
    """Count runs by cell and state; show the newest scores, and what is lost or failed and why."""
    given = arguments.status().parse(argv)
    store = Store(given.store)
    folder = find_sweep(store, given.sweep) if given.sweep else None
    monitor = StoreMonitor(store, folder, query=query_schedulers)
    snapshot = monitor.snapshot()
    mark_superseded(store, snapshot)
    if not snapshot.runs and not snapshot.unreadable:
        raise UserError(f"no runs in {store.root}; give another store with store=FOLDER")
    if given.where:
        runs = {view.id: (view.state, view.axes) for view in snapshot.runs}
        met = set(by_where(store, runs, given.where, ALL_STATES))
        snapshot.runs = [view for view in snapshot.runs if view.id in met]
    if given.json:
        print(json.dumps(record(store, folder.name if folder else None, snapshot), indent=1))
    else:
        print(f"{'store ' + str(store.root) if folder is None else 'sweep ' + folder.name}: {summary(snapshot)}")
        show(store, snapshot)
        show_race(folder)
        for line in advice(store, folder.name if folder else None, requested_part(monitor, snapshot)):
            print(printable(line))
    wrong = [*snapshot.unreadable.values(), *filter(None, (view.claim for view in snapshot.runs))]
    for sentence in [*wrong, *(store.unknown_folders() if folder is None else ())]:
        logger.warning(sentence)
    return ExitCode.USER if wrong else ExitCode.DONE


def summary(snapshot: Snapshot) -> str:
    """The number of runs in each state, as in "20 runs: 18 done, 2 failed"."""
    states = snapshot.states
    counts = ", ".join(f"{states[state]} {state}" for state in ALL_STATES if states[state])
    more = f"; {plural(snapshot.trials_left, 'trial')} left" if snapshot.trials_left else ""
    return f"{plural(len(snapshot.runs), 'run')}: {counts}{more}"


def show(store: Store, snapshot: Snapshot) -> None:
    """Print the tables of a snapshot: cells, newest scores, lost or failed runs; then warnings."""
    out = console()
    states = [state for state in ALL_STATES if snapshot.states[state]]
    cells: dict[tuple[str, ...], list[RunView]] = {}
    for view in snapshot.runs:
        cells.setdefault(cell_name(view.axes), []).append(view)
    table = Table(box=None, pad_edge=False, header_style="dim")
    scores_of = distances(store, snapshot.runs)
    protocols = sorted({protocol for found in scores_of.values() for protocol in found})
    newest = [view.status.scores for view in snapshot.runs]
    kinds = {name: name_of_all(row for row in newest if row.get("protocol") == name) for name in protocols}
    which = [f", {name[:8]}" * (len(protocols) > 1) for name in protocols]
    heads = [f"lowest {kinds[name]}{one}" for name, one in zip(protocols, which, strict=True)]
    heads = heads or ["lowest FID"]
    columns = shown_axes(cells.keys())
    for _, axis in columns:
        table.add_column(axis.name, justify="left" if axis.kind is str else "right")
    for name in (*states, *heads):
        table.add_column(name, justify="right")
    for cell, runs in sorted(cells.items()):
        counts = Counter(view.state for view in runs)
        best = lowest(runs, scores_of)
        numbers = [score(DISTANCE, best.get(name)) for name in protocols or [""]]
        table.add_row(*(shown(cell[i]) for i, _ in columns), *(str(counts[state] or "") for state in states), *numbers)
    out.print(table)
    if len(protocols) > 1:
        out.print(Text(f"scored under {len(protocols)} protocols, one column each: their distances are not comparable"))
    called = labels((view.id, view.axes) for view in snapshot.runs)
    scored = sorted((view for view in snapshot.runs if view.status.scores), key=lambda view: -view.written)
    if scored:
        out.print(Text("\nnewest scores", style="dim"))
        out.print(scores_table(scored[:MAX_NEWEST], called))
    wrong = [view for view in snapshot.runs if view.state in (LOST, FAILED)]
    if wrong:
        out.print(Text("\nlost or failed", style="dim"))
        table = Table(box=None, pad_edge=False, show_header=False)
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        table.add_column(overflow="fold")
        for view in wrong[:MAX_SHOWN]:
            table.add_row(view.id, view.state, shown(called[view.id]), shown(view.status.reason or ""))
        out.print(table)
        if len(wrong) > MAX_SHOWN:
            out.print(f"and {len(wrong) - MAX_SHOWN} more: --where status={LOST},{FAILED} --json lists all")
    warnings = Counter(text for view in snapshot.runs for text in view.status.warnings)
    for text, count in warnings.most_common(MAX_SHOWN):
        out.print(shown(f"warning in {plural(count, 'run')}: {text}"))


def show_race(folder: SweepFolder | None) -> None:
    """Print the answer so far of a sweep that is a race, and its points."""
    race = None if folder is None else race_of(folder)
    if race is not None:
        assert race.claim is not None
        print(f"\n{printable(race_line(race.claim))}")
        console().print(race_table(race, race.claim))


def scores_table(runs: list[RunView], called: dict[str, str]) -> Table:
    """The newest scores of these runs, with a column for the protocol if there is more than one."""
    protocols = {view.status.scores.get("protocol") for view in runs if view.status.scores}
    table = Table(box=None, pad_edge=False, header_style="dim")
    columns = columns_of(view.status.scores for view in runs)
    names = ("id", "state", "run", "step", *(head for head, _ in columns), *["protocol"] * (len(protocols) > 1))
    for name in names:
        table.add_column(name, justify="left" if name in ("id", "state", "run") else "right", no_wrap=name == "id")
    for view in runs:
        scores = view.status.scores
        numbers = [score(column, column.of(scores)) for _, column in columns]
        more = [str(scores.get("protocol", ""))[:8]] * (len(protocols) > 1)
        table.add_row(view.id, view.state, shown(called[view.id]), f"{view.steps[0]}/{view.steps[1]}", *numbers, *more)
    return table


def distances(store: Store, runs: list[RunView]) -> dict[str, dict[str, float]]:
    """Run id -> protocol -> final distance, for the finished runs.

    A status file holds the newest scores only: if there are several protocols, the rows are read too.
    """
    done = [view for view in runs if view.state == DONE]
    found = {view.id: _newest(view) for view in done}
    if len({protocol for one in found.values() for protocol in one}) > 1:
        for view in done:
            with suppress(CorruptFile, OSError, TypeError, ValueError):
                rows = store.run(view.id).rows()
                last = {row.protocol: distance_of(row.values) for row in sorted(rows, key=lambda row: row.step)}
                known = {name: float(value) for name, value in last.items() if value is not None}
                found[view.id] = known | found[view.id]
    return found


def _newest(view: RunView) -> dict[str, float]:
    scores = view.status.scores
    distance = distance_of(scores)
    return {} if distance is None else {str(scores.get("protocol")): distance}


def lowest(runs: list[RunView], scores_of: dict[str, dict[str, float]]) -> dict[str, float]:
    """Protocol -> the lowest of the `distances` of these runs under it."""
    found: dict[str, float] = {}
    for view in runs:
        for protocol, distance in scores_of.get(view.id, {}).items():
            found[protocol] = min(distance, found.get(protocol, distance))
    return found


def advice(store: Store, sweep: str | None, snapshot: Snapshot) -> list[str]:
    """What to do about the runs of a snapshot, in sentences; `sweep` is None for the whole store."""
    lines = []
    if snapshot.scheduler_error is not None:
        lines.append(
            f"the scheduler could not be queried ({snapshot.scheduler_error}): states are those of the store, and "
            "whether queued runs will start is not known"
        )
    ended = (FAILED, LOST)  # lost: its last worker was killed
    given_up = {view.id for view in snapshot.runs if view.id in snapshot.given_up and view.state in ended}
    for why, count in Counter(snapshot.given_up[run] for run in sorted(given_up)).most_common():
        where = shlex.join([sweep or "SWEEP", f"store={store.root}"])
        trials = f"{plural(count, 'trial')} of searches given up"
        lines.append(f"{trials}: {why}; to try again: python -m sweeps retry {where}")
    held = Counter(view.reason for view in snapshot.runs if view.state == PLANNED and view.reason)
    lines += [f"{plural(count, 'run')} {why}" for why, count in held.most_common()]
    waiting = (PLANNED, QUEUED, PREEMPTED, LOST, FAILED)
    lines += queue_advice(store, sweep, snapshot)
    queued = {view.id for view in snapshot.runs if view.task is not None}  # the command submits none of these again
    idle = sum(view.state in waiting and view.id not in given_up | queued for view in snapshot.runs)
    if idle and not snapshot.alive and snapshot.scheduler_error is None:  # else jobs may have them
        verbs = "submit or retry" if snapshot.on_cluster else "retry"
        where = shlex.join([sweep or "SWEEP", f"store={store.root}"])
        lines.append(f"{plural(idle, 'run')} idle: run the sweep's command again, or python -m sweeps {verbs} {where}")
    old = sum(view.state == SUPERSEDED for view in snapshot.runs)
    if old:
        lines.append(
            f"{plural(old, 'run')} superseded: a choice has changed its meaning since, and the sweep's command "
            "trains them anew under other ids"
        )
    return lines + stalled_advice([view for view in snapshot.runs if view.state == STALLED])


def stalled_advice(stalled: list[RunView]) -> list[str]:
    """One line per stalled run."""
    lines = [f"{view.id} is stalled: {view.stalled}; its sweep then continues" for view in stalled[:MAX_SHOWN]]
    if len(stalled) > MAX_SHOWN:
        lines.append(f"and {len(stalled) - MAX_SHOWN} more: --where status={STALLED} --json lists all")
    return lines


def queue_advice(store: Store, sweep: str | None, snapshot: Snapshot) -> list[str]:
    """One line per reason for which queued jobs cannot start."""
    waiting = [(view.task, "run") for view in snapshot.runs if view.task is not None]
    waiting += [(task, "") for task in snapshot.stuck]
    found: dict[tuple[Obstacle, str, str], list[Task]] = {}
    for task, what in waiting:
        if task.obstacle is not None:
            found.setdefault((task.obstacle, task.reason, what), []).append(task)
    cancel = f"python -m sweeps cancel {shlex.join([sweep or 'SWEEP', f'store={store.root}'])}"
    lines = []
    for (obstacle, reason, what), tasks in found.items():
        jobs = ",".join(sorted({task.job for task in tasks}, key=lambda job: (len(job), job)))
        who = plural(len(tasks), "queued run") if what else "the workers of its searches"
        remedy = obstacle.remedy.format(jobs=jobs, cancel=cancel)
        lines.append(f"{who} {obstacle.consequence} ({reason}, job {jobs}); {remedy}")
    return lines


def record(store: Store, sweep: str | None, snapshot: Snapshot) -> dict[str, Any]:
    """The snapshot as JSON data, for scripts."""
    cells: dict[tuple[str, ...], list[RunView]] = {}
    for view in snapshot.runs:
        cells.setdefault(cell_name(view.axes), []).append(view)
    scores_of = distances(store, snapshot.runs)
    return {
        "store": str(store.root),
        "sweep": sweep,
        "states": dict(snapshot.states),
        "alive": snapshot.alive,
        "scheduler_not_asked": snapshot.scheduler_error,
        "cells": [
            {
                **dict(zip(CELL_KEYS, cell, strict=True)),
                "states": dict(Counter(view.state for view in runs)),
                "lowest": lowest(runs, scores_of),
            }
            for cell, runs in sorted(cells.items())
        ],
        "runs": [
            {
                "id": view.id,
                "state": view.state,
                "step": view.steps[0],
                "steps": view.steps[1],
                "axes": view.axes,
                "scores": view.status.scores,
                **{key: getattr(view.status, key) for key in ("train_s", "eval_s", "train_busy_s", "eval_busy_s")},
                "reason": view.reason,
                "warnings": view.status.warnings,
            }
            for view in snapshot.runs
        ],
        "unreadable": snapshot.unreadable,
    }


def shown(text: object) -> Text:
    """A table cell that shows `text` literally: no markup, no control characters."""
    return Text(printable(text))


def console() -> Console:
    """The console for tables: as wide as the terminal, or 200 columns in a pipe."""
    return Console(width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else 200, highlight=False)
