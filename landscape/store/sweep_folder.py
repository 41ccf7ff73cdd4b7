"""A sweep's folder: its plan, its searches, and what was handed to a scheduler."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from landscape.store.atomic_io import (
    beside_of,
    is_ours_alone,
    open_regular,
    parse_json,
    read_bounded,
    read_opened,
)
from landscape.store.jobs import Jobs, Submission, SubmissionEvent
from landscape.store.plan_record import PlanRecord
from landscape.store.process_record import ProcessRecord
from landscape.store.record import R, parsed, read
from landscape.store.searches import Searches


class SweepFolder:
    """A sweep's folder: its plan, and who was asked to train it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.name
        self.plan_file = path / "plan.json"
        self.jobs_file = path / "jobs.json"
        self.submissions_file = path / "submissions.jsonl"
        self.logs = path / "logs"
        self.controller_file = path / "controller.json"

    def job_log(self, job: str, number: int) -> Path:
        """What one task of an array printed."""
        return self.logs / f"{job}_{number}.log"

    def set_aside(self) -> Path:
        """Take the folder from under its name, to be removed; where it is now."""
        gone = beside_of(self.path)
        self.path.rename(gone)
        return gone

    @property
    def within(self) -> tuple[Path, ...]:
        """Where links in the folder may lead, as of a `RunFolder`."""
        return self.path.parent.parent, self.path.parent

    def plan(self) -> PlanRecord:
        """The plan's record; raises `CorruptFile`, or `FileNotFoundError`."""
        return read(PlanRecord, self.plan_file, self.within)

    def jobs(self) -> Jobs:
        """The resources of its runs; raises `CorruptFile`, or `FileNotFoundError`."""
        return read(Jobs, self.jobs_file, self.within)

    def signed_plan(self) -> tuple[PlanRecord, bool]:
        """As `plan`, and whether no other user can have written it."""
        return self._read_signed(PlanRecord, self.plan_file)

    def signed_jobs(self) -> tuple[Jobs, bool]:
        """As `jobs`, and whether no other user can have written it."""
        return self._read_signed(Jobs, self.jobs_file)

    def _read_signed(self, of: type[R], file: Path) -> tuple[R, bool]:
        with open_regular(file, self.within) as f:
            return parsed(of, read_opened(f, file, of.LIMIT), file), is_ours_alone(f, file)

    def controller(self) -> ProcessRecord:
        """The process that trains it on its own machine; raises `CorruptFile`, or `FileNotFoundError`."""
        return self.search_worker(self.controller_file)

    def search_worker(self, file: Path) -> ProcessRecord:
        """A process that works on its searches; raises `CorruptFile`, or `FileNotFoundError`."""
        return read(ProcessRecord, file, self.within)

    def searches(self) -> Searches:
        """Its searches; raises `CorruptFile`, or `FileNotFoundError`."""
        return read(Searches, self.path / "search.json", self.within)

    def submitted(self, token: str = "") -> Iterator[SubmissionEvent]:
        """The lines of `submissions.jsonl` that hold `token`, `Submission`s and what became of them; torn ones are
        passed over. Raises `CorruptFile`."""
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
