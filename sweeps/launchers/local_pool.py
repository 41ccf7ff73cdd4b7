"""The local launcher: a bounded pool with one process a run.

Workers are started by `sweeps.launchers.processes`. Each lives in a session of its own, so that a Ctrl-C in the
terminal reaches this process alone, which then asks its workers to save and stop; a controller that is killed leaves
its workers to finish, and the next one waits for them. One run that crashes, or whose folder does not read, costs
itself alone.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

from landscape.config.errors import UNWRITABLE, CorruptFile, ExitCode, error_name
from landscape.config.text import plural
from landscape.store import FAILED, PLANNED, PREEMPTED, QUEUED, RunFolder
from landscape.store.leases import Observer, claim_in_force, named, take
from landscape.store.processes import is_here
from sweeps.launchers.devices import Slots
from sweeps.launchers.processes import UNTOLD, Process, Starter, starter
from sweeps.planning.needs import is_met
from sweeps.planning.plan import NOTHING, Plan, Planned, execution

POLL_S = 0.2
REST_S = 10.0  # before a run is tried again whose worker found somebody else's claim on it
UNREADABLE = (CorruptFile, OSError)


@dataclass
class Allocation:
    """What is other inside a scheduler's job: it ends at a given time, and may not wait for other jobs."""

    patience_s: float  # after a signal, until workers that have not saved yet are left to the scheduler
    signals: list[int] = field(default_factory=list)
    signalled: float = 0.0
    elsewhere: list[Planned] = field(default_factory=list)  # runs left to the workers of others, which live

    def is_over(self) -> bool:
        return bool(self.signals) and time.monotonic() - self.signalled > self.patience_s


@dataclass
class Job:
    """A worker process of this controller."""

    planned: Planned
    process: Process
    slot: int
    told: int = 0  # signals passed on to it


@dataclass
class Pool:
    """The state of a sweep under way, as the display sees it."""

    plan: Plan
    slots: Slots
    starter: Starter
    waiting: deque[Planned]
    observer: Observer = field(default_factory=Observer)
    jobs: list[Job] = field(default_factory=list)
    elsewhere: list[Planned] = field(default_factory=list)  # other processes' workers hold these
    rests_until: dict[str, float] = field(default_factory=dict)  # runs whose worker came back at once
    interrupts: int = 0  # Ctrl-C and TERM so far
    started: float = field(default_factory=time.monotonic)
    allocation: Allocation | None = None
    unwritable: bool = False  # the store, so that nothing more is started


class Counting(Protocol):
    """What counts Ctrl-C and TERM; in a job of a scheduler it has an allocation."""

    interrupts: int
    allocation: Allocation | None


Counter = TypeVar("Counter", bound=Counting)


class Display(Protocol):
    """What the pool tells of its doings; `tick` is called a few times a second."""

    def tick(self, pool: Pool) -> None: ...
    def event(self, text: str) -> None: ...
    def ended(self, planned: Planned, run: RunFolder) -> None: ...


def run_pool(plan: Plan, slots: Slots, display: Display, allocation: Allocation | None = None) -> int:
    """Train and score what the plan still needs; returns the exit code: 0, 1 with failures, 130 on Ctrl-C."""
    todo = [planned for planned in plan.runs if planned.need != NOTHING]
    for planned in todo:
        with suppress(*UNREADABLE):
            _mark_queued(plan.store.run(planned.id))
    warm = plan.runs[0].config["launcher"]["warm"]
    with (
        starter(plan.store.root, not slots.gpus if warm is None else warm, display.event) as workers,
        counted_signals(Pool(plan, slots, workers, deque(todo), allocation=allocation)) as pool,
    ):
        while pool.jobs or ((pool.waiting or pool.elsewhere) and not pool.interrupts):
            if allocation is not None and allocation.is_over():
                break
            _pass_signals_on(pool, display)
            _reap(pool, display)
            if not pool.interrupts:
                _start(pool, display)
            display.tick(pool)
            time.sleep(POLL_S)
    left = sum(not is_met(plan, planned) for planned in plan.runs)
    if pool.interrupts:
        display.event(f"stopped; {plural(left, 'run')} to go: the same command goes on from here")
        return ExitCode.INTERRUPTED
    return ExitCode.UNFINISHED if left else 0


def _mark_queued(run: RunFolder) -> None:
    status = run.status()
    if status.state == PLANNED and claim_in_force(run) is None:
        run.write_status(replace(status, state=QUEUED), durable=False)


