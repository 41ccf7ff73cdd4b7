"""The process of a SLURM job: trains the runs of its array task, or works on searches; then ends or requeues the job.

    python -m sweeps.launchers.slurm.job --store S --sweep NAME --submission TOKEN

The sweep's submissions say which runs, on what device and with how many threads.

USR2 means that the job's time is nearly over: workers save and the job requeues itself, unless no run advanced a step
in the whole job. TERM means that the scheduler ends the job and decides whether to requeue it; but in the grace time of
a preemption the job still counts as running and would be taken for finished, so it requeues itself. Checkpoints are
written at time intervals, so a job that gets no signal (a dead node, kill -9) loses little.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from landscape.config.cli import Parser
from landscape.config.errors import ExitCode, UserError
from landscape.config.shapes import shape_of
from landscape.config.text import plural
from landscape.store import FAILED, Store, SweepFolder
from landscape.store.jobs import Resources, Submission
from sweeps.console import tell
from sweeps.errors import run_command
from sweeps.launchers.canary import BARRED, OFF, ON, Canary, fitted, report, withdraw
from sweeps.launchers.devices import slots
from sweeps.launchers.local_pool import READ_ERRORS, run_pool
from sweeps.launchers.local_search import Workers, search_worker_command
from sweeps.launchers.processes import starter
from sweeps.launchers.progress import Lines
from sweeps.launchers.slurm.client import CLIENT
from sweeps.launchers.slurm.submissions import submission, submissions
from sweeps.launchers.supervisor import Child, JobAllocation
from sweeps.planning.needs import is_met, need
from sweeps.planning.plan import NOTHING, Plan, Planned
from sweeps.planning.reload import stored_run
from sweeps.planning.search_spec import trials_left
from sweeps.planning.sweep_runs import SweepRuns


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit code of the job."""

    def work() -> int:
        parser = Parser("python -m sweeps.launchers.slurm.job", __doc__ or "")
        for name in ("--store", "--sweep", "--submission"):
            parser.add_argument(name, required=True)
        arguments = parser.parse(sys.argv[1:] if argv is None else argv)
        store = Store(arguments.store)
        given = submission(store.sweep(arguments.sweep), arguments.submission)
        index = int(os.environ.get("SLURM_ARRAY_TASK_ID", "-1"))
        if given is None or not 0 <= index < len(given.tasks):
            raise UserError(f"sweep {arguments.sweep} has no task {index} of submission {arguments.submission}")
        if given.search:
            return search(store, given)
        if given.canary:
            return canary(store, given, given.tasks[index])
        return train(store, given, given.tasks[index])

    return run_command(work, disk=ExitCode.UNFINISHED)


def train(store: Store, given: Submission, ids: Sequence[str]) -> int:
    """Train these runs, several at once if the job allows; returns the exit code. May requeue the job."""
    plan, unreadable = _plan(store, given, ids)
    resources, how = given.resources, given.execution
    widest = max(run.config["train"]["world_size"] for run in plan.runs)
    places, folder = slots(resources.at_once, how["threads"], how["device"], widest), store.sweep(given.sweep)
    if resources.auto:
        memory = None if resources.memory is None else resources.memory * 1024
        places = fitted(replace(places, auto=True), folder, plan.runs, memory)
    job = _begin(f"{plural(len(plan.runs), 'run')}, {places.count} at once")
    if given.gated:
        plan.canary = ON
        for planned in [run for run in plan.runs if _barred(folder, run)]:
            tell(f"{planned.label}: {BARRED} for its shape")
            planned.need = NOTHING
    allocation = JobAllocation(patience_s(resources))
    before, start = _progress(plan), time.monotonic()
    run_pool(plan, places, Lines(plan), allocation)
    unmet = [run for run in plan.runs if not is_met(plan, run)]
    left = [run for run in unmet if run not in allocation.elsewhere]
    failed = [run for run in left if _state(plan, run) == FAILED]
    if allocation.signals and len(left) > len(failed):
        no_progress = _progress(plan) <= before and time.monotonic() - start > 0.8 * (
            resources.time * 60 - resources.notice_s
        )
        return _requeue_or_stop(store, given, job, allocation.signals, no_progress)
    tell(f"{len(plan.runs) - len(unmet)} of {plural(len(plan.runs), 'run')} finished, {len(failed)} failed")
    return ExitCode.UNFINISHED if left or unreadable else 0


def _barred(folder: SweepFolder, planned: Planned) -> bool:
    found = folder.canary_of(shape_of(planned.config))
    return found is not None and found.fault is not None


def canary(store: Store, given: Submission, ids: Sequence[str]) -> int:
    """Try these runs in small; fails, and with it all jobs that wait for this one, if none of them passes."""
    plan, _ = _plan(store, given, ids)
    how, folder = given.execution, store.sweep(given.sweep)
    _begin(f"a canary of {plural(len(ids), 'shape')}")
    places = slots(1, how["threads"], how["device"])
    allocation = JobAllocation(patience_s(given.resources))
    with starter(store.root, False, tell) as workers:
        tried = Canary(plan, plan.runs, folder, places, workers, tell, allocation)
        tried.supervise()
    if allocation.signals:
        return ExitCode.PREEMPTED
    report(tried, tell)
    if len(tried.failed) < len(tried.results):
        return ExitCode.DONE
    reason = next(iter(tried.failed.values())).reason
    waiting = {run for one in submissions(folder) for task in one.tasks for run in task if not one.canary}
    left = withdraw(store, dict.fromkeys(waiting, f"{BARRED}: {reason}"))
    tell(f"{plural(left, 'run')} not started: once the cause is mended, python -m sweeps submit {given.sweep}")
    return ExitCode.UNFINISHED


