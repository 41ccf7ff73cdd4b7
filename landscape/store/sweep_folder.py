"""The folder of a sweep: plan, searches, and submitted jobs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from landscape.config.errors import CorruptFile
from landscape.store.atomic_io import (
    beside_of,
    is_ours_alone,
    open_regular,
    parse_json,
    read_bounded,
    read_opened,
)
from landscape.store.canary import CanaryResult
from landscape.store.jobs import Jobs, Submission, SubmissionEvent
from landscape.store.plan_record import PlanRecord
from landscape.store.process_record import ProcessRecord
from landscape.store.races import Race
from landscape.store.record import R, parsed, read
from landscape.store.searches import SweepSearches


class SweepFolder:
    """The folder of a sweep."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.name
        self.plan_file = path / "plan.json"
        self.jobs_file = path / "jobs.json"
        self.submissions_file = path / "submissions.jsonl"
        self.logs = path / "logs"
        self.controller_file = path / "controller.json"
        self.race_file = path / "race.json"
        self.canary = path / "canary"
        self.race_lock = path / ".race.lock"

    def job_log(self, job: str, number: int) -> Path:
        """Output of one task of a job array."""
        return self.logs / f"{job}_{number}.log"

    def canary_file(self, shape: str) -> Path:
        """Result of trying a run of this shape class. Its log stands beside it."""
        return self.canary / f"{shape}.json"

    def canary_log(self, shape: str) -> Path:
        """What such a try has printed."""
        return self.canary / f"{shape}.log"

    def canary_of(self, shape: str) -> CanaryResult | None:
        """The newest result of this shape class; None if there is none that can be read."""
        try:
            return read(CanaryResult, self.canary_file(shape), self.within)
        except (FileNotFoundError, CorruptFile):
            return None

    def set_aside(self) -> Path:
        """Rename the folder, to remove it. Returns its new path."""
        gone = beside_of(self.path)
        self.path.rename(gone)
        return gone

    @property
    def within(self) -> tuple[Path, ...]:
        """Folders that links may lead to, as in `RunFolder`."""
        return self.path.parent.parent, self.path.parent

    def plan(self) -> PlanRecord:
        """The plan. Raises `CorruptFile` or `FileNotFoundError`."""
        return read(PlanRecord, self.plan_file, self.within)

    def jobs(self) -> Jobs:
        """The resources of the runs. Raises `CorruptFile` or `FileNotFoundError`."""
        return read(Jobs, self.jobs_file, self.within)

    def signed_plan(self) -> tuple[PlanRecord, bool]:
        """As `plan`, and whether only this user can have written it."""
        return self._read_signed(PlanRecord, self.plan_file)

    def signed_jobs(self) -> tuple[Jobs, bool]:
        """As `jobs`, and whether only this user can have written it."""
        return self._read_signed(Jobs, self.jobs_file)

    def _read_signed(self, of: type[R], file: Path) -> tuple[R, bool]:
        with open_regular(file, self.within) as f:
            return parsed(of, read_opened(f, file, of.LIMIT), file), is_ours_alone(f, file)

    def controller(self) -> ProcessRecord:
        """The process that trains the sweep on its machine. Raises `CorruptFile` or `FileNotFoundError`."""
        return self.search_worker(self.controller_file)

    def search_worker(self, file: Path) -> ProcessRecord:
        """A process that works on the searches. Raises `CorruptFile` or `FileNotFoundError`."""
        return read(ProcessRecord, file, self.within)

    def searches(self) -> SweepSearches:
        """The searches. Raises `CorruptFile` or `FileNotFoundError`."""
        return read(SweepSearches, self.path / "search.json", self.within)

    def race(self) -> Race:
        """The race that the sweep is. Raises `CorruptFile` or `FileNotFoundError`."""
        found = read(Race, self.race_file, self.within)
        if what := found.stranger():
            raise CorruptFile(f"{self.race_file} has {what} of a cell that it lacks; move it away")
        return found

    def submitted(self, token: str = "") -> Iterator[SubmissionEvent]:
        """The lines of `submissions.jsonl` that contain `token`: each `Submission`, and what became of it. Incomplete
        lines are skipped. Raises `CorruptFile`."""
        try:
            data = read_bounded(self.submissions_file, Submission.LIMIT, self.within)
        except FileNotFoundError:
            return
        for number, line in enumerate(data.split(b"\n"), 1):
            if token.encode() not in line:
                continue
            try:
                event = parse_json(line)
            except ValueError:
                continue
            where = f"{self.submissions_file} line {number}"
            if isinstance(event, dict) and "tasks" in event:
                yield replace(Submission.from_json(event, where), sweep=self.name)
            else:
                yield SubmissionEvent.from_json(event, where)
