"""What launchers have in common that train on this machine, while their command lives."""

from __future__ import annotations

import logging
import shlex
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

from landscape.config.errors import CorruptFile, ExitCode
from landscape.config.hardware import cpu, slow_bf16, visible_gpus
from landscape.config.text import duration, plural
from landscape.config.validation import check_cores
from landscape.store import PLANNED, QUEUED, Store, SweepFolder
from landscape.store.atomic_io import to_json, write_whole
from landscape.store.leases import claim_in_force
from landscape.store.process_record import ProcessRecord
from landscape.store.run_meta import Machine
from sweeps.console import tell
from sweeps.launchers.base import Launcher
from sweeps.launchers.devices import Slots, slots
from sweeps.launchers.estimate import Estimate, machine_of
from sweeps.launchers.progress import outcome
from sweeps.planning.describe import what_can_be_told_apart
from sweeps.planning.freeze import freeze
from sweeps.planning.needs import is_met, need
from sweeps.planning.plan import NOTHING, TRAIN, Plan
from sweeps.planning.reload import stored_plan
from sweeps.search.objective import record_grid

logger = logging.getLogger(__name__)


class HereLauncher(Launcher):
    """Trains the grid, then the searches; where runs of the grid fail, the searches are made all the same."""

    attached = True

    @abstractmethod
    def run(self, plan: Plan, places: Slots) -> int:
        """Train and score what the plan still needs; the exit code: 0, 1 with failures, 130 on Ctrl-C."""

    @abstractmethod
    def search(self, plan: Plan, places: Slots) -> int:
        """Work on a frozen plan's searches until every trial is told; the exit code, as of `run`."""

    def places(self, plan: Plan) -> Slots:
        """How many runs are trained at once; raises `UserError` for GPUs that are not there."""
        first = plan.runs[0].config
        widest = max(planned.config["train"].get("world_size") or 1 for planned in plan.runs)
        return slots(self.keys.get("jobs"), first["threads"], first["device"], widest)

    def check(self, plan: Plan) -> None:
        for threads in {planned.config["threads"] for planned in plan.runs}:
            check_cores(threads, self.keys.get("jobs"))
        self.places(plan)

    def warnings(self, plan: Plan) -> list[str]:
        todo = [p.config["device"] for p in plan.needing(TRAIN) if p.config["train"]["precision"] == "bf16"]
        slow = slow_bf16("bf16", any(device == "cpu" or not visible_gpus() for device in todo))
        return [] if slow is None else [f"warning: {slow}"]

    def launch(self, plan: Plan, grid: bool = True, searching: bool = False) -> int:
        freeze(plan)
        folder, code = plan.store.sweep(plan.name), int(ExitCode.DONE)
        if grid:
            mark_queued(plan)
            code = self.train(plan, folder)
        if plan.searches:
            record_grid(plan)
        if searching and code != ExitCode.INTERRUPTED:
            code = self.search_cells(plan, folder) or code
        if code == ExitCode.DONE and plan.stage != "confirm":
            for line in what_can_be_told_apart(plan):
                tell(line)
        return code

    def search_cells(self, plan: Plan, folder: SweepFolder) -> int:
        """Make the trials of a frozen plan's searches and say so."""
        cells, trials = plural(len(plan.searches), "cell"), plural(plan.trials_left, "trial")
        places = self.places(plan)
        tell(f"searching {cells}, {trials} to go, {places.count} at once ({places.why})")
        with recorded(folder):
            return self.search(plan, places)

    def resubmit(self, store: Store, folder: SweepFolder, wanted: set[str], accepted: bool) -> int:
        record = folder.plan()
        plan = stored_plan(store, [run for run in record.runs if run in wanted], record.execution)
        for planned in plan.runs:
            planned.config["launcher"] |= record.launcher or {}
            planned.state, planned.need = need(store.run(planned.id), planned)
        plan.runs = [planned for planned in plan.runs if planned.need != NOTHING]
        return self.train(plan, folder)

    def train(self, plan: Plan, folder: SweepFolder | None = None) -> int:
        """Train the runs of a plan and say how it ended; `folder` is the sweep that it is, or is a part of."""
        places = self.places(plan)
        n = sum(planned.need != NOTHING for planned in plan.runs)
        tell(f"running {n}, {min(places.count, n)} at once ({places.why}); store {plan.store.root}")
        with recorded(folder):
            code = self.run(plan, places)
        if code == ExitCode.UNFINISHED:
            report_failures(plan)
        elif code == ExitCode.DONE:
            store = shlex.quote(f"store={plan.store.root}")
            tell(f"all runs are finished; python -m analysis.report {store} draws them")
        return code

    def processor(self, config: dict[str, Any]) -> tuple[str, str | None]:
        device = config["device"]
        if device.startswith("cuda") or (device == "auto" and visible_gpus()):
            return "GPU", None
        return machine_of(Machine(cpu=cpu(), threads=config["threads"]))

    def wall_clock(self, plan: Plan, made: Estimate) -> str:
        trials = sum(search.trials for search in plan.searches)
        n = min(self.places(plan).count, len(plan.runs) + trials)
        return f"about {duration(max(made.longest_s, (made.train_s + made.eval_s) / n))} with {n} at once"


def mark_queued(plan: Plan) -> None:
    """Write "queued" where nobody works on a run that is to be trained."""
    for planned in plan.runs:
        run = plan.store.run(planned.id)
        with suppress(CorruptFile, OSError):
            status = run.status()
            if planned.need != NOTHING and status.state == PLANNED and claim_in_force(run) is None:
                run.write_status(replace(status, state=QUEUED), durable=False)


@contextmanager
def recorded(folder: SweepFolder | None) -> Iterator[None]:
    """While a sweep is trained here, its folder says by which process, so that it can be cancelled."""
    if folder is None:
        yield
        return
    write_whole(folder.controller_file, to_json(ProcessRecord.of_this().to_json()))
    try:
        yield
    finally:
        folder.controller_file.unlink(missing_ok=True)


def report_failures(plan: Plan) -> None:
    """Name every run that lacks something, why, and the last lines of its log."""
    for planned in plan.runs:
        if not is_met(plan, planned):
            run = plan.store.run(planned.id)
            tail = "".join(f"\n  | {line}" for line in run.log_tail().splitlines())
            logger.error(f"\n{planned.label}: {outcome(run)}\n  log: {run.log_file}{tail}")