def search(store: Store, given: Submission) -> int:
    """Work on the sweep's searches in this job until no trial is left or its time is over; returns the exit code.

    A worker that is asked to save releases its trial, so that another can continue it. One that does not save in time
    is killed by the scheduler, and its trial taken over by the next worker that finds it dead.
    """
    job = _begin("a worker of the sweep's searches")
    resources, how = given.resources, given.execution
    before, start = _trial_steps(store, given.sweep), time.monotonic()
    allocation = JobAllocation(patience_s(resources))
    own = {key: str(how["threads"]) for key in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}

    def begin(slot: int) -> Child[Path | None]:
        command = search_worker_command(store, given.sweep, how)
        return Child(subprocess.Popen(command, env={**os.environ, **own}, start_new_session=True), slot, None)

    workers = Workers(begin, 1, allocation)
    workers.supervise()
    signals = allocation.signals
    if signals and trials_left(store, given.sweep):
        late = time.monotonic() - start > 0.8 * (resources.time * 60 - resources.notice_s)
        return _requeue_or_stop(store, given, job, signals, late and _trial_steps(store, given.sweep) <= before)
    return ExitCode.UNFINISHED if any(workers.codes) else 0


def patience_s(resources: Resources) -> float:
    """Seconds that workers have to save after a signal, less the time that the job needs to requeue itself."""
    return max(resources.notice_s - 30.0, resources.notice_s / 2)


def _begin(what: str) -> str:
    """Log what the job is about to do; returns its id for the scheduler, as in "7_3"."""
    restarts = os.environ.get("SLURM_RESTART_COUNT", "0")
    job = f"{os.environ.get('SLURM_ARRAY_JOB_ID', '?')}_{os.environ.get('SLURM_ARRAY_TASK_ID', '?')}"
    tell(f"job {job} on {os.uname().nodename}, restart {restarts}: {what}")
    return job


def _trial_steps(store: Store, sweep: str) -> int:
    """The sum of recorded steps of all trials."""
    steps = 0
    for one in SweepRuns(store, store.sweep(sweep)).ids():  # includes running trials, which have no record yet
        with suppress(*READ_ERRORS):
            steps += store.run(one).status().step
    return steps


def _plan(store: Store, given: Submission, ids: Sequence[str]) -> tuple[Plan, int]:
    """The runs of a task as a plan, and how many of them cannot be read."""
    plan, unreadable = Plan([], [], named=given.sweep, canary=OFF), 0
    for one in ids:
        try:
            planned = stored_run(store.run(one), given.execution)
            planned.config["store"] = str(store.root)
            if len(ids) == 1:
                planned.config["launcher"]["warm"] = False  # not worth a fork server
            planned.state, planned.need = need(store.run(one), planned)
        except READ_ERRORS as e:
            unreadable += 1
            tell(f"{one}: cannot be trained ({e})")
            continue
        plan.runs.append(planned)
    if not plan.runs:
        raise UserError("none of the runs of this job can be read")
    return plan, unreadable


def _state(plan: Plan, planned: Planned) -> str:
    try:
        return plan.store.run(planned.id).status().state
    except READ_ERRORS:
        return FAILED


def _progress(plan: Plan) -> tuple[int, int]:
    """The number of finished runs, and the sum of recorded steps."""
    met = steps = 0
    for planned in plan.runs:
        run = plan.store.run(planned.id)
        try:
            status = run.status()
            met += status.finished and need(run, planned)[1] == NOTHING
            steps += status.step
        except READ_ERRORS:
            continue
    return met, steps


def _requeue_or_stop(store: Store, given: Submission, job: str, signals: list[int], no_progress: bool) -> int:
    """End a job with unfinished runs: requeue it, unless the scheduler has decided or no run advanced."""
    names = ", ".join(signal.Signals(n).name for n in signals)
    now = submission(store.sweep(given.sweep), given.token)
    if now is not None and now.cancelled:
        tell(f"{names}: cancelled")
        return ExitCode.PREEMPTED
    state = CLIENT.state(job)
    if state != "RUNNING":
        tell(f"{names}: the scheduler ends this job ({state}) and decides whether it runs again")
        return ExitCode.PREEMPTED
    if no_progress:
        tell(f"{names}: no run advanced a step in the job's {given.resources.time} minutes, so it is not requeued;")
        tell("give it more time with launcher.time=")
        return ExitCode.PREEMPTED
    tell(f"{names}: the job is requeued")
    if not CLIENT.requeue(job):
        tell(f"the scheduler refused to requeue it; to submit what is left: python -m sweeps retry {given.sweep}")
    return ExitCode.PREEMPTED


if __name__ == "__main__":
    sys.exit(main())
