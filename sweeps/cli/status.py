"""`python -m sweeps status`: runs by cell and state, newest scores, what is lost or failed; from the store."""

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
from landscape.store import DONE, FAILED, PLANNED, PREEMPTED, QUEUED, Store
from landscape.store.lookup import find_sweep
from sweeps.cli import arguments
from sweeps.formatting import score
from sweeps.launchers.registry import ask
from sweeps.monitor import Look, Looker, Obstacle, Seen, Task, asked
from sweeps.planning.labels import labels
from sweeps.planning.select_runs import by_where
from sweeps.states import ALL_STATES, LOST, STALLED

logger = logging.getLogger(__name__)

SHOWN = 10  # of runs that need somebody, and of their warnings
NEWEST = 6


def status(argv: list[str]) -> int:
    """Count runs by cell and state; show the newest scores, and what is lost or failed and why."""
    given = arguments.status().parse(argv)
    store = Store(given.store)
    folder = find_sweep(store, given.sweep) if given.sweep else None
    looker = Looker(store, folder, ask=ask)
    look = looker.look()
    if not look.runs and not look.unreadable:
        raise UserError(f"no runs in {store.root}; give another store with store=FOLDER")
    if given.where:
        runs = {seen.id: (seen.state, seen.axes) for seen in look.runs}
        met = set(by_where(store, runs, given.where, ALL_STATES))
        look.runs = [seen for seen in look.runs if seen.id in met]
    if given.json:
        print(json.dumps(record(store, folder.name if folder else None, look), indent=1))
    else:
        print(f"{'store ' + str(store.root) if folder is None else 'sweep ' + folder.name}: {summary(look)}")
        show(store, look)
        for line in advice(store, folder.name if folder else None, asked(looker, look)):
            print(printable(line))
    wrong = [*look.unreadable.values(), *filter(None, (seen.claim for seen in look.runs))]
    for sentence in [*wrong, *(store.unknown_folders() if folder is None else ())]:
        logger.warning(sentence)
    return ExitCode.USER if wrong else ExitCode.DONE


def summary(look: Look) -> str:
    """20 runs: 18 done, 2 failed."""
    states = look.states
    counts = ", ".join(f"{states[state]} {state}" for state in ALL_STATES if states[state])
    more = f"; {plural(look.trials_left, 'trial')} to go" if look.trials_left else ""
    return f"{plural(len(look.runs), 'run')}: {counts}{more}"


def show(store: Store, look: Look) -> None:
    """The tables."""
    out = console()
    states = [state for state in ALL_STATES if look.states[state]]
    cells: dict[tuple[str, ...], list[Seen]] = {}
    for seen in look.runs:
        cells.setdefault(cell_name(seen.axes), []).append(seen)
    table = Table(box=None, pad_edge=False, header_style="dim")
    scores_of = distances(store, look.runs)
    protocols = sorted({protocol for found in scores_of.values() for protocol in found})
    newest = [seen.status.scores for seen in look.runs]
    kinds = {name: name_of_all(row for row in newest if row.get("protocol") == name) for name in protocols}
    which = [f", {name[:8]}" * (len(protocols) > 1) for name in protocols]
    heads = [f"lowest {kinds[name]}{one}" for name, one in zip(protocols, which, strict=True)]
    heads = heads or ["lowest distance"]
    columns = shown_axes(cells.keys())
    for _, axis in columns:
        table.add_column(axis.name, justify="left" if axis.kind is str else "right")
    for name in (*states, *heads):
        table.add_column(name, justify="right")
    for cell, runs in sorted(cells.items()):
        counts = Counter(seen.state for seen in runs)
        best = lowest(runs, scores_of)
        numbers = [score(DISTANCE, best.get(name)) for name in protocols or [""]]
        table.add_row(*(shown(cell[i]) for i, _ in columns), *(str(counts[state] or "") for state in states), *numbers)
    out.print(table)
    if len(protocols) > 1:
        out.print(Text(f"scored under {len(protocols)} protocols, a column each: their distances do not compare"))
    called = labels((seen.id, seen.axes) for seen in look.runs)
    scored = sorted((seen for seen in look.runs if seen.status.scores), key=lambda seen: -seen.written)
    if scored:
        out.print(Text("\nnewest scores", style="dim"))
        out.print(scores_table(scored[:NEWEST], called))
    wrong = [seen for seen in look.runs if seen.state in (LOST, FAILED)]
    if wrong:
        out.print(Text("\nlost or failed", style="dim"))
        table = Table(box=None, pad_edge=False, show_header=False)
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        table.add_column(overflow="fold")
        for seen in wrong[:SHOWN]:
            table.add_row(seen.id, seen.state, shown(called[seen.id]), shown(seen.status.reason or ""))
        out.print(table)
        if len(wrong) > SHOWN:
            out.print(f"and {len(wrong) - SHOWN} more: --where status={LOST},{FAILED} --json lists all")
    warnings = Counter(text for seen in look.runs for text in seen.status.warnings)
    for text, count in warnings.most_common(SHOWN):
        out.print(shown(f"warning in {plural(count, 'run')}: {text}"))


def scores_table(runs: list[Seen], called: dict[str, str]) -> Table:
    """The newest scores of some runs. A distance is named by its protocol where there is more than one."""
    protocols = {seen.status.scores.get("protocol") for seen in runs if seen.status.scores}
    table = Table(box=None, pad_edge=False, header_style="dim")
    columns = columns_of(seen.status.scores for seen in runs)
    names = ("id", "state", "run", "step", *(head for head, _ in columns), *["protocol"] * (len(protocols) > 1))
    for name in names:
        table.add_column(name, justify="left" if name in ("id", "state", "run") else "right", no_wrap=name == "id")
    for seen in runs:
        scores = seen.status.scores
        numbers = [score(column, column.of(scores)) for _, column in columns]
        more = [str(scores.get("protocol", ""))[:8]] * (len(protocols) > 1)
        table.add_row(seen.id, seen.state, shown(called[seen.id]), f"{seen.steps[0]}/{seen.steps[1]}", *numbers, *more)
    return table


