"""The local launcher of a search: as many `sweeps.search.worker` processes as fit, started again while trials are
left.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from landscape.config.errors import CorruptFile, ExitCode, UserError
from landscape.config.subprocess_env import subprocess_env
from landscape.store import Store
from landscape.store.trials import GRID, TrialRecord, put_rows
from sweeps.console import tell
from sweeps.credentials import environment
from sweeps.formatting import duration
from sweeps.launchers.devices import Slots
from sweeps.launchers.local_pool import Allocation, counted_signals
from sweeps.launchers.progress import LINE_S
from sweeps.planning.needs import search_rows
from sweeps.planning.plan import Plan, cell_axes, execution
from sweeps.planning.search_spec import TRIES, left_of
from sweeps.search.objective import worth

POLL_S = 0.2
MOST_DEATHS = 100  # of workers in one search, before its launcher gives up


@dataclass
class Worker:
    """A searcher process of this controller."""

    process: subprocess.Popen[bytes]
    slot: int
    log: Path
    told: int = 0  # signals passed on to it


class Search:
    """The search of a plan under way on this machine."""

    def __init__(self, plan: Plan, places: Slots) -> None:
        self.plan, self.places = plan, places
        self.workers: list[Worker] = []
        self.interrupts = 0
        self.allocation: Allocation | None = None
        self.begun = self.deaths = 0
        self.lines: dict[Path, int] = {}
        self.started = self.shown = time.monotonic()

    def run(self) -> int:
        """Work until every trial is told; the exit code: 0, 1 where some failed, 130 on Ctrl-C."""
        idle, settled = 0, -1
        while idle <= TRIES:  # a run that fails is tried again, by a worker that has not seen it fail
            codes = self._generation()
            if self.interrupts:
                tell(f"stopped after {self.progress()}: the same command goes on from here")
                return ExitCode.INTERRUPTED
            if ExitCode.USER in codes:
                return ExitCode.USER
            if not any(codes):
                break
            before, settled = settled, sum(r.settled for r in search_rows(self.plan))
            idle = 0 if settled > before else idle + 1
        if self.deaths >= MOST_DEATHS:
            tell(f"{MOST_DEATHS} workers were killed, and no more are put in their place: give the command again")
        untold = [r for r in search_rows(self.plan) if r.value is None]
        for r in untold:
            run = self.plan.store.run(r.run)
            what = f"{r.why or f'failed {TRIES} times'} and is given up" if r.failed else "has no value"
            tell(f"trial {r.order} of {cell_words(r.cell)} {what}\n  log: {run.log_file}")
        return ExitCode.UNFINISHED if untold or any(codes) else 0

    def progress(self) -> str:
        """How far it has come, in words."""
        total = sum(search.trials for search in self.plan.searches)
        return f"{sum(r.value is not None for r in search_rows(self.plan))} of {total} trials"

    def _generation(self) -> list[int]:
        """Start workers and wait for all of them; one that is killed is replaced. Their exit codes."""
        codes: list[int] = []
        for slot in range(min(self.places.count, trials_left(self.plan) or 1)):
            self.workers.append(self._start(slot))
        with counted_signals(self):
            while self.workers:
                self._pass_signals_on()
                for worker in list(self.workers):
                    code = worker.process.poll()
                    if code is None:
                        continue
                    self.workers.remove(worker)
                    self._show(worker.log)
                    if code < 0 and not self.interrupts and self.deaths < MOST_DEATHS:
                        self.deaths += 1
                        tell(f"a worker was killed by {signal.Signals(-code).name}; another takes its place")
                        self.workers.append(self._start(worker.slot))
                    else:
                        codes.append(code)
                for worker in self.workers:
                    self._show(worker.log)
                self._summary()
                time.sleep(POLL_S)
        return codes

    def _start(self, slot: int) -> Worker:
        plan = self.plan
        order = execution(plan.runs[0])
        if self.places.gpus:
            order["device"] = "cuda"  # the only one that it sees
        log = plan.store.search_storage(plan.name, f"worker-{os.getpid()}-{self.begun}.log")
        self.begun += 1
        log.parent.mkdir(parents=True, exist_ok=True)
        own = {**environment(plan.storage), **self.places.environment(slot, order["threads"])}
        with open(log, "wb") as f:
            process = subprocess.Popen(
                [*worker_command(plan, order), "--attached"],
                stdin=subprocess.DEVNULL,
                stdout=f,
                stderr=subprocess.STDOUT,
                env=subprocess_env(own),
                start_new_session=True,
            )
        return Worker(process, slot, log)

    def _pass_signals_on(self) -> None:
        """The first asks every worker to save and stop, a second kills them."""
        how = min(self.interrupts, 2)
        for worker in self.workers:
            if worker.told < how:
                if worker.told == 0:
                    tell("stopping: workers save and end (again to kill)" if how == 1 else "killing workers")
                worker.told = how
                with suppress(ProcessLookupError):
                    os.killpg(worker.process.pid, signal.SIGTERM if how == 1 else signal.SIGKILL)

    def _show(self, log: Path) -> None:
        """Print what a worker has said since the last look."""
        with open(log, "rb") as f:
            f.seek(self.lines.get(log, 0))
            text = f.read()
        whole = text[: text.rfind(b"\n") + 1]
        self.lines[log] = self.lines.get(log, 0) + len(whole)
        for line in whole.decode(errors="replace").splitlines():
            tell(line)

    def _summary(self) -> None:
        now = time.monotonic()
        if now - self.shown >= LINE_S:
            self.shown = now
            tell(f"{self.progress()}, {duration(now - self.started)} elapsed")


def worker_command(plan: Plan, order: dict[str, Any]) -> list[str]:
    """The command of one worker of a frozen plan's searches, on any machine that sees the store; `order` is how it
    executes its runs."""
    return searcher(plan.store, plan.name, order)


def searcher(store: Store, sweep: str, order: dict[str, Any]) -> list[str]:
    """The command of one worker of a stored sweep's searches."""
    where = ["--store", str(store.root), "--sweep", sweep]
    return [sys.executable, "-m", "sweeps.search.worker", *where, "--execution", json.dumps(order)]


def trials_left(plan: Plan) -> int:
    """How many trials of the plan's searches the record does not hold a value of."""
    return left_of(plan.searches, search_rows(plan))


def cell_words(cell: Mapping[str, object]) -> str:
    """A cell in words."""
    return " ".join(f"{key}={value}" for key, value in cell.items())


def record_grid(plan: Plan) -> None:
    """Put the grid's runs into the sweep's record, with what they are worth where they are finished."""
    rows = []
    for order, planned in enumerate(plan.runs):
        value, diverged = None, False
        if planned.asked and "fid" in planned.asked[0]["scores"]:
            with suppress(CorruptFile, OSError, UserError):
                value, diverged, _ = worth(plan.store.run(planned.id), planned.asked[0])
        rows.append(TrialRecord(planned.id, cell_axes(planned.config), GRID, order, value=value, diverged=diverged))
    put_rows(plan.store, plan.name, rows)
