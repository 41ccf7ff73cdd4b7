"""`launcher=inline`: runs one after another in this process, for debuggers, notebooks and CI.

No other process is started, so breakpoints work and errors have their full traceback. Runs are claimed, resumed and
stored as by any worker.
"""

from __future__ import annotations

import logging

from landscape.config.errors import CorruptFile, ExitCode
from landscape.config.log import run_log
from landscape.signals import StopFlag
from landscape.store import PREEMPTED, RunFolder
from landscape.store.leases import LeaseMonitor, claim_in_force
from sweeps.console import tell
from sweeps.launchers.attached import AttachedLauncher
from sweeps.launchers.devices import Slots
from sweeps.launchers.local_search import LocalSearch
from sweeps.launchers.progress import outcome
from sweeps.planning.needs import is_met
from sweeps.planning.plan import NOTHING, Plan, Planned, execution

logger = logging.getLogger(__name__)


class InlineLauncher(AttachedLauncher):
    """Trains one run after another in this process."""

    def places(self, plan: Plan) -> Slots:
        """One slot: this process."""
        there = super().places(plan)
        return Slots(1, there.gpus, "in this process", there.each)

    def run(self, plan: Plan, places: Slots) -> int:
        """As of `AttachedLauncher`, see `run_inline`."""
        return run_inline(plan)

    def search(self, plan: Plan, places: Slots) -> int:
        """As of `AttachedLauncher`."""
        return InlineSearch(plan, places).run()


class InlineSearch(LocalSearch):
    """A plan's search with one worker, which is this process."""

    def _generation(self) -> list[int]:
        from sweeps.search.worker import SearchWorker  # slow to import: Optuna

        with SearchWorker(self.plan.store, self.plan.name, None, execution(self.plan.runs[0]), tell) as worker:
            code = worker.work()
        self.interrupts = int(code == ExitCode.PREEMPTED)
        return [code]


def run_inline(plan: Plan) -> int:
    """Train and score what the plan still needs in this process; the exit code: 0, 1 with failures, 130 on Ctrl-C.

    At the first Ctrl-C the run saves and stops; a second one interrupts it.
    """
    todo = [planned for planned in plan.runs if planned.need != NOTHING]
    observer, stopped = LeaseMonitor(), False
    for planned in todo:
        run, status = plan.store.run(planned.id), None
        tell(f"run {run.id} in {run.path}" if len(todo) == 1 else f"{planned.label}: run {run.id} in {run.path}")
        try:
            if observer.wait_until_free(run, tell):
                status, stopped = _work(plan, planned, run, observer)
        except CorruptFile as e:
            logger.error(f"{planned.label}: cannot be started ({e})")
            continue
        if status == PREEMPTED or (stopped and planned is not todo[-1]):
            tell("stopped; run the same command to resume")
            return ExitCode.INTERRUPTED
        if status is None:
            owner = claim_in_force(run)
            who = "another process" if owner is None else str(owner)
            logger.error(f"{who} works on this run; run the command again when it has ended")
        elif len(todo) > 1:
            tell(f"{planned.label}: {outcome(run)}")
    return ExitCode.DONE if all(is_met(plan, planned) for planned in todo) else ExitCode.UNFINISHED


def _work(plan: Plan, planned: Planned, run: RunFolder, observer: LeaseMonitor) -> tuple[str | None, bool]:
    """The run's final state and whether a signal arrived. Output goes to the terminal and to the run's log."""
    from landscape.runtime import worker  # torch

    with run_log(run.log_file, shown=True) as say, StopFlag().listening() as stop:
        return worker.work(plan.store, run.id, say, execution(planned), observer), stop.signal is not None
