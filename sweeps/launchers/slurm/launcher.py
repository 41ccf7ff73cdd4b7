"""The SLURM launcher: submits what a plan lacks as job arrays, and returns.

No process stays alive to watch. The plan says which runs are wanted, the sweep's submissions together with squeue say
which are queued, and each run's folder says how far it is.
"""

from __future__ import annotations

import sys
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from landscape.config.errors import CorruptFile, UserError
from landscape.config.shapes import shape_of
from landscape.config.text import duration, plural
from landscape.store import QUEUED, RunFolder, RunStatus, Store, SweepFolder
from landscape.store.atomic_io import to_json, write_whole
from landscape.store.jobs import JobClass, Jobs, Resources, SearchJobs, Submission, SubmissionEvent
from landscape.store.leases import LeaseMonitor, acquire, claim_in_force
from landscape.store.locks import locked
from sweeps.console import tell
from sweeps.launchers.base import Launcher
from sweeps.launchers.canary import check as check_canary
from sweeps.launchers.canary import tries
from sweeps.launchers.estimate import Estimate
from sweeps.launchers.setup_lines import Source
from sweeps.launchers.slurm.client import CLIENT, Limits, Refused, user
from sweeps.launchers.slurm.messages import Outcome, _with_help, report
from sweeps.launchers.slurm.resources import ResourceRules
from sweeps.launchers.slurm.script import script
from sweeps.launchers.slurm.site_limits import check_fits
from sweeps.launchers.slurm.submissions import QueuedJobs, Submissions, append, in_queue, users
from sweeps.monitor import without_worker
from sweeps.planning.freeze import freeze
from sweeps.planning.plan import NOTHING, Plan, execution
from sweeps.planning.search_spec import trials_left, workers_of
from sweeps.planning.withdraw import SweepFilesBackup
from sweeps.search.objective import record_grid

SEARCH, CANARY = "search", "canary"  # kinds of arrays that do not train the runs of a grid


