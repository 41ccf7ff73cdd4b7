"""A worker of a sweep's searches: `python -m sweeps.search.worker --store DIR --sweep NAME [--cell ID ...]`.

Asks for a setting whenever it is free, trains it in this process as an ordinary run of the store, tells its worth,
and asks again until the budgets are spent. Any number of them may work at once, started by the local launcher, by the
tasks of a SLURM array, or by hand; one that is killed leaves its trial to the others.
"""

from __future__ import annotations

import json
import logging
import math
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Self

from landscape.config.cli import Parser
from landscape.config.errors import CorruptFile, ExitCode, UserError
from landscape.config.identity import run_id
from landscape.config.log import run_log
from landscape.scores import distance_of
from landscape.signals import STOP_SIGNALS
from landscape.store import FAILED, PREEMPTED, RunFolder, Store
from landscape.store.atomic_io import to_json, write_whole
from landscape.store.early_stopping import StopCheck
from landscape.store.leases import LeaseMonitor
from landscape.store.locks import locked
from landscape.store.metrics_row import MetricsRow
from landscape.store.process_record import ProcessRecord
from landscape.store.run_status import EarlyStop, StopCause
from landscape.store.searches import CellSearch, Searches
from landscape.store.trials import SEARCH, TrialRecord, put_rows
from sweeps.errors import run_command
from sweeps.formatting import distance
from sweeps.planning.freeze import freeze_run
from sweeps.planning.plan import Planned
from sweeps.planning.search_space import Params, params_of, rounded, with_params
from sweeps.planning.search_spec import read_searches
from sweeps.search.objective import Worth, rows_of, worth
from sweeps.search.storage import open_storage
from sweeps.search.trial_queue import WAIT, Ledger, Trial

logger = logging.getLogger("sweeps.search.worker")  # also as the main module of its process

WAIT_S = 1.0  # between looks where others train what must be told first


