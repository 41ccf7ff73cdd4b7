"""Looking at many runs: one small file a run, a claim for those under way, and one question to the schedulers.

A look is cheap enough for ten thousand runs and may be repeated: what is finished is not read again. Every view of runs
under way is made of it: `status`, `watch`, `wait`, `logs`, and what a sweep shows while it trains.
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

from landscape.config.errors import CorruptFile
from landscape.store import (
    DIVERGED,
    DONE,
    FAILED,
    FINISHED,
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
from sweeps.planning.sweep_runs import Members
from sweeps.states import LOST, STALLED, TO_SCORE

READERS = 16  # on a network's file system each small file is a round trip
ASK_S = 60.0  # between two questions to the scheduler
UNDER_WAY = (RUNNING, QUEUED, PREEMPTED)  # states of which the scheduler may know more


@dataclass(frozen=True, slots=True)
class Obstacle:
    """What keeps a task from starting that does not wait for its turn."""

    lasting: bool  # until a person does something
    consequence: str  # in words that follow those who wait
    remedy: str  # in words, with {jobs} and {cancel}, the command that takes them out of the queue


@dataclass(frozen=True, slots=True)
class Task:
    """One task of a scheduler's array that is pending or under way."""

    job: str
    number: int
    pending: bool
    token: str  # what the job carries to be known by
    reason: str = ""  # why it is pending, in the scheduler's word
    obstacle: Obstacle | None = None

    @property
    def stuck(self) -> bool:
        """Whether it waits for a person and not for its turn."""
        return self.obstacle is not None and self.obstacle.lasting


@dataclass
class Queue:
    """What schedulers hold of a store's runs."""

    runs: dict[str, Task] = field(default_factory=dict)  # in the queue: id -> the task there
    submitted: set[str] = field(default_factory=set)  # handed over at some time
    sweeps: set[str] = field(default_factory=set)  # with anything in the queue that can start
    stuck: dict[str, list[Task]] = field(default_factory=dict)  # sweep -> workers of its searches that cannot
    unasked: str | None = None  # why a scheduler could not be asked


class Scheduler:
    """What is known of runs that were handed to a scheduler; of a launcher without one, nothing."""

    @classmethod
    def snapshot(cls, store: Store, found: Queue) -> None:
        """Add what its queue holds of a store's runs, by one question; none is put where it never had any."""

    @classmethod
    def cancel(cls, store: Store, folder: SweepFolder) -> int:
        """Take a sweep's jobs out of its queue; how many arrays."""
        return 0

    @classmethod
    def logs(cls, store: Store, run_id: str) -> list[tuple[str, Path]]:
        """Its logs of the jobs that a run was given to: when that was, and the file."""
        return []


@dataclass(slots=True)
class Seen:
    """One run as it was found."""

    id: str
    state: str
    status: RunStatus
    written: float  # when its status was, in the file system's seconds
    stalled: str = ""  # why it counts as stalled, and how to end it
    claim: str = ""  # what is wrong with the file that claims it
    task: Task | None = None  # of the scheduler's queue, that will train it

    @property
    def reason(self) -> str | None:
        """Why it is in its state, where that is on record or the scheduler says so."""
        if self.task is not None and self.task.obstacle is not None:
            return self.task.reason
        return self.stalled or self.status.reason

    @property
    def axes(self) -> Mapping[str, Any]:
        return self.status.axes

    @property
    def steps(self) -> tuple[int, int]:
        """D updates done, and in all."""
        steps: int = self.status.steps or self.axes.get("steps", 0)
        return steps if self.state == DONE else self.status.step, steps

    @property
    def left(self) -> int:
        """D updates to go."""
        done, steps = self.steps
        return 0 if self.state in FINISHED else max(0, steps - done)


@dataclass
class Look:
    """All runs that were asked for, at one time."""

    runs: list[Seen]
    unreadable: dict[str, str]  # run id -> what is wrong, in a sentence
    unasked: str | None = None  # why the scheduler could not be asked, where it is concerned
    alive: bool = False  # whether somebody works on these runs or will
    on_cluster: bool = False  # whether any run of the store was ever handed to a scheduler
    trials_left: int = 0  # of the sweep's searches
    given_up: dict[str, str] = field(default_factory=dict)  # runs of trials that are not tried again, and why
    stuck: list[Task] = field(default_factory=list)  # of the searches' workers, where none of a job can start

    @property
    def states(self) -> Counter[str]:
        return Counter(seen.state for seen in self.runs)

    @property
    def finished(self) -> bool:
        return not self.unreadable and not self.trials_left and all(seen.state in FINISHED for seen in self.runs)