def _start(pool: Pool, display: Display) -> None:
    """Fill free slots. Runs that a live worker of somebody else holds are watched; on this machine they take a slot."""
    store, observer = pool.plan.store, pool.observer
    here = 0
    for planned in list(pool.elsewhere):
        run = store.run(planned.id)
        claim = claim_in_force(run)
        if claim is None or observer.is_lost(run, claim):
            if time.monotonic() >= pool.rests_until.get(planned.id, 0.0):
                pool.elsewhere.remove(planned)
                pool.waiting.appendleft(planned)
        elif pool.allocation is not None and observer.saw_life(run, claim):
            pool.elsewhere.remove(planned)
            pool.allocation.elsewhere.append(planned)
            display.event(f"{planned.label}: left to {named(claim)}")
        else:
            here += is_here(claim)
    while pool.waiting and len(pool.jobs) + here < pool.slots.count and not pool.interrupts:
        planned = pool.waiting.popleft()
        run = store.run(planned.id)
        try:
            claim = claim_in_force(run)
            if claim is not None and not observer.is_lost(run, claim):
                pool.elsewhere.append(planned)
                here += is_here(claim)
                display.event(f"{planned.label}: {_held(claim, observer)}")
            elif not is_met(pool.plan, planned):  # somebody else may have finished it meanwhile
                taken = {job.slot for job in pool.jobs}
                slot = next(i for i in range(pool.slots.count) if i not in taken)
                pool.jobs.append(Job(planned, _launch(pool, planned, slot), slot))
        except UNREADABLE as e:
            display.event(f"{planned.label}: cannot be started ({e})")
            _stop_if_unwritable(pool, display, error_name(e))


def _held(claim: dict[str, Any], observer: Observer) -> str:
    if is_here(claim):
        return f"{named(claim)} works on it; waiting"
    return (
        f"{named(claim)} has worked on it, and cannot be looked up from here; it is taken over "
        f"when there is no heartbeat for {observer.lost_after_s:.0f} s"
    )


def _launch(pool: Pool, planned: Planned, slot: int) -> Process:
    store = pool.plan.store
    order = execution(planned)
    if pool.slots.gpus:
        order["device"] = "cuda"  # the only ones that it sees
    arguments = ["--store", str(store.root), "--run", planned.id, "--execution", json.dumps(order)]
    verdict = pool.observer.verdict(store.run(planned.id))
    if verdict is not None:
        arguments += ["--lost", json.dumps(verdict)]
    own = pool.slots.environment(slot, order["threads"])
    return pool.starter.start(arguments, own, store.run(planned.id).log_file)


def _reap(pool: Pool, display: Display) -> None:
    for job in list(pool.jobs):
        code = job.process.poll()
        if code is None:
            continue
        pool.jobs.remove(job)
        run = pool.plan.store.run(job.planned.id)
        if code == ExitCode.CLAIMED:
            pool.elsewhere.append(job.planned)
            pool.rests_until[job.planned.id] = time.monotonic() + REST_S
            continue
        trouble = None
        try:
            if code not in (0, ExitCode.FAILED, ExitCode.PREEMPTED):
                _record_death(run, code, job, pool.observer)
            elif code == ExitCode.FAILED:
                trouble = run.status().errno
        except UNREADABLE as e:
            trouble = error_name(e)
        display.ended(job.planned, run)
        _stop_if_unwritable(pool, display, trouble)


def _stop_if_unwritable(pool: Pool, display: Display, trouble: str | None) -> None:
    """Start no more runs where every one would fail of the same."""
    if trouble not in UNWRITABLE or pool.unwritable:
        return
    cause = os.strerror(getattr(errno, trouble))
    pool.unwritable = True
    pool.waiting.clear()
    display.event(f"the store cannot be written ({cause}): no more runs are started, and nothing finished is lost;")
    display.event("when it can be written again, the same command goes on")


def _record_death(run: RunFolder, code: int, job: Job, observer: Observer) -> None:
    """A worker that could not say why it ended: note it, unless somebody has taken the run over already."""
    if job.told or code in (-signal.SIGTERM, -signal.SIGUSR2):  # before it listened, as it loaded its modules
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
    claim = take(run, observer)
    if claim is None:
        return
    try:
        status = run.status()
        if not status.finished:
            run.write_status(replace(status, state=state, reason=reason))
    finally:
        claim.release()


@contextmanager
def counted_signals(pool: Counter) -> Iterator[Counter]:
    """Ctrl-C, TERM and USR2 only count here; the loop acts on them where nothing is half done.

    A scheduler sends several for one reason and kills by itself, so in its job they count once.
    """

    def count(number: int, frame: object) -> None:
        if pool.allocation is None:
            pool.interrupts += 1
            return
        pool.interrupts = 1
        pool.allocation.signalled = pool.allocation.signalled or time.monotonic()
        pool.allocation.signals.append(number)

    before = {s: signal.signal(s, count) for s in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2)}
    try:
        yield pool
    finally:
        for s, handler in before.items():
            signal.signal(s, handler)


def _pass_signals_on(pool: Pool, display: Display) -> None:
    """The first asks every worker to save and stop, a second kills them; the next call of the command goes on."""
    how = min(pool.interrupts, 2)
    behind = [job for job in pool.jobs if job.told < how]
    if not behind:
        return
    n = f"{plural(len(behind), 'worker')}"
    if how == 1:
        display.event(f"stopping: {n} save and end (again to kill)")
    else:
        display.event(f"killing {n}; what is past their checkpoints will be done again")
    for job in behind:
        job.told = how
        with suppress(ProcessLookupError):
            os.killpg(job.process.pid, signal.SIGTERM if how == 1 else signal.SIGKILL)