class Cell:
    """One cell's search in this process: its ledger, and the runs that its trials are; a context, as its ledger is."""

    def __init__(self, store: Store, sweep: str, searches: Searches, search: CellSearch) -> None:
        self.store, self.sweep, self.search = store, sweep, search
        self.observer = LeaseMonitor()
        self.unsure = False  # whether a trial's worker may be dead, which its heart must tell
        lock = store.search_storage(sweep, f".{search.id}.lock")
        with locked(store.search_storage(sweep, ".open.lock")):  # a data base's tables are made once
            self.ledger = Ledger(
                search,
                lambda: open_storage(searches.storage, store, sweep, search.id),
                searches.token,
                lock,
            )
        try:
            self.told = sum(trial.state != "running" for trial in self.ledger.told())
        except BaseException:
            self.ledger.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.ledger.close()

    def config(self, params: Params) -> dict[str, Any]:
        return with_params(self.search.base, self.search.space, params)

    def run(self, params: Params) -> RunFolder:
        return self.store.run(run_id(self.config(params)))

    def is_lost(self, params: Params, owner: ProcessRecord) -> bool:
        lost = self.observer.is_lost(self.run(params), owner)
        self.unsure |= not lost and not self.observer.is_known_alive(self.run(params), owner)
        return lost

    def step_of(self, params: Params) -> int:
        """How far a trial's run is on record; 0 where there is no run yet, or it does not read."""
        try:
            return self.run(params).status().step
        except (CorruptFile, OSError):
            return 0

    def next(self) -> Trial | str | None:
        self.unsure = False
        if self.search.grid:
            self.ledger.tell_grid(self.grid_results())
        return self.ledger.next(self.is_lost, self.step_of)

    def grid_results(self) -> dict[str, tuple[Params, float]]:
        """What the grid's finished runs in this cell are worth, where they lie inside the ranges."""
        found = {}
        for name in self.search.grid:
            run = self.store.run(name)
            if run.exists() and run.status().finished:
                value = worth(run, self.search.asked).value
                params = params_of(run.config(), self.search.space)
                if value is not None and params is not None:
                    found[name] = (params, value)
        return found

    def freeze(self, trial: Trial) -> RunFolder:
        """The trial as an ordinary planned run of the store."""
        config = self.config(trial.params)
        run = self.run(trial.params)
        picked = [f"{d.keys[0]}={rounded(d, trial.params[d.name]):g}" for d in self.search.space]
        shared = self.search.overrides
        if self.search.fresh:
            picked.append(f"seed={config['seed']}")
            shared = [text for text in shared if not text.startswith("seed=")]
        planned = Planned(run.id, config, picked, shared, [self.search.asked])
        freeze_run(self.store, planned, self.search.sampler, self.sweep)
        return run

    def watch(self, trial: Trial) -> StopCheck:
        """What the worker asks after each evaluation: whether the pruner would end the run."""
        every = self.search.base["metrics"]["every"] or self.search.base["train"]["steps"]

        def ask(row: MetricsRow) -> EarlyStop | None:
            step, distance = row.step, distance_of(row.values) or 0
            if step == 0 or not distance > 0:
                return None
            if not self.ledger.report(trial, step // int(every), math.log(distance)):
                return None
            pruner = self.search.pruner
            why = f"pruned by {pruner} at step {step}"
            return EarlyStop(step=step, cause=StopCause.PRUNED, reason=why, pruner=pruner)

        return ask

    def reopen(self) -> int:
        """Open the trials that were given up again; how many."""
        count = self.ledger.reopen()
        self.record()
        return count

    def record(self) -> None:
        """Bring this search's rows of the record up to date."""
        told = self.ledger.told()
        self.told = sum(trial.state != "running" for trial in told)
        rows = [
            TrialRecord(
                self.run(trial.params).id,
                self.search.cell,
                SEARCH,
                trial.order,
                self.search.sampler,
                self.search.round_of(trial.order),
                trial.value,
                trial.diverged,
                self.search.id,
                trial.state == "fail",
                trial.why if trial.state == "fail" else None,
            )
            for trial in told
        ]
        if rows:
            put_rows(self.store, self.sweep, rows)


class Searcher:
    """A process that trains trials until there are none, it is asked to stop, or `parent` no longer is its parent.

    A context, which closes the storages of its cells.
    """

    def __init__(
        self,
        store: Store,
        sweep: str,
        only: list[str] | None,
        execution: dict[str, Any],
        say: Callable[[str], None] = logger.info,
        parent: int | None = None,
    ) -> None:
        self.parent = parent
        searches = read_searches(store, sweep)
        known = [search.id for search in searches.cells]
        for name in only or []:
            if name not in known:
                raise UserError(f"sweep {sweep} has no cell {name}; its cells: {', '.join(known)}")
        chosen = [search for search in searches.cells if not only or search.id in only]
        self.store, self.sweep, self.execution, self.say = store, sweep, execution, say
        self.stopping = False
        self.failed = False
        with ExitStack() as opened:
            self.cells = [opened.enter_context(Cell(store, sweep, searches, search)) for search in chosen]
            self.opened = opened.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.opened.close()

    def stop(self, *_: object) -> None:
        self.stopping = True

    def work(self) -> int:
        """Train until nothing is left to do here; returns the exit code.

        A worker leaves where other live workers train the last trials. It waits where a round is to be told, and where
        only a heart that stands still or moves can tell whether the worker of a trial lives.
        """
        before = {s: signal.signal(s, self.stop) for s in STOP_SIGNALS}
        try:
            with self._known():
                self._work()
        finally:
            for s, handler in before.items():
                signal.signal(s, handler)
        return ExitCode.PREEMPTED if self.stopping else ExitCode.FAILED if self.failed else 0

    def _work(self) -> None:
        import landscape.runtime.worker  # noqa: F401  # torch takes its time: load it before owning a trial

        while not self.stopping and self.parent in (None, os.getppid()):
            given = self._next()
            if given is None:
                for cell in self.cells:  # trials that were given up have no worker to record them
                    cell.record()
                return
            if isinstance(given, str):
                time.sleep(WAIT_S)
            else:
                self._train(*given)

    @contextmanager
    def _known(self) -> Iterator[None]:
        """While this process works, a file says so: one that waits owns no trial, and must be found to be cancelled."""
        folder = self.store.search_workers(self.sweep)
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{socket.gethostname()}-{os.getpid()}.json"
        write_whole(file, to_json(ProcessRecord.of_this().to_json()))
        try:
            yield
        finally:
            file.unlink(missing_ok=True)

    def _next(self) -> tuple[Cell, Trial] | str | None:
        """A trial of the cell that has come least far."""
        waiting = False
        for cell in sorted(self.cells, key=lambda cell: cell.told / cell.search.trials):
            if self.stopping:
                return WAIT
            given = cell.next()
            if isinstance(given, Trial):
                return cell, given
            waiting |= given == WAIT and (cell.search.rounds is not None or cell.unsure)
        return WAIT if waiting else None

    def _train(self, cell: Cell, trial: Trial) -> None:
        from landscape.runtime.worker import work  # torch

        run = cell.freeze(trial)
        if trial.order == 0:
            cell.record()  # the search has begun: a larger budget keeps the size of its rounds
        label = f"{cell.search.label}, trial {trial.order}{' (taken up again)' * trial.again}"
        with run_log(run.log_file, shown=False) as say:
            watch = None if cell.search.pruner == "none" else cell.watch(trial)
            status = None if self.stopping else work(self.store, run.id, say, self.execution, cell.observer, watch)
            while status is None and not self.stopping:  # somebody else trains the same run
                time.sleep(WAIT_S)
                status = work(self.store, run.id, say, self.execution, cell.observer, watch)
        if status == PREEMPTED or status is None:
            cell.ledger.give_back(trial, tried=False)
            self.stopping = True
            return
        found = Worth(None, False) if status == FAILED else worth(run, cell.search.asked)
        if status == FAILED:
            cell.ledger.give_back(trial, tried=True)
            self.failed = True
        else:
            cell.ledger.tell(trial, found.value, diverged=found.diverged, stopped=found.stopped, run=run.id)
        cell.record()
        rows = rows_of(run, cell.search.asked) if status != FAILED else []
        settings = " ".join(f"{key}={value:.4g}" for key, value in trial.params.items())
        self.say(f"{label}: {settings}: {status}{distance(rows[-1].values) if rows else ''}")


def parser() -> Parser:
    """Of this process."""
    parser = Parser("python -m sweeps.search.worker", __doc__ or "")
    parser.add_argument("--store", required=True)
    parser.add_argument("--sweep", required=True, help="its name, as a folder of the store's sweeps/")
    parser.add_argument("--cell", action="append", help="the id of a search in search.json; may be given again")
    parser.add_argument(
        "--execution", type=json.loads, default={}, help="JSON: device, threads, checkpoint, stop, logger"
    )
    parser.add_argument(
        "--attached", action="store_true", help="end with the trial under way once the process that started it is gone"
    )
    return parser


def main(argv: list[str] | None = None) -> int:
    """Returns the exit code, which tells the controller whether trials are left."""

    def work() -> int:
        arguments = parser().parse(sys.argv[1:] if argv is None else argv)
        store = Store(arguments.store)
        parent = os.getppid() if arguments.attached else None
        with Searcher(store, arguments.sweep, arguments.cell, arguments.execution, logger.info, parent) as worker:
            return worker.work()

    return run_command(work, disk=ExitCode.UNFINISHED)  # what a disk did may pass: the launcher tries again


if __name__ == "__main__":
    sys.exit(main())
