"""A bounded pool with one process per run, on this machine or inside a scheduler's job.

If the controller is killed, its workers finish, and the next controller waits for them. A run that crashes, or whose
folder cannot be read, does not affect others.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import time
from collections import deque
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Protocol

from landscape.config.errors import UNWRITABLE, CorruptFile, ExitCode, error_name
from landscape.config.text import plural
from landscape.store import FAILED, PREEMPTED, RunFolder
from landscape.store.leases import LeaseMonitor, acquire, claim_in_force
from landscape.store.process_record import ClaimRecord
from sweeps.launchers.canary import OFF, Canary, FirstFailures, fitted, report, withdraw
from sweeps.launchers.devices import Slots
from sweeps.launchers.processes import EXIT_UNKNOWN, Process, ProcessStarter, starter
from sweeps.launchers.supervisor import Child, JobAllocation, Supervisor
from sweeps.planning.freeze import freeze_run
from sweeps.planning.needs import is_met
from sweeps.planning.plan import NOTHING, TRAIN, Plan, Planned, execution

RETRY_S = 10.0  # before a run is started again whose worker found it claimed
READ_ERRORS = (CorruptFile, OSError)


class Display(Protocol):
    """Shows the progress of a pool; `tick` is called a few times per second."""

    def tick(self) -> None:
        """Refresh."""

    def event(self, text: str) -> None:
        """Show a line."""

    def ended(self, planned: Planned, run: RunFolder) -> None:
        """Show how a run ended."""


def run_pool(
    plan: Plan,
    slots: Slots,
    display: Display,
    allocation: JobAllocation | None = None,
    tries: Sequence[Planned] = (),
) -> int:
    """Train and score what the plan still needs; returns the exit code: 0, 1 with failures, 130 on Ctrl-C.

    The runs `tries` are tried in small before (`sweeps.launchers.canary`).
    """
    warm, folder = plan.runs[0].config["launcher"]["warm"], plan.store.sweep(plan.name)
    with starter(plan.store.root, not slots.gpus if warm is None else warm, display.event) as workers:
        barred = dict[str, str]()
        if tries:
            canary = Canary(plan, tries, folder, slots, workers, display.event, allocation)
            canary.supervise()
            if canary.interrupts:
                display.event("stopped before a run was started: run the same command again")
                return ExitCode.INTERRUPTED
            barred = report(canary, display.event)
            withdraw(plan.store, barred)
            if barred:
                display.event(f"{plural(len(barred), 'run')} not started; canary=off starts them all the same")
        pool = Pool(plan, fitted(slots, folder, plan.needing(TRAIN)), workers, display, allocation, barred)
        pool.supervise()
    left = sum(not is_met(plan, planned) for planned in plan.runs)
    if pool.interrupts:
        display.event(f"stopped; {plural(left, 'run')} left: run the same command to resume")
        return ExitCode.INTERRUPTED
    return ExitCode.UNFINISHED if left else 0


class Pool(Supervisor[Planned]):
    """Trains the runs of a plan, as many at once as there are slots."""

    def __init__(
        self,
        plan: Plan,
        slots: Slots,
        starter: ProcessStarter,
        display: Display,
        allocation: JobAllocation | None = None,
        barred: Collection[str] = (),
    ) -> None:
        super().__init__(slots.count, display.event, allocation)
        self.plan, self.slots, self.starter, self.display = plan, slots, starter, display
        self.waiting = deque(run for run in plan.runs if run.need != NOTHING and run.id not in barred)
        self.early = deque(run for run in plan.early if run.id not in barred)
        self.later = {planned.id for planned in plan.early}
        self.failures = FirstFailures()
        self.observer = LeaseMonitor()
        self.elsewhere: list[Planned] = []  # claimed by workers of other processes
        self.rests_until: dict[str, float] = {}  # run id -> time before which it is not started again
        self.unwritable = False  # the store: no more runs are started

    def waits(self) -> bool:
        """As of `Supervisor`."""
        return bool(self.waiting or self.elsewhere)

    def tick(self) -> None:
        """Refresh the display."""
        self.display.tick()

    def fill(self) -> None:
        """Start runs in free slots. A run that another live worker on this machine trains takes a slot too."""
        here = self._look_elsewhere()
        while self.waiting and len(self.children) + here < self.count and not self.interrupts:
            planned = self.waiting.popleft()
            run = self.plan.store.run(planned.id)
            try:
                claim = claim_in_force(run)
                if claim is not None and not self.observer.is_lost(run, claim):
                    self.elsewhere.append(planned)
                    here += claim.is_here
                    self.event(f"{planned.label}: {_held(claim, self.observer)}")
                elif not is_met(self.plan, planned):  # another worker may have finished it
                    slot = self.free_slot()
                    self.children.append(Child(self.start(planned, slot), slot, planned))
            except READ_ERRORS as e:
                self.event(f"{planned.label}: cannot be started ({e})")
                self.stop_if_unwritable(error_name(e))
        if not self.waiting and self.later and not self.interrupts:
            self._early(here)

    def _early(self, here: int) -> None:
        """Begin runs of later, in their order, in slots that are idle while the last of the plan's own are trained.
        When those have ended the others save and stop, and whoever plans them resumes them."""
        if self.elsewhere or any(child.work.id not in self.later for child in self.children):
            while self.early and len(self.children) + here < self.count and not self.unwritable:
                planned = self.early.popleft()
                run = self.plan.store.run(planned.id)
                with suppress(*READ_ERRORS):
                    freeze_run(self.plan.store, planned, self.plan.command, self.plan.name)
                    if claim_in_force(run) is None and not is_met(self.plan, planned):
                        slot = self.free_slot()
                        self.children.append(Child(self.start(planned, slot), slot, planned))
            return
        for child in self.children:
            if not child.signals_sent:
                child.signals_sent = 1
                with suppress(ProcessLookupError):
                    os.killpg(child.process.pid, signal.SIGTERM)

    def _look_elsewhere(self) -> int:
        """Queue the runs again whose other worker is gone; how many of the rest are trained on this machine."""
        here = 0
        for planned in list(self.elsewhere):
            run = self.plan.store.run(planned.id)
            claim = claim_in_force(run)
            if claim is None or self.observer.is_lost(run, claim):
                if time.monotonic() >= self.rests_until.get(planned.id, 0.0):
                    self.elsewhere.remove(planned)
                    self.waiting.appendleft(planned)
            elif self.allocation is not None and self.observer.is_known_alive(run, claim):
                self.elsewhere.remove(planned)
                self.allocation.elsewhere.append(planned)
                self.event(f"{planned.label}: {claim} trains it")
            else:
                here += claim.is_here
        return here

    def start(self, planned: Planned, slot: int) -> Process:
        """Start a worker for a run in a slot."""
        run, order = self.plan.store.run(planned.id), execution(planned)
        if self.slots.gpus:
            order["device"] = "cuda"  # it sees only its own
        arguments = ["--store", str(self.plan.store.root), "--run", planned.id, "--execution", json.dumps(order)]
        verdict = self.observer.verdict(run)
        if verdict is not None:
            arguments += ["--lost", json.dumps(verdict)]
        return self.starter.start(arguments, self.slots.environment(slot, order["threads"]), run.log_file)

    def ended(self, child: Child[Planned], code: int) -> None:
        """Record how a worker ended, and show it."""
        planned = child.work
        run = self.plan.store.run(planned.id)
        if code == ExitCode.CLAIMED:
            if planned.id not in self.later:
                self.elsewhere.append(planned)
                self.rests_until[planned.id] = time.monotonic() + RETRY_S
            return
        trouble = fault = None
        try:
            if code not in (0, ExitCode.FAILED, ExitCode.PREEMPTED):
                _record_death(run, code, child.signals_sent > 0, self.observer)
            elif code == ExitCode.FAILED:
                trouble = run.status().errno
            if (status := run.status()).state == FAILED:
                fault = status.fault
            self.failures.passed |= status.finished
        except READ_ERRORS as e:
            trouble = error_name(e)
        self.display.ended(planned, run)
        self.stop_if_unwritable(trouble)
        if fault is not None and self.plan.canary != OFF:
            self.stop_if_alike(planned, fault)

    def stop_if_alike(self, planned: Planned, fault: str) -> None:
        """Start no more runs if the first failures share this cause, unless another run got further than they did."""
        step = self._step(planned)
        self.failures.passed |= any(self._step(child.work) > step for child in self.children)
        if not self.failures.share(fault) or not self.waiting:
            return
        run, left = self.plan.store.run(planned.id), plural(len(self.waiting), "run")
        reason = f"not started, because the first runs failed: {run.status().reason}"
        withdraw(self.plan.store, dict.fromkeys((one.id for one in self.waiting), reason))
        self.waiting.clear()
        self.early.clear()
        self.event(f"the first {len(self.failures.faults)} runs failed for one cause ({fault}): {left} not started")
        self.event(f"  {run.status().reason}\n  log: {run.log_file}; canary=off starts them all the same")

    def _step(self, planned: Planned) -> int:
        try:
            return self.plan.store.run(planned.id).status().step
        except READ_ERRORS:
            return 0

    def stop_if_unwritable(self, trouble: str | None) -> None:
        """Start no more runs if this error name means that the store cannot be written: all would fail."""
        if trouble not in UNWRITABLE or self.unwritable:
            return
        cause = os.strerror(getattr(errno, trouble))
        self.unwritable = True
        self.waiting.clear()
        self.event(f"the store cannot be written ({cause}): no more runs are started; finished runs are safe")
        self.event("once it can be written again, run the same command to resume")


def _held(claim: ClaimRecord, observer: LeaseMonitor) -> str:
    if claim.is_here:
        return f"{claim} works on it; waiting"
    return (
        f"{claim} worked on it, on another machine; it is taken over after "
        f"{observer.lost_after_s:.0f} s without a heartbeat"
    )


def _record_death(run: RunFolder, code: int, told: bool, observer: LeaseMonitor) -> None:
    """Record the end of a worker that could not do so itself, unless another has claimed the run since."""
    if told or code in (-signal.SIGTERM, -signal.SIGUSR2):  # a worker that is still importing has no signal handler
        state, reason = PREEMPTED, "stopped before its worker could save"
    elif code == EXIT_UNKNOWN:
        if claim_in_force(run) is None:  # it recorded its end itself
            return
        state, reason = FAILED, "the worker ended, and its exit code is lost with the fork server that started it"
    elif code < 0:
        name = signal.Signals(-code).name
        state, reason = FAILED, f"the worker was killed by {name}{' (out of memory?)' * (name == 'SIGKILL')}"
    else:
        state, reason = FAILED, f"the worker ended with exit code {code}: {run.log_tail(1)}"
    claim = acquire(run, observer)
    if claim is None:
        return
    try:
        status = run.status()
        if not status.finished:
            fault = None if state != FAILED else f"exit code {code}"
            run.write_status(replace(status, state=state, reason=reason, fault=fault))
    finally:
        claim.release()
