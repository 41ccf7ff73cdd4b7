"""`launcher=local`: processes on this machine, as many as its cores or GPUs carry."""

from __future__ import annotations

from sweeps.launchers.devices import Slots
from sweeps.launchers.here import HereLauncher
from sweeps.launchers.inline import run_inline
from sweeps.launchers.local_pool import run_pool
from sweeps.launchers.local_search import Search
from sweeps.launchers.progress import display
from sweeps.planning.freeze import freeze
from sweeps.planning.plan import Plan


class LocalLauncher(HereLauncher):
    """Trains in processes of their own."""

    def launch(self, plan: Plan, grid: bool = True, searching: bool = False) -> int:
        if len(plan.runs) == 1 and "-m" not in plan.command and plan.study is None and not plan.searches:
            freeze(plan)  # one run that was asked for by itself: its lines are shown as they come
            return run_inline(plan)
        return super().launch(plan, grid, searching)

    def run(self, plan: Plan, places: Slots) -> int:
        with display(plan) as shown:
            return run_pool(plan, places, shown)

    def search(self, plan: Plan, places: Slots) -> int:
        return Search(plan, places).run()
