"""`launcher=local`: a process per run on this machine, as many as fit its GPUs or cores."""

from __future__ import annotations

from landscape.config.errors import ExitCode
from sweeps.console import tell
from sweeps.launchers.attached import AttachedLauncher
from sweeps.launchers.canary import Canary, fitted, report, tries
from sweeps.launchers.devices import Slots
from sweeps.launchers.inline import run_inline
from sweeps.launchers.local_pool import run_pool
from sweeps.launchers.local_search import LocalSearch
from sweeps.launchers.processes import starter
from sweeps.launchers.progress import display
from sweeps.planning.freeze import freeze
from sweeps.planning.plan import TRAIN, Plan, Planned


class LocalLauncher(AttachedLauncher):
    """Trains each run in its own process; a single run in this one."""

    def launch(self, plan: Plan, grid: bool = True, searching: bool = False) -> int:
        """As of `Launcher`."""
        if len(plan.runs) == 1 and "-m" not in plan.command and plan.study is None and not plan.searches:
            freeze(plan)  # a single run: its output is shown directly
            return run_inline(plan)
        return super().launch(plan, grid, searching)

    def run(self, plan: Plan, places: Slots) -> int:
        """As of `AttachedLauncher`, in a pool of processes."""
        with display(plan) as shown:
            return run_pool(plan, places, shown, tries=tries(plan, searching=plan.stage == "all"))

    def search(self, plan: Plan, places: Slots) -> int:
        """As of `AttachedLauncher`, in worker processes."""
        folder, tried = plan.store.sweep(plan.name), list[Planned]()
        if plan.stage == "search" or not plan.needing(TRAIN):  # else the grid's canary has tried their cells
            tried = tries(plan, searching=True)
        if tried:
            with starter(plan.store.root, not places.gpus, tell) as workers:
                canary = Canary(plan, tried, folder, places, workers, tell)
                canary.supervise()
            if canary.interrupts:
                return ExitCode.INTERRUPTED
            report(canary, tell)
            if len(canary.failed) == len(canary.results):
                return ExitCode.UNFINISHED
        return LocalSearch(plan, fitted(places, folder, plan.runs)).run()
