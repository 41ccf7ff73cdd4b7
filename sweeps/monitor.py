"""One snapshot of many runs: their status files, the claims of those under way, and one query of the schedulers.

A snapshot is cheap enough for ten thousand runs and can be repeated: finished runs are read once. `status`, `watch`,
`wait`, `logs` and the live display of a sweep are all made from it.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from landscape.config import versions
from landscape.config.axes import AXES
from landscape.config.errors import CorruptFile
from landscape.config.identity import superseded
from landscape.store import (
    DIVERGED,
    DONE,
    FAILED,
    FINISHED,
    PLANNED,
    PREEMPTED,
    QUEUED,
    RUNNING,
    RunFolder,
    RunStatus,
    Store,
    SweepFolder,
)
from landscape.store.leases import LeaseMonitor, claim_in_force
from landscape.store.process_record import ClaimRecord
from landscape.store.processes import is_stopped
from landscape.store.protocols import EvalRequest
from landscape.store.run_writer import HEART_S
from sweeps.planning.sweep_runs import SweepRuns
from sweeps.states import LOST, STALLED, SUPERSEDED, TO_SCORE

READERS = 16  # threads: on a network file system each small file is a round trip
QUERY_S = 60.0  # between two queries of the scheduler
UNDER_WAY = (RUNNING, QUEUED, PREEMPTED)  # states that the scheduler may know more about


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a queued task cannot start, other than waiting for its turn."""

    lasting: bool  # until somebody acts
    consequence: str  # "cannot start": follows the subject of the sentence
    remedy: str  # what to do; {jobs} and {cancel} (the command) are filled in


@dataclass(frozen=True, slots=True)
class Task:
    """One pending or running task of a scheduler's job array."""

    job: str
    number: int
    pending: bool
    token: str  # identifies its submission
    reason: str = ""  # why it is pending, in the scheduler's word
    obstacle: Obstacle | None = None

    @property
    def stuck(self) -> bool:
        """Whether it will not start until somebody acts."""
        return self.obstacle is not None and self.obstacle.lasting


@dataclass
class SchedulerView:
    """What the schedulers know about a store's runs."""

    runs: dict[str, Task] = field(default_factory=dict)  # run id -> its task in the queue
    submitted: set[str] = field(default_factory=set)  # ids of all runs ever submitted
    sweeps: set[str] = field(default_factory=set)  # with a job in the queue that can start
    stuck: dict[str, list[Task]] = field(default_factory=dict)  # sweep -> its search workers that cannot start
    error: str | None = None  # why a scheduler could not be queried


class Scheduler:
    """The queue behind a launcher. These defaults are for a launcher without one."""

    @classmethod
    def snapshot(cls, store: Store, found: SchedulerView) -> None:
        """Add what its queue holds of a store's runs to `found`, by one query; none if nothing was ever submitted."""

    @classmethod
    def cancel(cls, store: Store, folder: SweepFolder) -> int:
        """Cancel a sweep's jobs; returns the number of job arrays."""
        return 0

    @classmethod
    def logs(cls, store: Store, run_id: str) -> list[tuple[str, Path]]:
        """The logs of a run's jobs: time of submission and file."""
        return []


@dataclass(slots=True)
class RunView:
    """One run in a snapshot."""

    id: str
    state: str
    status: RunStatus
    written: float  # mtime of its status file, in seconds
    stalled: str = ""  # why it counts as stalled, and how to end it
    claim: str = ""  # what is wrong with its claim file
    task: Task | None = None  # the queued task that will train it

    @property
    def reason(self) -> str | None:
        """Why it is in its state, as recorded or as the scheduler says."""
        if self.task is not None and self.task.obstacle is not None:
            return self.task.reason
        return self.stalled or self.status.reason

    @property
    def axes(self) -> Mapping[str, Any]:
        """Its value on each axis."""
        return self.status.axes

    @property
    def steps(self) -> tuple[int, int]:
        """D updates done, and in total."""
        steps: int = self.status.steps or self.axes.get("steps", 0)
        return steps if self.state == DONE else self.status.step, steps

    @property
    def left(self) -> int:
        """Remaining D updates."""
        done, steps = self.steps
        return 0 if self.state in FINISHED else max(0, steps - done)