def distances(store: Store, runs: list[Seen]) -> dict[str, dict[str, float]]:
    """The final distance of each finished run under each protocol, by run.

    A status tells the newest score only: where runs were scored under several protocols, their rows are read too.
    """
    done = [seen for seen in runs if seen.state == DONE]
    found = {seen.id: _newest(seen) for seen in done}
    if len({protocol for one in found.values() for protocol in one}) > 1:
        for seen in done:
            with suppress(CorruptFile, OSError, TypeError, ValueError):
                rows = store.run(seen.id).rows()
                last = {row.protocol: distance_of(row.values) for row in sorted(rows, key=lambda row: row.step)}
                known = {name: float(value) for name, value in last.items() if value is not None}
                found[seen.id] = known | found[seen.id]
    return found


def _newest(seen: Seen) -> dict[str, float]:
    scores = seen.status.scores
    distance = distance_of(scores)
    return {} if distance is None else {str(scores.get("protocol")): distance}


def lowest(runs: list[Seen], scores_of: dict[str, dict[str, float]]) -> dict[str, float]:
    """The lowest of the `distances` of these runs under each protocol: two of them are never compared."""
    found: dict[str, float] = {}
    for seen in runs:
        for protocol, distance in scores_of.get(seen.id, {}).items():
            found[protocol] = min(distance, found.get(protocol, distance))
    return found


def advice(store: Store, sweep: str | None, look: Look) -> list[str]:
    """What the counts mean for whoever waits for these runs."""
    lines = []
    if look.unasked is not None:
        lines.append(
            f"the scheduler was not asked ({look.unasked}); states are those of the store, and whether what is queued "
            "will start is not known"
        )
    ended = (FAILED, LOST)  # a worker that was killed leaves its run as it was
    given_up = {seen.id for seen in look.runs if seen.id in look.given_up and seen.state in ended}
    for why, count in Counter(look.given_up[run] for run in sorted(given_up)).most_common():
        where = shlex.join([sweep or "SWEEP", f"store={store.root}"])
        trials = f"{plural(count, 'trial')} of searches given up"
        lines.append(f"{trials}: {why}; python -m sweeps retry {where} tries again")
    waiting = (PLANNED, QUEUED, PREEMPTED, LOST, FAILED)
    lines += queue_advice(store, sweep, look)
    queued = {seen.id for seen in look.runs if seen.task is not None}  # a second command would submit none of these
    idle = sum(seen.state in waiting and seen.id not in given_up | queued for seen in look.runs)
    if idle and not look.alive and look.unasked is None:  # without an answer, a second command might be one too many
        verbs = "submit or retry" if look.on_cluster else "retry"
        where = shlex.join([sweep or "SWEEP", f"store={store.root}"])
        lines.append(f"nobody works on {idle} of them: give their command again, or python -m sweeps {verbs} {where}")
    return lines + stalled_advice([seen for seen in look.runs if seen.state == STALLED])


def stalled_advice(stalled: list[Seen]) -> list[str]:
    """A line a run that makes no progress."""
    lines = [f"{seen.id} is stalled: {seen.stalled}; its command then goes on" for seen in stalled[:SHOWN]]
    if len(stalled) > SHOWN:
        lines.append(f"and {len(stalled) - SHOWN} more: --where status={STALLED} --json lists all")
    return lines


def queue_advice(store: Store, sweep: str | None, look: Look) -> list[str]:
    """A line for each reason of the scheduler's for which queued jobs wait, and not for their turn."""
    waiting = [(seen.task, "run") for seen in look.runs if seen.task is not None]
    waiting += [(task, "") for task in look.stuck]
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


def record(store: Store, sweep: str | None, look: Look) -> dict[str, Any]:
    """The look for scripts."""
    cells: dict[tuple[str, ...], list[Seen]] = {}
    for seen in look.runs:
        cells.setdefault(cell_name(seen.axes), []).append(seen)
    scores_of = distances(store, look.runs)
    return {
        "store": str(store.root),
        "sweep": sweep,
        "states": dict(look.states),
        "alive": look.alive,
        "scheduler_not_asked": look.unasked,
        "cells": [
            {
                **dict(zip(CELL_KEYS, cell, strict=True)),
                "states": dict(Counter(seen.state for seen in runs)),
                "lowest": lowest(runs, scores_of),
            }
            for cell, runs in sorted(cells.items())
        ],
        "runs": [
            {
                "id": seen.id,
                "state": seen.state,
                "step": seen.steps[0],
                "steps": seen.steps[1],
                "axes": seen.axes,
                "scores": seen.status.scores,
                **{key: getattr(seen.status, key) for key in ("train_s", "eval_s", "train_busy_s", "eval_busy_s")},
                "reason": seen.reason,
                "warnings": seen.status.warnings,
            }
            for seen in look.runs
        ],
        "unreadable": look.unreadable,
    }


def shown(text: object) -> Text:
    """Text from data as a cell of a table: no markup, no control character."""
    return Text(printable(text))


def console() -> Console:
    """Where tables go: as wide as the terminal, and wide in a pipe, where nothing need be cut."""
    return Console(width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else 200, highlight=False)
