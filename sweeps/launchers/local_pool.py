"""A bounded pool with one process a run, on this machine or in a scheduler's job.

Workers are started by `sweeps.launchers.processes`. A controller that is killed leaves its workers to finish, and the
next one waits for them. One run that crashes, or whose folder does not read, costs itself alone.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import time
from collections import deque
from dataclasses import replace
from typing import Protocol

from landscape.config.errors import UNWRITABLE, CorruptFile, ExitCode, error_name
from landscape.config.text import plural
from landscape.store import FAILED, PREEMPTED, RunFolder
from landscape.store.leases import LeaseMonitor, acquire, claim_in_force
from landscape.store.process_record import ClaimRecord
from sweeps.launchers.devices import Slots
from sweeps.launchers.processes import UNTOLD, Process, Starter, starter
from sweeps.launchers.supervisor import Allocation, Child, Supervisor
from sweeps.planning.needs import is_met
from sweeps.planning.plan import NOTHING, Plan, Planned, execution

REST_S = 10.0  # before a run is tried again whose worker found somebody else's claim on it
UNREADABLE = (CorruptFile, OSError)


class Display(Protocol):
    """What the pool tells of its doings; `tick` is called a few times a second."""

    def tick(self) -> None: ...
    def event(self, text: str) -> None: ...
    def ended(self, planned: Planned, run: RunFolder) -> None: ...


def run_pool(plan: Plan, slots: Slots, display: Display, allocation: Allocation | None = None) -> int:
    """Train and score what the plan still needs; returns the exit code: 0, 1 with failures, 130 on Ctrl-C."""
    warm = plan.runs[0].config["launcher"]["warm"]
    with starter(plan.store.root, not slots.gpus if warm is None else warm, display.event) as workers:
        pool = Pool(plan, slots, workers, display, allocation)
        pool.supervise()
    left = sum(not is_met(plan, planned) for planned in plan.runs)
    if pool.interrupts:
        display.event(f"stopped; {plural(left, 'run')} to go: the same command goes on from here")
        return ExitCode.INTERRUPTED
    return ExitCode.UNFINISHED if left else 0


class Pool(Supervisor[Planned]):
    """The runs of a plan under way."""

    def __init__(
        self, plan: Plan, slots: Slots, starter: Starter, display: Display, allocation: Allocation | None = None
    ) -> None:
        super().__init__(slots.count, display.event, allocation)
        self.plan, self.slots, self.starter, self.display = plan, slots, starter, display
        self.waiting = deque(planned for planned in plan.runs if planned.need != NOTHING)
        self.observer = LeaseMonitor()
        self.elsewhere: list[Planned] = []  # other processes' workers hold these
        self.rests_until: dict[str, float] = {}  # runs whose worker came back at once
        self.unwritable = False  # the store, so that nothing more is started

    def waits(self) -> bool:
        return bool(self.waiting or self.elsewhere)

    def tick(self) -> None:
        self.display.tick()

    def fill(self) -> None:
        """Fill free slots. Runs that a live worker of somebody else holds are watched; here they take a slot."""
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
                elif not is_met(self.plan, planned):  # somebody else may have finished it meanwhile
                    slot = self.free_slot()
                    self.children.append(Child(self.start(planned, slot), slot, planned))
            except UNREADABLE as e:
                self.event(f"{planned.label}: cannot be started ({e})")
                self.stop_if_unwritable(error_name(e))

    def _look_elsewhere(self) -> int:
        """Take back the runs whose other worker is gone; how many of the others are trained on this machine."""
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
                self.event(f"{planned.label}: left to {claim}")
            else:
                here += claim.is_here
        return here

    def start(self, planned: Planned, slot: int) -> Process:
        """A worker for a run."""
        run, order = self.plan.store.run(planned.id), execution(planned)
        if self.slots.gpus:
            order["device"] = "cuda"  # the only ones that it sees
        arguments = ["--store", str(self.plan.store.root), "--run", planned.id, "--execution", json.dumps(order)]
        verdict = self.observer.verdict(run)
        if verdict is not None:
            arguments += ["--lost", json.dumps(verdict)]
        return self.starter.start(arguments, self.slots.environment(slot, order["threads"]), run.log_file)

    def ended(self, child: Child[Planned], code: int) -> None:
        planned = child.work
        run = self.plan.store.run(planned.id)
        if code == ExitCode.CLAIMED:
            self.elsewhere.append(planned)
            self.rests_until[planned.id] = time.monotonic() + REST_S
            return
        trouble: str | None = None
        try:
            if code not in (0, ExitCode.FAILED, ExitCode.PREEMPTED):
                _record_death(run, code, child.told > 0, self.observer)
            elif code == ExitCode.FAILED:
                trouble = run.status().errno
        except UNREADABLE as e:
            trouble = error_name(e)
        self.display.ended(planned, run)
        self.stop_if_unwritable(trouble)

    def stop_if_unwritable(self, trouble: str | None) -> None:
        """Start no more runs where every one would fail of the same."""
        if trouble not in UNWRITABLE or self.unwritable:
            return
        cause = os.strerror(getattr(errno, trouble))
        self.unwritable = True
        self.waiting.clear()
        self.event(f"the store cannot be written ({cause}): no more runs are started, and nothing finished is lost;")
        self.event("when it can be written again, the same command goes on")


def _held(claim: ClaimRecord, observer: LeaseMonitor) -> str:
    if claim.is_here:
        return f"{claim} works on it; waiting"
    return (
        f"{claim} has worked on it, and cannot be looked up from here; it is taken over "
        f"when there is no heartbeat for {observer.lost_after_s:.0f} s"
    )


def _record_death(run: RunFolder, code: int, told: bool, observer: LeaseMonitor) -> None:
    """A worker that could not say why it ended: note it, unless somebody has taken the run over already."""
    if told or code in (-signal.SIGTERM, -signal.SIGUSR2):  # before it listened, as it loaded its modules
        state, reason = PREEMPTED, "stopped before its worker could save"
    elif code == UNTOLD:
        if claim_in_force(run) is None:  # it has said itself how it ended
            return
        state, reason = FAILED, "the worker ended, and the server that forked it before it could say how"
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
            run.write_status(replace(status, state=state, reason=reason))
    finally:
        claim.release()
