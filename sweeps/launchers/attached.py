"""The base of launchers that train on this machine, while their command lives."""

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
from landscape.store import PLANNED, QUEUED, RunFolder, Store, SweepFolder
from landscape.store.atomic_io import to_json, write_whole
from landscape.store.leases import claim_in_force
from landscape.store.process_record import ProcessRecord
from landscape.store.run_meta import Machine
from sweeps.console import tell
from sweeps.launchers.base import Launcher
from sweeps.launchers.canary import check as check_canary
from sweeps.launchers.devices import Slots, slots
from sweeps.launchers.estimate import Estimate, machine_of
from sweeps.launchers.progress import outcome
from sweeps.planning.describe import describe_power
from sweeps.planning.freeze import freeze
from sweeps.planning.needs import is_met, need
from sweeps.planning.plan import NOTHING, TRAIN, Plan
from sweeps.planning.reload import stored_plan
from sweeps.search.objective import record_grid

logger = logging.getLogger(__name__)


class AttachedLauncher(Launcher):
    """Trains the grid, then the searches, even if runs of the grid fail."""

    attached = True

    @abstractmethod
    def run(self, plan: Plan, places: Slots) -> int:
        """Train and score what the plan still needs; the exit code: 0, 1 with failures, 130 on Ctrl-C."""

    @abstractmethod
    def search(self, plan: Plan, places: Slots) -> int:
        """Train the trials of a frozen plan's searches; the exit code, as of `run`."""

    def places(self, plan: Plan) -> Slots:
        """The slots of this machine for the plan's runs; raises `UserError` for missing GPUs."""
        first = plan.runs[0].config
        widest = max(planned.config["train"].get("world_size") or 1 for planned in plan.runs)
        return slots(self.keys.get("jobs"), first["threads"], first["device"], widest)

    def check(self, plan: Plan) -> None:
        """Raise `UserError` for more threads than cores, and for missing GPUs."""
        for threads in {planned.config["threads"] for planned in plan.runs}:
            check_cores(threads, self.keys.get("jobs"))
        check_canary(plan)
        self.places(plan)

    def warnings(self, plan: Plan) -> list[str]:
        """Warn if bf16 is slow on this machine."""
        todo = [p.config["device"] for p in plan.needing(TRAIN) if p.config["train"]["precision"] == "bf16"]
        slow = slow_bf16("bf16", any(device == "cpu" or not visible_gpus() for device in todo))
        return [] if slow is None else [f"warning: {slow}"]

    def launch(self, plan: Plan, grid: bool = True, searching: bool = False) -> int:
        """As of `Launcher`; returns when all runs have ended."""
        freeze(plan)
        folder, code = plan.store.sweep(plan.name), int(ExitCode.DONE)
        if grid:
            mark_queued(plan)
            code = self.train(plan, folder)
        if plan.searches:
            record_grid(plan)
        if searching and code != ExitCode.INTERRUPTED:
            code = self.search_cells(plan, folder) or code
        if (
            code == ExitCode.DONE and plan.stage != "confirm" and plan.named is None
        ):  # a race knows what its runs can claim
            for line in describe_power(plan):
                tell(line)
        return code

    def search_cells(self, plan: Plan, folder: SweepFolder) -> int:
        """Train the trials of a frozen plan's searches; returns the exit code."""
        cells, trials = plural(len(plan.searches), "cell"), plural(plan.trials_left, "trial")
        places = self.places(plan)
        tell(f"searching {cells}: {trials} left, {places.count} at once ({places.why})")
        with controller_recorded(folder):
            return self.search(plan, places)

    def resubmit(self, store: Store, folder: SweepFolder, wanted: set[str], accepted: bool) -> int:
        """As of `Launcher`; returns when these runs have ended."""
        record = folder.plan()
        plan = stored_plan(store, [run for run in record.runs if run in wanted], record.execution)
        plan.named = folder.name
        for planned in plan.runs:
            planned.config["launcher"] |= record.launcher or {}
            planned.state, planned.need = need(store.run(planned.id), planned)
        plan.runs = [planned for planned in plan.runs if planned.need != NOTHING]
        return self.train(plan, folder)

    def train(self, plan: Plan, folder: SweepFolder | None = None) -> int:
        """Train the runs of a plan and report how it ended; `folder` is the sweep that they belong to."""
        places = self.places(plan)
        n = sum(planned.need != NOTHING for planned in plan.runs)
        tell(f"{plural(n, 'run')}, {min(places.count, n)} at once ({places.why}); store {plan.store.root}")
        with controller_recorded(folder):
            code = self.run(plan, places)
        if code == ExitCode.UNFINISHED:
            report_failures(plan)
        elif code == ExitCode.DONE:
            store = shlex.quote(f"store={plan.store.root}")
            tell(f"all runs are finished; for figures and tables: python -m analysis.report {store}")
        return code

    def processor(self, config: dict[str, Any]) -> tuple[str, str | None]:
        """As of `Launcher`, for this machine."""
        device = config["device"]
        if device.startswith("cuda") or (device == "auto" and visible_gpus()):
            return "GPU", None
        return machine_of(Machine(cpu=cpu(), threads=config["threads"]))

    def wall_clock(self, plan: Plan, made: Estimate) -> str:
        """As of `Launcher`."""
        trials = sum(search.trials for search in plan.searches)
        n = min(self.places(plan).count, len(plan.runs) + trials)
        return f"about {duration(max(made.longest_s, (made.train_s + made.eval_s) / n))} with {n} at once"


def mark_queued(plan: Plan) -> None:
    """Set the status of planned runs without a worker to "queued"."""
    for planned in plan.runs:
        run = plan.store.run(planned.id)
        with suppress(CorruptFile, OSError):
            status = run.status()
            if planned.need != NOTHING and status.state == PLANNED and claim_in_force(run) is None:
                run.write_status(replace(status, state=QUEUED, reason=None), durable=False)


@contextmanager
def controller_recorded(folder: SweepFolder | None) -> Iterator[None]:
    """Record this process as the sweep's controller within the block, so that `sweeps cancel` finds it."""
    if folder is None:
        yield
        return
    write_whole(folder.controller_file, to_json(ProcessRecord.of_this().to_json()))
    try:
        yield
    finally:
        folder.controller_file.unlink(missing_ok=True)


def _waits(run: RunFolder) -> bool:
    """Whether it was never started; why was said when that was decided."""
    with suppress(CorruptFile, OSError):
        return run.status().state in (PLANNED, QUEUED)
    return False


def report_failures(plan: Plan) -> None:
    """Log every unfinished run that was started, with its reason and the last lines of its log."""
    for planned in plan.runs:
        run = plan.store.run(planned.id)
        if not is_met(plan, planned) and not _waits(run):
            tail = "".join(f"\n  | {line}" for line in run.log_tail().splitlines())
            logger.error(f"\n{planned.label}: {outcome(run)}\n  log: {run.log_file}{tail}")
