"""The canary: one run of each shape class is tried in small before a sweep spends; see `landscape.runtime.canary`.

What fails here would fail in every run of its shape: those are not started. The first try goes alone, so that a broken
data path costs one. The memory that tries took says how many runs fit at once.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace

from landscape.config.errors import CorruptFile, UserError
from landscape.config.hardware import free_memory
from landscape.config.shapes import shape_of
from landscape.config.text import plural
from landscape.store import PLANNED, QUEUED, Store, SweepFolder
from landscape.store.canary import CanaryResult
from landscape.store.leases import claim_in_force
from sweeps.launchers.devices import Slots
from sweeps.launchers.processes import ProcessStarter
from sweeps.launchers.supervisor import Child, JobAllocation, Supervisor
from sweeps.planning.plan import TRAIN, Plan, Planned, execution

SAME = 3  # first failures of one cause after which nothing more is started
WORTH = 50  # a sweep that is as many times as long as its tries has a canary where none is asked for
EVALUATION = 250  # D steps that count as much as one evaluation

BARRED = "not started, because the canary failed"
OFF, ON = "off", "on"
AUTO = "auto"  # of launcher.jobs and launcher.at_once


class FirstFailures:
    """Whether the first failures of a sweep share one cause, so that the rest would most likely fail as well."""

    def __init__(self) -> None:
        self.faults: list[str | None] = []
        self.passed = False  # whether anything has got further

    def share(self, fault: str | None) -> bool:
        """Add a failure; whether it makes `SAME` of one known cause, with nothing that got further."""
        self.faults.append(fault)
        return not self.passed and fault is not None and self.faults == [fault] * SAME


def tries(plan: Plan, searching: bool = False) -> list[Planned]:
    """The runs to try, one of each shape class that is to be trained; none where that is not wanted, or not worth it.

    `searching`: the plan's searches train runs of all its cells.
    """
    found: dict[str, Planned] = {}
    todo = plan.runs if searching and plan.searches else plan.needing(TRAIN)
    for planned in todo:
        found.setdefault(shape_of(planned.config), planned)
    asked = plan.canary == ON or AUTO in (_jobs(plan.runs[0]), plan.runs[0].config["launcher"].get("at_once"))
    worth = (len(todo) > 1 or searching) and _length(plan, searching) >= WORTH * len(found)
    if plan.canary == OFF or not (asked or worth):
        return []
    return list(found.values())


def _jobs(planned: Planned) -> object:
    return planned.config["launcher"].get("jobs")


def _length(plan: Plan, searching: bool) -> float:
    """What is left to train, counted in evaluations."""

    def of(config: Mapping[str, Mapping[str, object]]) -> float:
        steps, every = config["train"]["steps"], config["metrics"].get("every")
        assert isinstance(steps, int)
        return steps / EVALUATION + (1 + steps // every if isinstance(every, int) else 1)

    runs = sum(of(planned.config) for planned in plan.needing(TRAIN)) if plan.stage != "search" else 0.0
    if not (searching and plan.searches):
        return runs
    whole = sum(search.trials * search.seeds * of(search.base) for search in plan.searches)
    return runs + whole * plan.trials_left / sum(search.trials for search in plan.searches)


class Canary(Supervisor[Planned]):
    """Tries runs, the first alone. `results` holds what became of each shape class."""

    def __init__(
        self,
        plan: Plan,
        runs: Iterable[Planned],
        folder: SweepFolder,
        places: Slots,
        starter: ProcessStarter,
        event: Callable[[str], None],
        allocation: JobAllocation | None = None,
    ) -> None:
        super().__init__(places.count, event, allocation)
        self.plan, self.folder, self.places, self.starter = plan, folder, places, starter
        self.waiting = deque(runs)
        self.tried = len(self.waiting)
        self.results: dict[str, CanaryResult] = {}
        self.failures = FirstFailures()

    def waits(self) -> bool:
        """As of `Supervisor`."""
        return bool(self.waiting)

    def fill(self) -> None:
        """Start tries in free slots."""
        room = self.count if self.results else 1
        while self.waiting and len(self.children) < room:
            planned, slot = self.waiting.popleft(), self.free_slot()
            shape, order = shape_of(planned.config), execution(planned)
            self.folder.canary.mkdir(parents=True, exist_ok=True)
            self.folder.canary_file(shape).unlink(missing_ok=True)
            if self.places.gpus:
                order["device"] = "cuda"  # it sees only its own
            where = ["--store", str(self.plan.store.root), "--run", planned.id, "--execution", json.dumps(order)]
            where += ["--canary", str(self.folder.canary_file(shape))]
            own = self.places.environment(slot, order["threads"])
            self.children.append(Child(self.starter.start(where, own, self.folder.canary_log(shape)), slot, planned))

    def ended(self, child: Child[Planned], code: int) -> None:
        """Read what a try has written; one that wrote nothing was killed."""
        shape = shape_of(child.work.config)
        found = self.folder.canary_of(shape)
        if found is None and child.signals_sent:
            return
        if found is None:
            how = f"killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
            found = CanaryResult(run=child.work.id, fault=how, reason=f"{how}{' (out of memory?)' * (code == -9)}")
        self.results[shape] = found
        self.failures.passed |= found.fault is None
        if found.fault is not None and self.failures.share(found.fault):
            self.waiting.clear()  # the rest would fail, too

    @property
    def failed(self) -> dict[str, CanaryResult]:
        """The shape classes that failed."""
        return {shape: found for shape, found in self.results.items() if found.fault is not None}


def report(canary: Canary, event: Callable[[str], None]) -> dict[str, str]:
    """Say what became of the tries; the ids of the plan's runs that must not be started, each with the reason."""
    failed, plan = canary.failed, canary.plan
    if not failed:
        largest = max((found.memory for found in canary.results.values()), default=0.0)
        event(f"canary: {plural(len(canary.results), 'shape')} tried, all passed; a run takes up to {largest:.0f} MB")
        return {}
    faults = {found.fault for found in failed.values()}
    everything = len(failed) == len(canary.results) and len(faults) == 1
    shapes = {planned.id: shape_of(planned.config) for planned in plan.needing(TRAIN)}
    known = next(iter(failed.values()))
    barred = {
        run: f"{BARRED}: {failed.get(shape, known).reason}"
        for run, shape in shapes.items()
        if everything or shape in failed
    }
    labels = {shape_of(planned.config): planned.label for planned in reversed(plan.runs)}
    event(f"canary: {len(failed)} of {plural(len(canary.results), 'shape')} tried failed before training")
    for fault in sorted(map(str, faults)):
        alike = {shape: found for shape, found in failed.items() if found.fault == fault}
        shape, found = next(iter(alike.items()))
        more = f" and {plural(len(alike) - 1, 'other shape')}" * (len(alike) > 1)
        event(f"  {labels.get(shape, found.run)}{more}: {found.reason} ({fault})")
        event(f"  log: {canary.folder.canary_log(shape)}")
    return barred


