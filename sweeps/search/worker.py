"""A worker of a sweep's searches: `python -m sweeps.search.worker --store DIR --sweep NAME [--cell ID ...]`.

It asks for a trial, trains it in this process as an ordinary run of the store, reports its objective value, and repeats
until the budgets are spent. Any number of workers may run at once, started by the local launcher, by the tasks of a
SLURM array, or by hand. If one is killed, another takes over its trial.
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
from contextlib import ExitStack, contextmanager, suppress
from statistics import median
from typing import Any, Self

from landscape.config.cli import Parser
from landscape.config.errors import CorruptFile, ExitCode, UserError
from landscape.config.identity import run_id
from landscape.config.log import run_log
from landscape.config.text import plural
from landscape.scores import DISTANCE, distance_of
from landscape.signals import STOP_SIGNALS
from landscape.store import FAILED, PREEMPTED, RunFolder, Store
from landscape.store.atomic_io import to_json, write_whole
from landscape.store.early_stopping import StopCheck
from landscape.store.leases import LeaseMonitor
from landscape.store.locks import locked
from landscape.store.metrics_row import MetricsRow
from landscape.store.process_record import ProcessRecord
from landscape.store.run_status import EarlyStop, StopCause
from landscape.store.searches import SearchSpec, SweepSearches
from landscape.store.trials import SEARCH, TrialRecord, put_rows
from sweeps.errors import run_command
from sweeps.formatting import distance
from sweeps.planning.freeze import freeze_run
from sweeps.planning.search_space import Params, params_of
from sweeps.planning.search_spec import ADAPTIVE, read_searches
from sweeps.search.draws import trial_configs, trial_run
from sweeps.search.objective import ObjectiveValue, cannot_matter, objective_value, rows_of
from sweeps.search.storage import open_storage
from sweeps.search.trial_queue import WAIT, Trial, TrialQueue

logger = logging.getLogger("sweeps.search.worker")  # also as the main module of its process

WAIT_S = 1.0  # between polls for trials that other workers train


def _is_finished(run: RunFolder) -> bool:
    """Whether a run has a result; False where there is none, or it cannot be read."""
    with suppress(CorruptFile, OSError):
        return run.status().finished
    return False


class CellWorker:
    """One cell's search in this process: its queue and its trials' runs. A context manager, which closes the queue."""

    def __init__(self, store: Store, sweep: str, searches: SweepSearches, search: SearchSpec) -> None:
        self.store, self.sweep, self.search = store, sweep, search
        self.observer = LeaseMonitor()
        self.unsure = False  # whether it is open if the worker of some trial is dead
        lock = store.search_storage(sweep, f".{search.id}.lock")
        with locked(store.search_storage(sweep, ".open.lock")):  # a database's tables are created once
            self.queue = TrialQueue(
                search,
                lambda: open_storage(searches.storage, store, sweep, search.id),
                searches.token,
                lock,
            )
        try:
            self.ended = sum(trial.state != "running" for trial in self.queue.results())
        except BaseException:
            self.queue.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.queue.close()

    def runs(self, params: Params) -> list[RunFolder]:
        """The run folders of a trial, in the order in which they are trained."""
        return [self.store.run(run_id(config)) for config in trial_configs(self.search, params)]

    def run(self, params: Params) -> RunFolder:
        """The run folder of a trial that is trained now, or was last."""
        *begun, last = self.runs(params)
        return next((run for run in begun if not _is_finished(run)), last)

    def is_lost(self, params: Params, owner: ProcessRecord) -> bool:
        """Whether the worker that owns a trial is dead."""
        lost = self.observer.is_lost(self.run(params), owner)
        self.unsure |= not lost and not self.observer.is_known_alive(self.run(params), owner)
        return lost

    def step_of(self, params: Params) -> int:
        """The recorded steps of a trial's runs; 0 for one that there is none of, or that cannot be read."""
        steps = 0
        for run in self.runs(params):
            with suppress(CorruptFile, OSError):
                steps += run.status().step
        return steps

    def next(self) -> Trial | str | None:
        """As of `TrialQueue.next`; first adds new results of the grid if search.grid is set."""
        self.unsure = False
        if self.search.grid:
            self.queue.tell_grid(self.grid_results())
        return self.queue.next(self.is_lost, self.step_of)

    def grid_results(self) -> dict[str, tuple[Params, float]]:
        """Run id -> (parameters, value) of the grid's finished runs in this cell that lie inside the search space."""
        found = {}
        for name in self.search.grid:
            run = self.store.run(name)
            if run.exists() and run.status().finished:
                value = objective_value(run, self.search.asked).value
                params = params_of(run.config(), self.search.space)
                if value is not None and params is not None:
                    found[name] = (params, value)
        return found

    def freeze(self, trial: Trial, nth: int = 0) -> RunFolder:
        """Write a run of the trial into the store as an ordinary planned run; returns its folder."""
        planned = trial_run(self.search, trial.params, nth)
        freeze_run(self.store, planned, self.search.sampler, self.sweep)
        return self.store.run(planned.id)

    def is_settled(self, values: list[float]) -> bool:
        """Whether the other seeds of a trial with these values are left out: the sampler learns, and they cannot
        matter to it. The trials of other samplers are a sample, in which each must be whole."""
        told = self.queue.told() if self.search.sampler in ADAPTIVE else []
        return len(told) >= self.search.startup and cannot_matter(values, self.search.seeds, told)

    def watch(self, trial: Trial) -> StopCheck:
        """The early-stopping hook of a trial: asks the pruner after each evaluation."""
        every = self.search.base["metrics"]["every"] or self.search.base["train"]["steps"]

        def ask(row: MetricsRow) -> EarlyStop | None:
            step, distance = row.step, distance_of(row.values) or 0
            if step == 0 or not distance > 0:
                return None
            if not self.queue.report(trial, step // int(every), math.log(distance)):
                return None
            pruner = self.search.pruner
            why = f"pruned by {pruner} at step {step}"
            return EarlyStop(step=step, cause=StopCause.PRUNED, reason=why, pruner=pruner)

        return ask

    def reopen(self) -> int:
        """Reopen the trials that were given up; returns how many."""
        count = self.queue.reopen()
        self.record()
        return count

    def record(self) -> None:
        """Update this search's rows in the sweep's trial record."""
        results = self.queue.results()
        self.ended = sum(trial.state != "running" for trial in results)
        rows = [
            TrialRecord(
                run.id,
                self.search.cell,
                SEARCH,
                trial.order,
                self.search.sampler,
                self.search.round_of(trial.order),
                trial.value,
                trial.diverged,
                self.search.id,
                trial.state == "fail",
                nth,
                trial.why if trial.state == "fail" else None,
            )
            for trial in results
            for nth, run in enumerate(self.runs(trial.params))
            if nth == 0 or run.exists()
        ]
        if rows:
            put_rows(self.store, self.sweep, rows)


class SearchWorker:
    """Trains trials until none are left, it is asked to stop, or its parent process is no longer `parent`.

    A context manager, which closes the storages of its cells. `only` lists ids of searches; None means all. Raises
    `UserError` for unknown ones.
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
            self.cells = [opened.enter_context(CellWorker(store, sweep, searches, search)) for search in chosen]
            self.opened = opened.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.opened.close()

    def stop(self, *_: object) -> None:
        """Stop after saving the current trial; also a signal handler."""
        self.stopping = True

    def work(self) -> int:
        """Train until nothing is left to do here; returns the exit code.

        It returns while other live workers train the last trials. It waits for a round to get its values, and while it
        is open, for lack of heartbeats, whether the worker of a trial is dead.
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
        import landscape.runtime.worker  # noqa: F401  # slow (torch): import it before owning a trial

        while not self.stopping and self.parent in (None, os.getppid()):
            given = self._next()
            if given is None:
                for cell in self.cells:  # given-up trials have no worker to record them
                    cell.record()
                return
            if isinstance(given, str):
                time.sleep(WAIT_S)
            else:
                self._train(*given)

    @contextmanager
    def _known(self) -> Iterator[None]:
        """Record this process within the block, so that `sweeps cancel` finds it even when it owns no trial."""
        folder = self.store.search_workers(self.sweep)
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{socket.gethostname()}-{os.getpid()}.json"
        write_whole(file, to_json(ProcessRecord.of_this().to_json()))
        try:
            yield
        finally:
            file.unlink(missing_ok=True)

    def _next(self) -> tuple[CellWorker, Trial] | str | None:
        """A trial of the cell with the smallest share of ended trials."""
        waiting = False
        for cell in sorted(self.cells, key=lambda cell: cell.ended / cell.search.trials):
            if self.stopping:
                return WAIT
            given = cell.next()
            if isinstance(given, Trial):
                return cell, given
            waiting |= given == WAIT and (cell.search.rounds is not None or cell.unsure)
        return WAIT if waiting else None

    def _train(self, cell: CellWorker, trial: Trial) -> None:
        search, found = cell.search, list[ObjectiveValue]()
        label = f"{search.label}, trial {trial.order}{' (resumed)' * trial.resumed}"
        for nth in range(search.seeds):
            one = self._train_run(cell, trial, nth, label)
            if one is None:
                return
            found.append(one)
            values = [one.value for one in found if one.value is not None]
            if len(values) < len(found):
                break
            if len(found) < search.seeds and cell.is_settled(values):
                self.say(
                    f"{label}: ended after {len(found)} of {search.seeds} seeds, in the worse half whatever the rest"
                )
                break
        value = median(values) if len(values) == len(found) else None
        diverged, stopped = (2 * sum(flags) >= len(found) for flags in zip(*((one[1:]) for one in found), strict=True))
        cell.queue.tell(trial, value, diverged=diverged, stopped=stopped, run=cell.runs(trial.params)[0].id)
        cell.record()
        if search.seeds > 1 and value is not None:
            self.say(f"{label}: median of {plural(len(found), 'seed')} {DISTANCE.text(math.exp(value))}")

    def _train_run(self, cell: CellWorker, trial: Trial, nth: int, label: str) -> ObjectiveValue | None:
        """Train one run of a trial. None if it has none, and the trial is left to another worker."""
        from landscape.runtime.worker import work  # torch

        run = cell.freeze(trial, nth)
        if trial.order == 0 or cell.search.seeds > 1:
            # Marks the search as begun, so that a larger budget keeps its round size; and a seed's run as of a trial,
            # which may take long to end.
            cell.record()
        with run_log(run.log_file, shown=False) as say:
            watch = None if cell.search.pruner == "none" else cell.watch(trial)
            status = None if self.stopping else work(self.store, run.id, say, self.execution, cell.observer, watch)
            while status is None and not self.stopping:  # another worker trains the same run
                time.sleep(WAIT_S)
                status = work(self.store, run.id, say, self.execution, cell.observer, watch)
        if status == PREEMPTED or status is None:
            cell.queue.release(trial, tried=False)
            self.stopping = True
            return None
        if status == FAILED:
            cell.queue.release(trial, tried=True)
            self.failed = True
            cell.record()
        rows = rows_of(run, cell.search.asked) if status != FAILED else []
        shown = {**trial.params, "seed": run.config()["seed"]} if nth else trial.params
        settings = " ".join(f"{key}={value:.4g}" for key, value in shown.items())
        self.say(f"{label}: {settings}: {status}{distance(rows[-1].values) if rows else ''}")
        return None if status == FAILED else objective_value(run, cell.search.asked)


def parser() -> Parser:
    """The arguments of this process."""
    parser = Parser("python -m sweeps.search.worker", __doc__ or "")
    parser.add_argument("--store", required=True)
    parser.add_argument("--sweep", required=True, help="its full name, as in the store's sweeps/")
    parser.add_argument("--cell", action="append", help="the id of a search in search.json; repeatable")
    parser.add_argument(
        "--execution", type=json.loads, default={}, help="JSON: device, threads, checkpoint, stop, logger"
    )
    parser.add_argument(
        "--attached", action="store_true", help="end after the current trial once the parent process is gone"
    )
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit code, which tells the controller whether trials are left."""

    def work() -> int:
        arguments = parser().parse(sys.argv[1:] if argv is None else argv)
        store = Store(arguments.store)
        parent = os.getppid() if arguments.attached else None
        with SearchWorker(store, arguments.sweep, arguments.cell, arguments.execution, logger.info, parent) as worker:
            return worker.work()

    return run_command(work, disk=ExitCode.UNFINISHED)  # disk errors may pass: the launcher tries again


if __name__ == "__main__":
    sys.exit(main())
