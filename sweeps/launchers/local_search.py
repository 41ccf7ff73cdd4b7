"""SweepSearches on this machine: as many `sweeps.search.worker` processes as fit, restarted while trials are left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from landscape.config.axes import cell_words
from landscape.config.errors import ExitCode
from landscape.config.subprocess_env import subprocess_env
from landscape.config.text import duration
from landscape.store import Store
from landscape.store.trials import TrialRecord, read_rows
from sweeps.console import tell
from sweeps.credentials import environment
from sweeps.launchers.devices import Slots
from sweeps.launchers.progress import LINE_S
from sweeps.launchers.supervisor import Child, JobAllocation, Supervisor
from sweeps.planning.needs import search_rows
from sweeps.planning.plan import Plan, execution
from sweeps.planning.search_spec import MAX_FAILURES

MAX_WORKER_DEATHS = 100  # killed workers in one search, before no more are started

Begin = Callable[[int], Child[Path | None]]  # starts a worker in a slot; its work is its log file, if it has one


class Workers(Supervisor[Path | None]):
    """Runs `count` workers of a sweep's searches until each has ended; `codes` are their exit codes."""

    def __init__(self, begin: Begin, count: int, allocation: JobAllocation | None = None) -> None:
        super().__init__(count, tell, allocation)
        self.begin, self.missing = begin, count
        self.codes: list[int] = []

    def waits(self) -> bool:
        """As of `Supervisor`."""
        return self.missing > 0

    def fill(self) -> None:
        """Start the missing workers."""
        while self.missing:
            self.children.append(self.begin(self.free_slot()))
            self.missing -= 1

    def ended(self, child: Child[Path | None], code: int) -> None:
        """Keep the exit code."""
        self.codes.append(code)


class LocalSearch(Workers):
    """A plan's search on this machine. A worker that is killed is replaced."""

    def __init__(self, plan: Plan, places: Slots) -> None:
        super().__init__(self._begin, 0)
        self.plan, self.places = plan, places
        self.begun = self.deaths = 0
        self.lines: dict[Path, int] = {}
        self.started = self.shown = time.monotonic()

    def run(self) -> int:
        """Work until every trial has a value; the exit code: 0, 1 with failures, 130 on Ctrl-C."""
        idle, settled = 0, -1
        while idle <= MAX_FAILURES:  # a failed trial is left to a new worker
            codes = self._generation()
            if self.interrupts:
                tell(f"stopped after {self.progress()}; run the same command to resume")
                return ExitCode.INTERRUPTED
            if ExitCode.USER in codes:
                return ExitCode.USER
            if not any(codes):
                break
            before, settled = settled, sum(r.settled for r in search_rows(self.plan))
            idle = 0 if settled > before else idle + 1
        if self.deaths >= MAX_WORKER_DEATHS:
            tell(f"{MAX_WORKER_DEATHS} workers were killed, and no more are started: run the command again")
        missing = [r for r in search_rows(self.plan) if r.value is None]
        for r in missing:
            run = self.plan.store.run(last_run(self.plan, r))
            what = f"{r.why or f'failed {MAX_FAILURES} times'} and is given up" if r.failed else "has no value yet"
            tell(f"trial {r.order} of {cell_words(r.cell)} {what}\n  log: {run.log_file}")
        return ExitCode.UNFINISHED if missing or any(codes) else 0

    def progress(self) -> str:
        """As in "3 of 24 trials"."""
        total = sum(search.trials for search in self.plan.searches)
        return f"{sum(r.value is not None for r in search_rows(self.plan))} of {total} trials"

    def _generation(self) -> list[int]:
        """Start workers, wait for all of them, and return their exit codes."""
        self.count = self.missing = min(self.places.count, self.plan.trials_left or 1)
        self.codes = []
        self.supervise()
        return self.codes

    def ended(self, child: Child[Path | None], code: int) -> None:
        """Replace a worker that was killed; else keep its exit code."""
        self._show(child)
        if code < 0 and not self.interrupts and self.deaths < MAX_WORKER_DEATHS:
            self.deaths += 1
            tell(f"a worker was killed by {signal.Signals(-code).name}; another is started")
            self.missing += 1
        else:
            super().ended(child, code)

    def tick(self) -> None:
        """Log what the workers have written, and the progress every `LINE_S`."""
        for child in self.children:
            self._show(child)
        now = time.monotonic()
        if now - self.shown >= LINE_S:
            self.shown = now
            tell(f"{self.progress()}, {duration(now - self.started)} elapsed")

    def _begin(self, slot: int) -> Child[Path | None]:
        plan = self.plan
        order = execution(plan.runs[0])
        if self.places.gpus:
            order["device"] = "cuda"  # it sees only its own
        log = plan.store.search_storage(plan.name, f"worker-{os.getpid()}-{self.begun}.log")
        self.begun += 1
        log.parent.mkdir(parents=True, exist_ok=True)
        own = {**environment(plan.storage), **self.places.environment(slot, order["threads"])}
        with open(log, "wb") as f:
            process = subprocess.Popen(
                [*search_worker_command(plan.store, plan.name, order), "--attached"],
                stdin=subprocess.DEVNULL,
                stdout=f,
                stderr=subprocess.STDOUT,
                env=subprocess_env(own),
                start_new_session=True,
            )
        return Child(process, slot, log)

    def _show(self, child: Child[Path | None]) -> None:
        """Log what a worker has written since the last call."""
        log = child.work
        assert log is not None
        with open(log, "rb") as f:
            f.seek(self.lines.get(log, 0))
            text = f.read()
        whole = text[: text.rfind(b"\n") + 1]
        self.lines[log] = self.lines.get(log, 0) + len(whole)
        for line in whole.decode(errors="replace").splitlines():
            tell(line)


def last_run(plan: Plan, trial: TrialRecord) -> str:
    """The newest run of a trial, in which it failed where it did."""
    rows = read_rows(plan.store, plan.name)
    return max((r for r in rows if (r.search, r.order) == (trial.search, trial.order)), key=lambda r: r.nth).run


def search_worker_command(store: Store, sweep: str, order: Mapping[str, Any]) -> list[str]:
    """The command line of a worker of a stored sweep's searches; `order` says how it trains."""
    where = ["--store", str(store.root), "--sweep", sweep]
    return [sys.executable, "-m", "sweeps.search.worker", *where, "--execution", json.dumps(order)]