def withdraw(store: Store, runs: Mapping[str, str]) -> int:
    """Set those of these runs that are queued and have no worker back to planned, each for its reason; how many."""
    count = 0
    for name, reason in runs.items():
        run = store.run(name)
        with suppress(CorruptFile, OSError):
            status = run.status()
            if status.state == QUEUED and claim_in_force(run) is None:
                run.write_status(replace(status, state=PLANNED, reason=reason), durable=False)
                count += 1
    return count


def fitted(places: Slots, folder: SweepFolder, runs: Iterable[Planned], memory: float | None = None) -> Slots:
    """`places` with as many slots as fit into memory, by the tries of these runs' shapes; unchanged unless it is
    `auto`. `memory`: MB; None: what is free here."""
    if not places.auto:
        return places
    places, shapes = replace(places, auto=False), {shape_of(planned.config) for planned in runs}
    if not shapes:  # runs are only scored
        return places
    found = [one for one in map(folder.canary_of, shapes) if one is not None and one.fault is None]
    if len(found) < len(shapes):
        return replace(places, count=max(1, len(places.gpus) // places.each), why="auto: not every shape was tried")
    limits = [one.fit(memory or free_memory(), len(places.gpus)) for one in found]
    count = min([places.count, *(limit for limit in limits if limit is not None)])
    largest = max(one.gpu_memory or one.memory for one in found)
    return replace(places, count=count, why=f"auto: a run takes up to {largest:.0f} MB")


def check(plan: Plan) -> None:
    """Raise `UserError` for a number of runs that only a canary could tell where there is none."""
    launcher = plan.runs[0].config["launcher"]
    for key in ("jobs", "at_once"):
        if launcher.get(key) == AUTO and plan.canary == OFF:
            raise UserError(f"launcher.{key}=auto needs the canary, which measures memory; canary=off turns it off")
