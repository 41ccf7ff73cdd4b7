"""A sweep's folder: its plan, its searches, and what was handed to a scheduler."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from landscape.store import formats
from landscape.store.atomic_io import (
    beside_of,
    is_ours_alone,
    open_regular,
    parse_json,
    read_bounded,
    read_json,
    read_opened,
)
from landscape.store.formats import (
    Kind,
)
from landscape.store.run_folder import _parsed


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

    def _read(self, file: Path, kind: Kind) -> dict[str, Any]:
        return kind.checked(read_json(file, kind.limit, self.within), file)

    def plan(self) -> dict[str, Any]:
        """The plan's record; raises `CorruptFile`, or `FileNotFoundError`."""
        return self._read(self.plan_file, formats.PLAN)

    def jobs(self) -> dict[str, Any]:
        """The resources of its runs; raises `CorruptFile`, or `FileNotFoundError`."""
        return self._read(self.jobs_file, formats.JOBS)

    def signed_plan(self) -> tuple[dict[str, Any], bool]:
        """As `plan`, and whether no other user can have written it."""
        return self._read_signed(self.plan_file, formats.PLAN)

    def signed_jobs(self) -> tuple[dict[str, Any], bool]:
        """As `jobs`, and whether no other user can have written it."""
        return self._read_signed(self.jobs_file, formats.JOBS)

    def _read_signed(self, file: Path, kind: Kind) -> tuple[dict[str, Any], bool]:
        with open_regular(file, self.within) as f:
            return _parsed(read_opened(f, file, kind.limit), file, kind), is_ours_alone(f, file)

    def controller(self) -> dict[str, Any]:
        """The process that trains it on its own machine; raises `CorruptFile`, or `FileNotFoundError`."""
        return self._read(self.controller_file, formats.PROCESS)

    def search_worker(self, file: Path) -> dict[str, Any]:
        """A process that works on its searches; raises `CorruptFile`, or `FileNotFoundError`."""
        return self._read(file, formats.PROCESS)

    def searches(self) -> dict[str, Any]:
        """Its searches as data; raises `CorruptFile`, or `FileNotFoundError`."""
        return self._read(self.path / "search.json", formats.SEARCH)

    def submitted(self, token: str = "") -> Iterator[dict[str, Any]]:
        """The lines of `submissions.jsonl` that hold `token`; torn ones are passed over. Raises `CorruptFile`."""
        try:
            data = read_bounded(self.submissions_file, formats.SUBMISSION.limit, self.within)
        except FileNotFoundError:
            return
        for number, line in enumerate(data.split(b"\n"), 1):
            if token.encode() not in line:
                continue
            try:
                event = parse_json(line)
            except ValueError:
                continue
            yield formats.SUBMISSION.checked(event, f"{self.submissions_file} line {number}")
