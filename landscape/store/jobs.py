"""`jobs.json` and `submissions.jsonl`: the resources of a sweep's jobs, and its submissions to a scheduler."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from landscape.config.text import plural
from landscape.store.formats import EXECUTION, count, flag, ident, line, listed, positive, score, text
from landscape.store.record import Record, holds, one_record, records


@dataclass(frozen=True, kw_only=True)
class Resources(Record):
    """The resources of one job. Runs with equal resources are submitted in the same arrays."""

    partition: str | None = field(default=None, metadata=holds(line, always=True))
    account: str | None = field(default=None, metadata=holds(line, always=True))
    qos: str | None = field(default=None, metadata=holds(line, always=True))
    time: int = field(metadata=holds(positive))  # minutes
    memory: float | None = field(default=None, metadata=holds(score, always=True))  # GB
    cores: int = field(metadata=holds(positive))
    gpus: int = field(metadata=holds(count))
    constraint: str | None = field(default=None, metadata=holds(line, always=True))
    setup: tuple[str, ...] = field(default=(), metadata=holds(listed(text), None, tuple, list, always=True))
    extra: tuple[str, ...] = field(default=(), metadata=holds(listed(line), None, tuple, list, always=True))
    runs_per_job: int = field(metadata=holds(positive))
    at_once: int = field(metadata=holds(positive))
    auto: bool = field(default=False, metadata=holds(flag))  # memory decides how many run at once, up to `at_once`
    parallel: int | None = field(default=None, metadata=holds(positive, always=True))
    signal_s: int = field(metadata=holds(count))

    @property
    def shell_lines(self) -> list[str]:
        """What of it acts with the user's rights: `setup` in a shell, `extra` as any option of sbatch."""
        return [*self.setup, *self.extra]

    @property
    def notice_s(self) -> int:
        """Seconds before its end at which a job is signalled: `signal_s`, but at most half of the job."""
        return min(self.signal_s, self.time * 30)

    def describe(self) -> str:
        """The resources in words."""
        parts = [] if self.partition is None else [f"partition {self.partition}"]
        parts += [plural(self.cores, "core")] + [plural(self.gpus, "GPU")] * (self.gpus > 0)
        if self.memory is not None:
            parts.append(f"{self.memory:g} GB" if self.memory >= 1 else f"{self.memory * 1024:.0f} MB")
        parts.append(f"{self.time // 60}:{self.time % 60:02d} h")
        if self.runs_per_job > 1:
            up_to = "up to " * self.auto
            parts.append(f"{self.runs_per_job} runs per job, {up_to}{self.at_once} at once")
        return ", ".join(parts)


@dataclass(frozen=True)
class JobClass(Record):
    """Runs with equal resources, in the order of the plan."""

    resources: Resources = field(metadata=one_record(Resources))
    runs: Sequence[str] = field(metadata=holds(listed(ident)))


@dataclass(frozen=True)
class SearchJobs(Record):
    """The number of jobs for a sweep's searches, and their resources."""

    resources: Resources = field(metadata=one_record(Resources))
    workers: int = field(metadata=holds(count))


@dataclass(frozen=True, kw_only=True)
class Jobs(Record):
    """The resources of each run of a sweep, and of its searches."""

    LIMIT: ClassVar[int] = 256 << 20

    execution: Mapping[str, Any] = field(metadata=holds(EXECUTION))
    max_submit: int | None = field(default=None, metadata=holds(count, always=True))
    classes: tuple[JobClass, ...] = field(metadata=records(JobClass))
    search: SearchJobs | None = field(default=None, metadata=one_record(SearchJobs))
    canary: tuple[JobClass, ...] = field(default=(), metadata=records(JobClass))  # runs to try before all others


@dataclass(frozen=True, kw_only=True)
class SubmissionEvent(Record):
    """An outcome of a submission: the id of its job, a refusal, or its cancellation by a command."""

    LIMIT: ClassVar[int] = 256 << 20

    token: str = field(metadata=holds(text))
    # None: refused, or the submitting process died before it was written.
    job: str | None = field(default=None, metadata=holds(text))
    refused: str | None = field(default=None, metadata=holds(text))
    cancelled: bool = field(default=False, metadata=holds(flag))


@dataclass(frozen=True, kw_only=True)
class Submission(SubmissionEvent):
    """One job array as submitted, with the later events of its token."""

    user: str = field(metadata=holds(text))
    made: str = field(metadata=holds(text))
    resources: Resources = field(metadata=one_record(Resources))
    execution: Mapping[str, Any] = field(metadata=holds(EXECUTION))
    tasks: Sequence[Sequence[str]] = field(metadata=holds(listed(listed(ident))))  # the ids of each task's runs
    # Its tasks are search workers, without runs of their own.
    search: bool = field(default=False, metadata=holds(flag, always=True))
    canary: bool = field(default=False, metadata=holds(flag))  # its runs are only tried
    gated: bool = field(default=False, metadata=holds(flag))  # it starts once a canary has passed
    sweep: str = ""  # in whose file it is