class SlurmLauncher(Submissions, Launcher):
    """Submits runs to SLURM. The grid's runs and the workers of its searches do not wait for each other."""

    attached = False

    def check(self, plan: Plan) -> None:
        """Raise `UserError` for invalid resources, and for a search storage that machines cannot share."""
        check_canary(plan)
        by_class(plan, {run.id for run in plan.runs})
        if plan.searches and plan.stage in ("all", "search") and plan.storage == "sqlite":
            raise UserError(
                "search.storage=sqlite cannot be shared safely between machines; with launcher=slurm use "
                "search.storage=journal, or the URL of a database"
            )

    def shell_lines(self) -> list[str]:
        """The setup lines and extra sbatch options of all jobs."""
        return ResourceRules(self.keys).shell_lines

    def describe(self, plan: Plan) -> list[str]:
        """The jobs that would be submitted, one line per class of resources, and those of the searches."""
        grid = plan.stage != "search"
        wanted = by_class(plan, {run.id for run in plan.runs if grid and run.need != NOTHING})
        lines = []
        for resources, runs in ((one.resources, one.runs) for one in wanted):
            jobs = -(-len(runs) // resources.runs_per_job)
            lines.append(f"{plural(len(runs), 'run')} in {plural(jobs, 'job')} of {resources.describe()}")
        if len(wanted) > 1:
            lines.insert(0, f"{len(wanted)} classes of resources, each in arrays of its own")
        left = plan.trials_left if plan.stage in ("all", "search") else 0
        if left:
            search = workers(plan)
            jobs, each = min(search.workers, left), search.resources
            lines.append(
                f"{plural(left, 'trial')} in {plural(jobs, 'job')} of {each.describe()}, one after another in each"
            )
        return lines

    def launch(self, plan: Plan, grid: bool = True, searching: bool = False) -> int:
        """Submit the plan and return, without waiting for the runs."""
        store = plan.store
        wanted = by_class(plan, {run.id for run in plan.runs if run.need != NOTHING} if grid else set())
        search = workers(plan) if searching else None
        site = CLIENT.limits()  # before anything is written
        check_fits([one.resources for one in wanted] + ([] if search is None else [search.resources]))
        store.check_writable()
        with locked(store.submit_lock(), lambda: tell("another command is submitting from this store; waiting for it")):
            queued = in_queue(store, CLIENT.queue(users(store)))
            folder = store.sweep(plan.name)
            before = SweepFilesBackup(store, folder)
            created = freeze(plan)
            everything = by_class(plan, {run.id for run in plan.runs})
            launcher = plan.runs[0].config["launcher"]
            record = Jobs(
                execution=execution(plan.runs[0]),
                max_submit=launcher["max_submit"],
                classes=tuple(everything),
                search=search,
                canary=tuple(by_class(plan, {run.id for run in tries(plan, searching)}, one_run_per_job=True)),
            )
            if plan.searches:
                record_grid(plan)
            write_whole(folder.jobs_file, to_json(record.to_json()), alone=True)
            done = submit(store, folder, wanted, record, site, queued)
            if searching:
                submit_search(store, folder, record, site, queued, done)
            if done.refused and not (done.submitted or done.search):
                before.restore(created)
        return report(store, folder, done)

    def resubmit(self, store: Store, folder: SweepFolder, wanted: set[str], accepted: bool) -> int:
        """Submit these runs with the resources of the sweep's newest submission."""
        try:
            record, ours = folder.signed_jobs()
        except FileNotFoundError as e:
            raise UserError(f"sweep {folder.name} was never launched with launcher=slurm") from e
        classes = [JobClass(one.resources, [run for run in one.runs if run in wanted]) for one in record.classes]
        resources = [one.resources for one in classes]
        if record.search is not None:
            resources.append(record.search.resources)
        Source(folder.jobs_file, ours, accepted).check(text for one in resources for text in one.shell_lines)
        site = CLIENT.limits()
        check_fits(one.resources for one in classes if one.runs)
        with locked(store.submit_lock(), lambda: tell("another command is submitting from this store; waiting for it")):
            queued = in_queue(store, CLIENT.queue(users(store)))
            done = submit(store, folder, classes, record, site, queued)
            if record.search is not None and folder.plan().stage != "grid":
                submit_search(store, folder, record, site, queued, done)
        return report(store, folder, done)

    def processor(self, config: dict[str, Any]) -> tuple[str, str | None]:
        """As of `Launcher`; the model is not known."""
        return "GPU" if config["device"] != "cpu" and ResourceRules(self.keys).of(config).gpus > 0 else "CPU", None

    def wall_clock(self, plan: Plan, made: Estimate) -> str:
        """In words. The grid's jobs and those of its searches run at the same time; a job may train several runs of the
        grid at once, a search worker trains one trial after another."""
        parallel = self.keys["parallel"]
        jobs = max(1, min(workers_of(plan.searches, parallel), made.trials))
        seconds = max(made.longest_s, made.trials_s / jobs)
        if not parallel:
            return f"{duration(seconds)} if all jobs run at once"
        at_once = self.keys["at_once"]
        n = parallel * (at_once if isinstance(at_once, int) else 1)
        seconds = max(seconds, (made.train_s + made.eval_s - made.trials_s) / n)
        if not made.trials:
            many = str(n)
        else:
            trials = plural(jobs, "trial")
            many = trials if plan.stage == "search" else f"{plural(n, 'run')} and {trials}"
        return f"about {duration(seconds)} with {many} at once"


def by_class(plan: Plan, ids: set[str], one_run_per_job: bool = False) -> list[JobClass]:
    """The runs with these ids, grouped by their resources; with `one_run_per_job` as search workers train them."""
    classes = ResourceRules(plan.runs[0].config["launcher"], one_run_per_job)
    found: dict[Resources, list[str]] = {}
    for planned in plan.runs:
        if planned.id in ids:
            found.setdefault(classes.of(planned.config), []).append(planned.id)
    return [JobClass(resources, runs) for resources, runs in found.items()]


def submit(
    store: Store,
    folder: SweepFolder,
    wanted: list[JobClass],
    record: Jobs,
    site: Limits,
    queued: QueuedJobs,
) -> Outcome:
    """Submit those of the wanted runs that are neither queued nor trained; the caller holds the submit lock."""
    done = Outcome()
    free = without_worker(store, [run for one in wanted for run in one.runs if run not in queued.runs])
    done.already = sum(run in queued.runs for one in wanted for run in one.runs)
    done.alive = sum(len(one.runs) for one in wanted) - done.already - len(free)
    room = min(n for n in (record.max_submit, site.submit, site.jobs, sys.maxsize) if n is not None) - queued.tasks
    for resources, runs in ((one.resources, one.runs) for one in wanted):
        tasks = list(chunks([run for run in runs if run in free], resources.runs_per_job))
        size = site.array
        while tasks and not done.refused:
            size = min(size, site.array, len(tasks), room)
            if size < 1:
                done.full = done.full or f"{queued.tasks + sum(len(s.tasks) for s in done.submitted)} jobs are queued"
                break
            try:
                after = gate(store, folder, record, queued, done)
                done.submitted.append(
                    _submit_array(store, folder, tasks[:size], resources, record.execution, after=after)
                )
            except Refused as e:
                if e.full and size > 1:  # an unknown limit: try fewer
                    size //= 2
                    continue
                done.full, done.refused = (str(e), "") if e.full else ("", _with_help(str(e), resources))
                room = 0
                break
            room -= size
            del tasks[:size]
        done.left += sum(len(task) for task in tasks)
    return done


def gate(store: Store, folder: SweepFolder, record: Jobs, queued: QueuedJobs, done: Outcome) -> tuple[str, ...]:
    """The canaries that the sweep's next jobs wait for: those that are queued already, else new ones, a job a class of
    resources, for the shapes that have not passed in this sweep yet."""
    if done.after is None:
        found = [str(one.job) for one in queued.submissions if one.canary and one.sweep == folder.name]
        for resources, runs in ((one.resources, one.runs) for one in record.canary if not found or done.canary):
            left = [run for run in runs if not _has_passed(folder, store.run(run))]
            if left:
                one = _submit_array(store, folder, [left], resources, record.execution, kind=CANARY)
                done.canary.append(one)
                found.append(str(one.job))
        done.after = tuple(found)
    return done.after


def _has_passed(folder: SweepFolder, run: RunFolder) -> bool:
    result = folder.canary_of(shape_of(run.config()))
    return result is not None and result.fault is None


def workers(plan: Plan) -> SearchJobs:
    """The number of jobs for a plan's searches, and their resources: each has one worker, which trains one run."""
    classes = by_class(plan, {run.id for run in plan.runs}, one_run_per_job=True)
    if len(classes) > 1:
        raise UserError(
            "launcher.classes gives the cells of this search different resources, but each worker trains runs of all "
            "cells; search each class in a command of its own, or use stage=grid"
        )
    resources = classes[0].resources
    return SearchJobs(resources, workers_of(plan.searches, resources.parallel))


def submit_search(
    store: Store,
    folder: SweepFolder,
    record: Jobs,
    site: Limits,
    queued: QueuedJobs,
    done: Outcome,
) -> None:
    """Submit search workers if trials are left and none are queued; the caller holds the submit lock."""
    left = trials_left(store, folder.name)
    if record.search is None or not left or done.refused:
        return
    if any(one.search and one.sweep == folder.name for one in queued.submissions):
        done.searching = True
        return
    taken = queued.tasks + sum(len(one.tasks) for one in done.submitted)
    room = min(n for n in (record.max_submit, site.submit, site.jobs, sys.maxsize) if n is not None) - taken
    size = min(left, record.search.workers, site.array, room)
    if size < 1 or done.full:
        done.full, done.trials = done.full or f"{taken} jobs are queued", left
        return
    resources = record.search.resources
    while size and done.search is None:
        try:
            after = gate(store, folder, record, queued, done)
            done.search = _submit_array(
                store, folder, [[]] * size, resources, record.execution, after=after, kind=SEARCH
            )
        except Refused as e:
            if not e.full:
                done.refused = _with_help(str(e), resources)
                return
            done.full = str(e)  # an unknown limit: try fewer
            size //= 2
    if done.search is None:
        done.trials = left


def chunks(runs: list[str], size: int) -> Iterator[list[str]]:
    """Chunks of `size` runs."""
    for start in range(0, len(runs), size):
        yield runs[start : start + size]


def _submit_array(
    store: Store,
    folder: SweepFolder,
    tasks: list[list[str]],
    resources: Resources,
    how: Mapping[str, Any],
    after: tuple[str, ...] = (),
    kind: str = "",
) -> Submission:
    token = f"gan-landscape.{uuid.uuid4().hex[:16]}"
    submission = Submission(
        token=token,
        user=user(),
        made=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        resources=resources,
        execution=how,
        tasks=tasks,
        search=kind == SEARCH,
        canary=kind == CANARY,
        gated=bool(after),
        sweep=folder.name,
    )
    text = script(store, folder, token, len(tasks), resources, after)
    append(folder, submission)
    before = {} if kind == CANARY else mark_queued(store, [run for task in tasks for run in task])
    try:
        job = CLIENT.submit(text)
    except Refused as e:
        append(folder, SubmissionEvent(token=token, refused=str(e)))
        for run, status in before.items():
            _unmark(store.run(run), status)
        raise
    append(folder, SubmissionEvent(token=token, job=job))
    return replace(submission, job=job)


def mark_queued(store: Store, runs: Iterable[str]) -> dict[str, RunStatus]:
    """Set the status of runs without a worker to "queued"; returns their earlier statuses. Dead claims are removed."""
    before = {}
    for one in runs:
        run = store.run(one)
        with suppress(CorruptFile, OSError):
            status = run.status()
            if status.finished:  # it is only scored
                continue
            claim = None
            if claim_in_force(run) is not None:
                claim = acquire(run, LeaseMonitor())
                if claim is None:
                    continue
            before[one] = status
            run.write_status(replace(status, state=QUEUED, reason=None, errno=None, fault=None), durable=False)
            if claim is not None:
                claim.release()
    return before


def _unmark(run: RunFolder, status: RunStatus) -> None:
    with suppress(CorruptFile, OSError):
        if run.status().state == QUEUED and claim_in_force(run) is None:
            run.write_status(status, durable=False)
