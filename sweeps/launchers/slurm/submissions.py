"""The job arrays of a sweep: `submissions.jsonl`, an append-only log.

A line with "tasks" says which runs each task of an array trains. It is written before the array is submitted, with a
token that the array carries as its comment, so that no run is submitted twice even if the submitting process dies
halfway. Later lines with the same token add the job id, a refusal or a cancellation.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path

from landscape.config.errors import CorruptFile, UserError
from landscape.config.text import plural
from landscape.store import Store, SweepFolder
from landscape.store.jobs import Submission, SubmissionEvent
from landscape.store.locks import locked
from sweeps.console import tell
from sweeps.launchers.slurm.client import CLIENT
from sweeps.monitor import Scheduler, SchedulerView, Task


def append(folder: SweepFolder, event: SubmissionEvent) -> None:
    """Append a line durably; a last line that was cut by a crash is ended first."""
    with open(folder.submissions_file, "a+b") as f:
        f.seek(0, os.SEEK_END)
        if f.tell():
            f.seek(-1, os.SEEK_END)
            if f.read(1) != b"\n":
                f.write(b"\n")
        f.write(json.dumps(event.to_json()).encode() + b"\n")
        f.flush()
        os.fsync(f.fileno())


def submissions(folder: SweepFolder) -> list[Submission]:
    """The submissions of a sweep, oldest first; none if there is no file. Incomplete lines are skipped."""
    return list(_read(folder, "").values())


def submission(folder: SweepFolder, token: str) -> Submission | None:
    """The submission with this token, or None."""
    return _read(folder, token).get(token)


def _read(folder: SweepFolder, token: str) -> dict[str, Submission]:
    found: dict[str, Submission] = {}
    for event in folder.submitted(token):
        before = found.get(event.token)
        if isinstance(event, Submission):
            found[event.token] = event
        elif before is not None:
            found[event.token] = replace(
                before,
                job=event.job or before.job,
                refused=event.refused or before.refused,
                cancelled=event.cancelled or before.cancelled,
            )
    return found


class Submissions(Scheduler):
    """SLURM's queue, as far as it concerns a store."""

    @classmethod
    def snapshot(cls, store: Store, found: SchedulerView) -> None:
        """As of `Scheduler`, by one squeue."""
        folders = [folder for folder in store.sweep_folders() if folder.submissions_file.exists()]
        if not folders:
            return
        try:
            arrays = [one for folder in folders for one in submissions(folder) if one.job is not None]
            found.submitted |= {run for one in arrays if not one.canary for task in one.tasks for run in task}
            queued = in_queue(store, CLIENT.queue(users(store)))
            found.runs |= queued.runs
            for one in queued.submissions:
                if one.token not in queued.stuck:
                    found.sweeps.add(one.sweep)
                elif one.search:
                    found.stuck.setdefault(one.sweep, []).append(queued.stuck[one.token])
        except (UserError, CorruptFile) as e:
            found.error = str(e).removesuffix("; nothing was changed")

    @classmethod
    def cancel(cls, store: Store, folder: SweepFolder) -> int:
        """As of `Scheduler`. The cancellation is recorded first, so that no job requeues itself at the signal."""
        if not submissions(folder):
            return 0
        with locked(store.submit_lock()):
            live = [one for one in in_queue(store, CLIENT.queue(users(store))).submissions if one.sweep == folder.name]
            for one in live:
                append(folder, SubmissionEvent(token=one.token, cancelled=True))
            CLIENT.cancel([str(one.job) for one in live])
        if live:
            tell(f"cancelled {plural(len(live), 'array')}: job {', '.join(str(one.job) for one in live)}")
        return len(live)

    @classmethod
    def logs(cls, store: Store, run_id: str) -> list[tuple[str, Path]]:
        """As of `Scheduler`."""
        found = []
        for folder in store.sweep_folders():
            for one in submissions(folder) if folder.submissions_file.exists() else ():
                numbers = [n for n, task in enumerate(one.tasks) if run_id in task] if one.job is not None else []
                found += [(one.made, folder.job_log(str(one.job), n)) for n in numbers]
        return found


@dataclass
class QueuedJobs:
    """The jobs of a store that are still in the queue."""

    tasks: int  # all tasks of the users, of any program
    runs: dict[str, Task]  # id -> the task that has it
    submissions: list[Submission]  # those with a task in the queue
    stuck: dict[str, Task]  # token of a submission of which no task can start -> one of its tasks


def in_queue(store: Store, tasks: list[Task]) -> QueuedJobs:
    """Match the scheduler's tasks with the submissions of all sweeps of a store, as sweeps share runs."""
    by_job: dict[str, list[Task]] = {}
    by_token: dict[str, list[Task]] = {}
    for task in tasks:
        by_job.setdefault(task.job, []).append(task)
        by_token.setdefault(task.token, []).append(task)
    runs: dict[str, Task] = {}
    live, stuck = [], {}
    for folder in store.sweep_folders():
        for one in submissions(folder):
            # By its token if its job id was never written.
            present = by_token.get(one.token, []) if one.job is None else by_job.get(one.job, [])
            # A reinstalled cluster counts job ids from 1 again; some sites strip comments.
            present = [t for t in present if t.number < len(one.tasks) and t.token in (one.token, "(null)", "")]
            if present:
                live.append(replace(one, job=present[0].job))
                if all(task.stuck for task in present):
                    stuck[one.token] = present[0]
            if one.canary:
                continue
            for task in sorted(present, key=lambda task: not task.stuck):  # a task that can start wins
                runs |= dict.fromkeys(one.tasks[task.number], task)
    return QueuedJobs(len(tasks), runs, live, stuck)


def users(store: Store) -> set[str]:
    """All users who ever submitted runs of this store."""
    return {one.user for folder in store.sweep_folders() for one in submissions(folder)}