class Looker:
    """Looks at the runs of a store, or of one of its sweeps, or at those with the given ids, as often as wanted.

    `ask` puts the question to the schedulers; without it the store alone is looked at. `wanted` are scores that are
    asked of runs, by id: one that is trained and lacks some is "to score".
    """

    def __init__(
        self,
        store: Store,
        sweep: SweepFolder | None = None,
        ids: list[str] | None = None,
        ask: Callable[[Store], Queue] | None = None,
        wanted: Mapping[str, list[EvalRequest]] | None = None,
    ) -> None:
        self.store, self.members, self.given = store, Members(store, sweep), ids
        self.ask, self.wanted = ask, wanted or {}
        self.observer = LeaseMonitor()
        self.kept: dict[str, Seen] = {}
        self.scheduler, self.asked_at = Queue(), -ASK_S
        self.mark: object = None
        self.moved_at = time.monotonic()

    def look(self) -> Look:
        """Read what may have changed. Writes nothing; raises nothing for what a run's folder holds."""
        ids = self.members.ids() if self.given is None else self.given
        unreadable: dict[str, str] = {}
        found = {run: seen for run in ids if (seen := self.kept.get(run)) is not None}
        missing = [run for run in ids if run not in found]
        concerned = []
        for run, read in zip(missing, self._read(missing), strict=True):
            if isinstance(read, str):
                unreadable[run] = read
                continue
            found[run] = seen = Seen(run, read[0].state, *read)
            if seen.state == DONE and any(asked.missing(seen.status) for asked in self.wanted.get(run, ())):
                seen.state = TO_SCORE
            elif seen.state in (DONE, DIVERGED):
                self.kept[run] = seen
            elif seen.state in UNDER_WAY:
                concerned.append(seen)
        trials_left, given_up = self.members.trials() if self.given is None else (0, {})
        if concerned or trials_left:
            self._ask_scheduler()
        workers = sum([self._judge(seen) for seen in concerned])
        mark = {run: (seen.state, seen.status.beat, seen.status.step) for run, seen in found.items()}
        if mark != self.mark:
            self.mark, self.moved_at = mark, time.monotonic()
        open_ = {run for run, seen in found.items() if seen.state not in (*FINISHED, FAILED)}
        alive = workers > 0 or self.members.name in self.scheduler.sweeps
        alive = alive or ((bool(open_) or trials_left > 0) and self._controllers(open_))
        seen_in_order = [found[run] for run in ids if run in found]
        on_cluster = bool(self.scheduler.submitted)
        stuck = self.scheduler.stuck.get(self.members.name or "", []) if trials_left else []
        return Look(seen_in_order, unreadable, self.scheduler.unasked, alive, on_cluster, trials_left, given_up, stuck)

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
        # In big pieces: with one task a file, threads would spend more on handing over than on reading.
        size = -(-len(ids) // (4 * READERS))
        pieces = [ids[i : i + size] for i in range(0, len(ids), size)]
        with ThreadPoolExecutor(READERS) as pool:
            return [read for piece in pool.map(lambda piece: [one(run) for run in piece], pieces) for read in piece]

    def _judge(self, seen: Seen) -> bool:
        """Put "lost" where nobody works on a run any more; whether somebody does, or the scheduler has it still."""
        told = self.scheduler.runs.get(seen.id)
        if told is not None:
            if told.pending and seen.state != RUNNING:
                seen.state, seen.task = QUEUED, told
            elif not told.pending and seen.state == RUNNING:
                self._judge_progress(seen, claim_in_force(self.store.run(seen.id)), "python -m sweeps cancel")
            return not (seen.state == QUEUED and told.stuck)
        if seen.state == PREEMPTED:
            return False
        run = self.store.run(seen.id)
        claim = claim_in_force(run)
        given_up = seen.id in self.scheduler.submitted and self.scheduler.unasked is None
        if claim is None:
            if seen.state == RUNNING or given_up:
                seen.state = LOST
            return False
        if claim.unreadable is not None:
            still = f"{self.observer.lost_after_s:.0f} s"
            seen.claim = f"{claim.unreadable}; it counts as a worker's, until no heart has beaten for {still}"
        if self.observer.is_lost(run, claim) or (given_up and not claim.is_here):
            seen.state = LOST
            return False
        if seen.state == QUEUED:
            seen.state = RUNNING  # it has just begun
        self._judge_progress(seen, claim, f"kill -9 {claim.pid} on {claim.host}")
        return True

    def _judge_progress(self, seen: Seen, claim: ClaimRecord | None, end: str) -> None:
        """Put "stalled" where a worker lives, but is stopped, or hangs by its own judgement or in its heart too."""
        stalled = seen.status.stalled
        if claim is None:
            return
        here = claim.is_here
        if here and is_stopped(claim.pid):
            why = f"{claim} is stopped; kill -CONT {claim.pid} lets it go on, {end} ends it"
        elif stalled is not None:
            why = f"{stalled.for_s} s in {stalled.doing}, where {stalled.usual_s} s are usual; {end} ends it"
        elif here and self.observer.still_s(self.store.run(seen.id), claim) > self.observer.lost_after_s:
            why = f"{claim} gives no heartbeat; {end} ends it"
        else:
            return
        seen.state, seen.stalled = STALLED, why

    def _ask_scheduler(self) -> None:
        """One question for all runs, and not at every look."""
        if self.ask is not None and time.monotonic() - self.asked_at >= ASK_S:
            self.asked_at = time.monotonic()
            self.scheduler = self.ask(self.store)

    def owing(self, look: Look) -> tuple[list[str], bool]:
        """Runs that are done but lack scores that were asked for, and whether somebody is at it."""
        owing = []
        for seen in look.runs:
            with suppress(FileNotFoundError, CorruptFile):  # a request that does not read is none that can be met
                if seen.state == DONE and self.store.run(seen.id).pending_requests():
                    owing.append(seen.id)
        claims = [(run, claim_in_force(run)) for run in map(self.store.run, owing)]
        at_it = any(claim is not None and not self.observer.is_lost(run, claim) for run, claim in claims)
        tasks = (self.scheduler.runs[run] for run in owing if run in self.scheduler.runs)
        return owing, at_it or any(not task.stuck for task in tasks) or self._controllers(set(owing))

    def _controllers(self, wanted: set[str]) -> bool:
        """Whether a command that starts some of these runs on its own machine lives, as far as can be told.

        One of another machine counts while anything moves, and for as long after as a heart may stand still.
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
            with suppress(FileNotFoundError, CorruptFile):  # another sweep's plan is not worth this one's view
                if alive and (folder.name == self.members.name or not wanted.isdisjoint(folder.plan().runs)):
                    return True
        return False


class Course:
    """What changes between looks: runs that have ended since the last one, and how fast steps are made."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.left_at_first: dict[str, int] = {}
        self.before: dict[str, str] = {}

    def elapsed_s(self) -> float:
        """Seconds since the first look was near."""
        return time.monotonic() - self.began

    def ended(self, look: Look) -> list[Seen]:
        """Runs that are over now and were not at the look before; none at the first look."""
        over = (*FINISHED, FAILED, LOST, STALLED)  # stalled: told when it begins, as ends are
        new = [s for s in look.runs if s.state in over and self.before.get(s.id, s.state) != s.state]
        self.before = {seen.id: seen.state for seen in look.runs}
        return new

    def left_s(self, look: Look) -> float | None:
        """Seconds to go at the rate of steps since the first look; None until there is one."""
        made = sum(self.left_at_first.setdefault(seen.id, seen.left) - seen.left for seen in look.runs)
        left, elapsed = sum(seen.left for seen in look.runs), self.elapsed_s()
        return left * elapsed / made if made > 0 and left and elapsed > 5 else None


def asked(looker: Looker, look: Look) -> Look:
    """What of a sweep its newest command asked for: with stage=grid no search, with stage=search its search alone."""
    stage, planned = looker.members.stage, set(looker.members.planned)
    if stage not in ("grid", "search"):
        return look
    return replace(
        look,
        runs=[seen for seen in look.runs if (seen.id in planned) == (stage == "grid")],
        unreadable={run: why for run, why in look.unreadable.items() if (run in planned) == (stage == "grid")},
        trials_left=0 if stage == "grid" else look.trials_left,
    )


def unclaimed(store: Store, ids: list[str]) -> set[str]:
    """Those of the runs that nobody trains outside of the queue, as far as one look and a second one can tell.

    Whether a worker of another machine lives takes minutes to be sure of; its next claimant will be, so here a heart
    that stands still for some beats is enough.
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