@dataclass
class Snapshot:
    """The state of the selected runs at one time."""

    runs: list[RunView]
    unreadable: dict[str, str]  # run id -> error message
    scheduler_error: str | None = None  # why the scheduler could not be queried, if it had to be
    alive: bool = False  # whether a worker, a command or a job that can start has these runs
    on_cluster: bool = False  # whether any run of the store was ever handed to a scheduler
    trials_left: int = 0  # of the sweep's searches
    given_up: dict[str, str] = field(default_factory=dict)  # run id of an abandoned trial -> reason
    stuck: list[Task] = field(default_factory=list)  # queued search workers that cannot start
    queued: bool = False  # whether a queued job that can start has any of these runs

    @property
    def states(self) -> Counter[str]:
        """Number of runs in each state."""
        return Counter(view.state for view in self.runs)

    @property
    def hangs(self) -> bool:
        """Whether a run is stalled and no other run is making progress or about to start."""
        states = self.states
        return states[STALLED] > 0 and not states[RUNNING] and not self.queued

    @property
    def finished(self) -> bool:
        """Whether every run and every trial is finished."""
        return not self.unreadable and not self.trials_left and all(view.state in FINISHED for view in self.runs)


class StoreMonitor:
    """Takes snapshots of a store's runs, of one sweep's runs, or of the runs with the given ids.

    `query` asks the schedulers; without it only the store is read. `wanted` maps run ids to requested scores: a trained
    run that lacks any of them is "to score".
    """

    def __init__(
        self,
        store: Store,
        sweep: SweepFolder | None = None,
        ids: list[str] | None = None,
        query: Callable[[Store], SchedulerView] | None = None,
        wanted: Mapping[str, list[EvalRequest]] | None = None,
    ) -> None:
        self.store, self.members, self.given = store, SweepRuns(store, sweep), ids
        self.query, self.wanted = query, wanted or {}
        self.observer = LeaseMonitor()
        self.kept: dict[str, RunView] = {}
        self.scheduler, self.queried_at = SchedulerView(), -QUERY_S
        self.mark: object = None
        self.moved_at = time.monotonic()

    def snapshot(self) -> Snapshot:
        """Read what may have changed. Writes nothing; a damaged run folder is reported, not raised."""
        ids = self.members.ids() if self.given is None else self.given
        unreadable: dict[str, str] = {}
        found = {run: view for run in ids if (view := self.kept.get(run)) is not None}
        missing = [run for run in ids if run not in found]
        concerned = []
        for run, read in zip(missing, self._read(missing), strict=True):
            if isinstance(read, str):
                unreadable[run] = read
                continue
            found[run] = view = RunView(run, read[0].state, *read)
            if view.state == DONE and any(asked.missing(view.status) for asked in self.wanted.get(run, ())):
                view.state = TO_SCORE
            elif view.state in (DONE, DIVERGED):
                self.kept[run] = view
            elif view.state in UNDER_WAY:
                concerned.append(view)
        trials_left, given_up = self.members.trials() if self.given is None else (0, {})
        if concerned or trials_left:
            self._query_scheduler()
        workers = sum([self._judge(view) for view in concerned])
        mark = {run: (view.state, view.status.beat, view.status.step) for run, view in found.items()}
        if mark != self.mark:
            self.mark, self.moved_at = mark, time.monotonic()
        open_ = {run for run, view in found.items() if view.state not in (*FINISHED, FAILED)}
        alive = workers > 0 or self.members.name in self.scheduler.sweeps
        alive = alive or ((bool(open_) or trials_left > 0) and self._controllers(open_))
        return Snapshot(
            [found[run] for run in ids if run in found],
            unreadable,
            self.scheduler.error,
            alive,
            on_cluster=bool(self.scheduler.submitted),
            trials_left=trials_left,
            given_up=given_up,
            stuck=self.scheduler.stuck.get(self.members.name or "", []) if trials_left else [],
            queued=any(view.task is not None and not view.task.stuck for view in found.values()),
        )

    def _read(self, ids: list[str]) -> list[tuple[RunStatus, float] | str]:
        def one(run: str) -> tuple[RunStatus, float] | str:
            try:
                return self.store.status_of(run)
            except CorruptFile as e:
                return str(e)
            except OSError as e:
                return f"{e.filename or self.store.run(run).status_file} cannot be read ({e.strerror})"

        if len(ids) < 4 * READERS:
            return [one(run) for run in ids]
        # In large chunks: one task per file would cost more in thread switches than in reading.
        size = -(-len(ids) // (4 * READERS))
        pieces = [ids[i : i + size] for i in range(0, len(ids), size)]
        with ThreadPoolExecutor(READERS) as pool:
            return [read for piece in pool.map(lambda piece: [one(run) for run in piece], pieces) for read in piece]

    def _judge(self, view: RunView) -> bool:
        """Set the state to "lost" if the run has no worker. Whether it has one, or a job that can start."""
        task = self.scheduler.runs.get(view.id)
        if task is not None:
            if task.pending and view.state != RUNNING:
                view.state, view.task = QUEUED, task
            elif not task.pending and view.state == RUNNING:
                self._judge_progress(view, claim_in_force(self.store.run(view.id)), "python -m sweeps cancel")
            return not (view.state == QUEUED and task.stuck)
        if view.state == PREEMPTED:
            return False
        run = self.store.run(view.id)
        claim = claim_in_force(run)
        left_queue = view.id in self.scheduler.submitted and self.scheduler.error is None
        if claim is None:
            if view.state == RUNNING or left_queue:
                view.state = LOST
            return False
        if claim.unreadable is not None:
            after = f"{self.observer.lost_after_s:.0f} s"
            view.claim = f"{claim.unreadable}; the run counts as running until it has no heartbeat for {after}"
        if self.observer.is_lost(run, claim) or (left_queue and not claim.is_here):
            view.state = LOST
            return False
        if view.state == QUEUED:
            view.state = RUNNING  # it has just begun
        self._judge_progress(view, claim, f"kill -9 {claim.pid} on {claim.host}")
        return True

    def _judge_progress(self, view: RunView, claim: ClaimRecord | None, end: str) -> None:
        """Set the state to "stalled" if the worker is alive but suspended, hangs, or sends no heartbeat."""
        stalled = view.status.stalled
        if claim is None:
            return
        here = claim.is_here
        if here and is_stopped(claim.pid):
            why = f"{claim} is suspended; kill -CONT {claim.pid} resumes it, {end} ends it"
        elif stalled is not None:
            why = f"{stalled.for_s} s in {stalled.doing}, which usually takes {stalled.usual_s} s; {end} ends it"
        elif here and self.observer.still_s(self.store.run(view.id), claim) > self.observer.lost_after_s:
            why = f"{claim} sends no heartbeat; {end} ends it"
        else:
            return
        view.state, view.stalled = STALLED, why

    def _query_scheduler(self) -> None:
        """One query for all runs, at most every `QUERY_S`."""
        if self.query is not None and time.monotonic() - self.queried_at >= QUERY_S:
            self.queried_at = time.monotonic()
            self.scheduler = self.query(self.store)

    def awaiting_scores(self, snapshot: Snapshot) -> tuple[list[str], bool]:
        """Runs that are done but lack requested scores, and whether a worker, command or job is on them."""
        found = []
        for view in snapshot.runs:
            with suppress(FileNotFoundError, CorruptFile):  # an unreadable request cannot be met
                if view.state == DONE and self.store.run(view.id).pending_requests():
                    found.append(view.id)
        claims = [(run, claim_in_force(run)) for run in map(self.store.run, found)]
        alive = any(claim is not None and not self.observer.is_lost(run, claim) for run, claim in claims)
        alive |= any(not self.scheduler.runs[run].stuck for run in found if run in self.scheduler.runs)
        return found, alive or self._controllers(set(found))

    def _controllers(self, wanted: set[str]) -> bool:
        """Whether a command that will start some of these runs is alive.

        On another machine it counts as alive until no run has changed for as long as a heartbeat may be missing.
        """
        for folder in self.store.sweep_folders():
            try:
                controller = folder.controller()
            except (FileNotFoundError, CorruptFile):
                continue
            if controller.is_here:
                alive = controller.lives
            else:
                alive = time.monotonic() - self.moved_at < self.observer.lost_after_s
            with suppress(FileNotFoundError, CorruptFile):  # of another sweep
                if alive and (folder.name == self.members.name or not wanted.isdisjoint(folder.plan().runs)):
                    return True
        return False


class ProgressTracker:
    """What changes between snapshots: runs that have ended since the last one, and the rate of steps."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.left_at_first: dict[str, int] = {}
        self.before: dict[str, str] = {}

    def elapsed_s(self) -> float:
        """Seconds since it was made."""
        return time.monotonic() - self.began

    def ended(self, snapshot: Snapshot) -> list[RunView]:
        """Runs that have ended since the last snapshot; none at the first one."""
        over = (*FINISHED, FAILED, LOST, STALLED)  # a stall is reported like an end
        new = [s for s in snapshot.runs if s.state in over and self.before.get(s.id, s.state) != s.state]
        self.before = {view.id: view.state for view in snapshot.runs}
        return new

    def left_s(self, snapshot: Snapshot) -> float | None:
        """Remaining seconds at the rate of steps since the first snapshot; None until it is known."""
        made = sum(self.left_at_first.setdefault(view.id, view.left) - view.left for view in snapshot.runs)
        left, elapsed = sum(view.left for view in snapshot.runs), self.elapsed_s()
        return left * elapsed / made if made > 0 and left and elapsed > 5 else None


def requested_part(monitor: StoreMonitor, snapshot: Snapshot) -> Snapshot:
    """What a sweep's newest command requested: stage=grid leaves out the search, stage=search the grid."""
    stage, planned = monitor.members.stage, set(monitor.members.planned)
    if stage not in ("grid", "search"):
        return snapshot
    return replace(
        snapshot,
        runs=[view for view in snapshot.runs if (view.id in planned) == (stage == "grid")],
        unreadable={run: why for run, why in snapshot.unreadable.items() if (run in planned) == (stage == "grid")},
        trials_left=0 if stage == "grid" else snapshot.trials_left,
    )


def mark_superseded(store: Store, snapshot: Snapshot) -> None:
    """Set the state of idle runs to "superseded" if today's code would train them under another id.

    Reads the configuration of those runs only whose axes fit one of `CHANGES`.
    """
    axis_of = {axis.keys[0]: axis.name for axis in AXES}
    changes = [
        {axis_of[key]: values for key, values in one.where.items() if key in axis_of} for one in versions.CHANGES
    ]
    for view in snapshot.runs:
        if view.state not in (PLANNED, QUEUED, PREEMPTED, LOST, FAILED) or view.task is not None:
            continue
        if any(all(view.axes.get(axis) in values for axis, values in change.items()) for change in changes):
            with suppress(CorruptFile, OSError, KeyError, TypeError, AttributeError):
                if superseded(view.id, store.run(view.id).config()):
                    view.state = SUPERSEDED


def without_worker(store: Store, ids: list[str]) -> set[str]:
    """The runs that no worker trains. May take a few seconds, to see whether heartbeats from other machines advance.

    Only the next worker to claim a run needs to be sure that the last one is dead; here a few missing beats suffice.
    """
    observer, free, elsewhere = LeaseMonitor(), set(), {}
    for one in ids:
        run = store.run(one)
        claim = claim_in_force(run)
        if claim is None or (claim.is_here and observer.is_lost(run, claim)):
            free.add(one)
        elif not claim.is_here:
            elsewhere[one] = _beat(run)
    if elsewhere:
        time.sleep(3 * HEART_S)
        free |= {one for one, beat in elsewhere.items() if _beat(store.run(one)) == beat}
    return free


def _beat(run: RunFolder) -> int | None:
    try:
        return run.status().beat
    except (CorruptFile, OSError):
        return None
