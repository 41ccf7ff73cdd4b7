"""The local launcher: a bounded pool with one process a run.

A worker lives in a session of its own, so that a Ctrl-C in the terminal reaches this process alone, which
then asks its workers to save and stop; a controller that is killed leaves its workers to finish, and the next
one waits for them. One worker that crashes costs its own run.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import landscape
from landscape.claims import Observer, claim_in_force, take
from landscape.files import CorruptFile
from landscape.store import FAILED, FINISHED, PLANNED, QUEUED, RunFolder, Store
from sweeps.plan import NOTHING, Plan, Planned, need
from sweeps.resources import Slots

POLL_S = 0.2
EXIT_CLAIMED = 76  # landscape.worker's: somebody else was faster


@dataclass
class Job:
    """A worker process of this controller."""

    planned: Planned
    process: subprocess.Popen[bytes]
    slot: int
    since: float


@dataclass
class Pool:
    """The state of a sweep under way, as the display sees it."""

    plan: Plan
    slots: Slots
    waiting: deque[Planned]
    jobs: list[Job] = field(default_factory=list)
    elsewhere: list[Planned] = field(default_factory=list)  # other processes' workers hold these
    finished: list[Planned] = field(default_factory=list)
    stopping: bool = False
    started: float = field(default_factory=time.monotonic)


class Display(Protocol):
    """What the pool tells of its doings; `tick` is called a few times a second."""

    def tick(self, pool: Pool) -> None: ...
    def event(self, text: str) -> None: ...


def run_pool(plan: Plan, slots: Slots, display: Display) -> int:
    """Train and score what the plan still needs; returns the exit code: 0, 1 with failures, 130 on Ctrl-C."""
    todo = [run for run in plan.runs if run.need != NOTHING]
    pool = Pool(plan, slots, deque(todo), finished=[run for run in plan.runs if run.need == NOTHING])
    observer = Observer()
    for planned in todo:
        _mark_queued(plan.store.run(planned.id))
    with _signals(pool, display):
        while pool.jobs or ((pool.waiting or pool.elsewhere) and not pool.stopping):
            _reap(pool, display)
            if not pool.stopping:
                _start(pool, observer, display)
            display.tick(pool)
            time.sleep(POLL_S)
    if pool.stopping:
        left = len([run for run in todo if _state(plan.store.run(run.id)) not in FINISHED])
        display.event(f"stopped; {left} run{'s' * (left != 1)} to go: the same command goes on from here")
        return 130
    failed = [run for run in plan.runs if _state(plan.store.run(run.id)) not in FINISHED]
    return 1 if failed else 0


def _state(run: RunFolder) -> str:
    try:
        return str(run.status()["status"])
    except (CorruptFile, FileNotFoundError):
        return FAILED


def _mark_queued(run: RunFolder) -> None:
    status = run.status()
    if status["status"] == PLANNED and claim_in_force(run) is None:
        run.write_status({**status, "status": QUEUED}, durable=False)


def _start(pool: Pool, observer: Observer, display: Display) -> None:
    """Fill free slots; runs that a live worker of somebody else holds are watched, and count as a slot each."""
    store = pool.plan.store
    for planned in [*pool.elsewhere, *pool.waiting]:
        run = store.run(planned.id)
        claim = claim_in_force(run)
        live = claim is not None and not observer.is_lost(run, claim)
        known = planned in pool.elsewhere
        if live and not known:
            pool.waiting.remove(planned)
            pool.elsewhere.append(planned)
            display.event(
                f"{planned.label}: process {claim['pid']} on {claim['host']} works on it; waiting" if claim else ""
            )
        elif known and not live:
            pool.elsewhere.remove(planned)
            pool.waiting.appendleft(planned)
    while pool.waiting and len(pool.jobs) + len(pool.elsewhere) < pool.slots.count:
        planned = pool.waiting.popleft()
        if _met(store.run(planned.id), planned):
            pool.finished.append(planned)
            continue
        taken = {job.slot for job in pool.jobs}
        slot = next(i for i in range(pool.slots.count) if i not in taken)
        pool.jobs.append(_launch(store, planned, slot, pool.slots))


def _met(run: RunFolder, planned: Planned) -> bool:
    """Whether somebody else brought a run to its end, scores included, while it waited here."""
    try:
        return need(run, planned)[1] == NOTHING
    except (CorruptFile, FileNotFoundError):
        return False


def _launch(store: Store, planned: Planned, slot: int, slots: Slots) -> Job:
    run = store.run(planned.id)
    root = str(Path(landscape.__file__).parent.parent)
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        **slots.environment(slot, planned.config["threads"]),
    }
    command = [sys.executable, "-m", "landscape.worker", "--store", str(store.root), "--run", planned.id]
    with open(run.log_file, "ab") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
    return Job(planned, process, slot, time.monotonic())


def _reap(pool: Pool, display: Display) -> None:
    for job in list(pool.jobs):
        code = job.process.poll()
        if code is None:
            continue
        pool.jobs.remove(job)
        run = pool.plan.store.run(job.planned.id)
        if code == EXIT_CLAIMED:
            pool.waiting.append(job.planned)
            continue
        if code not in (0, 1, 75):
            _record_death(run, code)
        pool.finished.append(job.planned)
        display.event(f"{job.planned.label}: {outcome(run, job.planned)}")


def _record_death(run: RunFolder, code: int) -> None:
    """A worker that could not say why it ended: note it, unless somebody has taken the run over already."""
    if code < 0:
        name = signal.Signals(-code).name
        hint = " (out of memory?)" if name == "SIGKILL" else ""
        reason = f"the worker was killed by {name}{hint}"
    else:
        reason = f"the worker ended with exit code {code}: {run.log_tail(1)}"
    claim = take(run, Observer())
    if claim is None:
        return
    try:
        status = run.status()
        if status["status"] not in FINISHED:
            status["status"] = FAILED
        run.write_status({**status, "reason": reason})
    finally:
        claim.release()


def distance_name(planned: Planned) -> str:
    """What the Frechet distance of a run is called: plain FID means Inception's features and nothing else."""
    extractor = planned.config["metrics"]["extractor"]
    return "FID" if extractor in (None, "inception") else f"FID ({extractor})"


def outcome(run: RunFolder, planned: Planned) -> str:
    """A run's end in one line."""
    try:
        status = run.status()
    except (CorruptFile, FileNotFoundError) as e:
        return str(e)
    text = str(status["status"])
    scores = status.get("scores", {})
    if status["status"] in FINISHED and scores.get("fid") is not None:
        text += f", {distance_name(planned)} {scores['fid']:.1f}"
    if status["status"] not in FINISHED or "reason" in status:
        text += f" ({status.get('reason', 'no reason on record')})"
    return text


@contextmanager
def _signals(pool: Pool, display: Display) -> Any:
    """First Ctrl-C or TERM: ask the workers to save and stop. Second: kill them; the next call resumes."""

    def handle(number: int, frame: Any) -> None:
        how = signal.SIGKILL if pool.stopping else signal.SIGTERM
        if pool.stopping:
            display.event("killing the workers; what is past their checkpoints will be done again")
        else:
            display.event(f"stopping: {len(pool.jobs)} workers save and end (again to kill them)")
        pool.stopping = True
        for job in pool.jobs:
            try:
                os.killpg(job.process.pid, how)
            except ProcessLookupError:
                continue

    before = {s: signal.signal(s, handle) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for s, handler in before.items():
            signal.signal(s, handler)
