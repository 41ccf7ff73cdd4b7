"""The folder of a sweep: plan, searches, and submitted jobs."""

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
    """The folder of a sweep."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.name
        self.plan_file = path / "plan.json"
        self.jobs_file = path / "jobs.json"
        self.submissions_file = path / "submissions.jsonl"
        self.logs = path / "logs"
        self.controller_file = path / "controller.json"

    def job_log(self, job: str, number: int) -> Path:
        """Output of one task of a job array."""
        return self.logs / f"{job}_{number}.log"

    def set_aside(self) -> Path:
        """Rename the folder, to remove it. Returns its new path."""
        gone = beside_of(self.path)
        self.path.rename(gone)
        return gone

    @property
    def within(self) -> tuple[Path, ...]:
        """Folders that links may lead to, as in `RunFolder`."""
        return self.path.parent.parent, self.path.parent

    def _read(self, file: Path, kind: Kind) -> dict[str, Any]:
        return kind.checked(read_json(file, kind.limit, self.within), file)

    def plan(self) -> dict[str, Any]:
        """The plan. Raises `CorruptFile` or `FileNotFoundError`."""
        return self._read(self.plan_file, formats.PLAN)

    def jobs(self) -> dict[str, Any]:
        """The resources of the runs. Raises `CorruptFile` or `FileNotFoundError`."""
        return self._read(self.jobs_file, formats.JOBS)

    def signed_plan(self) -> tuple[dict[str, Any], bool]:
        """As `plan`, and whether only this user can have written it."""
        return self._read_signed(self.plan_file, formats.PLAN)

    def signed_jobs(self) -> tuple[dict[str, Any], bool]:
        """As `jobs`, and whether only this user can have written it."""
        return self._read_signed(self.jobs_file, formats.JOBS)

    def _read_signed(self, file: Path, kind: Kind) -> tuple[dict[str, Any], bool]:
        with open_regular(file, self.within) as f:
            return _parsed(read_opened(f, file, kind.limit), file, kind), is_ours_alone(f, file)

    def controller(self) -> dict[str, Any]:
        """The process that trains the sweep on its machine. Raises `CorruptFile` or `FileNotFoundError`."""
        return self._read(self.controller_file, formats.PROCESS)

    def search_worker(self, file: Path) -> dict[str, Any]:
        """A process that works on the searches. Raises `CorruptFile` or `FileNotFoundError`."""
        return self._read(file, formats.PROCESS)

    def searches(self) -> dict[str, Any]:
        """The searches. Raises `CorruptFile` or `FileNotFoundError`."""
        return self._read(self.path / "search.json", formats.SEARCH)

    def submitted(self, token: str = "") -> Iterator[dict[str, Any]]:
        """The lines of `submissions.jsonl` that contain `token`. Incomplete lines are skipped. Raises `CorruptFile`."""
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
