"""The messages of the SLURM launcher: what was submitted, what was not, and why."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field

from landscape.config.errors import UserError
from landscape.config.text import plural
from landscape.store import Store, SweepFolder
from landscape.store.jobs import Resources, Submission
from sweeps.console import tell
from sweeps.launchers.slurm.client import CLIENT
from sweeps.planning.search_spec import trials_left


@dataclass
class Outcome:
    """The result of submitting."""

    submitted: list[Submission] = field(default_factory=list)
    already: int = 0  # runs that are queued already
    alive: int = 0  # runs that a worker outside of the queue trains
    left: int = 0  # runs that did not fit into the queue
    full: str = ""  # the limit that they exceeded, in words
    refused: str = ""  # why sbatch refused a job, if it did
    canary: list[Submission] = field(default_factory=list)  # which all others wait for
    after: tuple[str, ...] | None = None  # the jobs of canaries that others wait for; None: not submitted yet
    search: Submission | None = None  # of search workers
    searching: bool = False  # whether search workers are queued already
    trials: int = 0  # trials whose workers did not fit into the queue


def _with_help(words: str, resources: Resources) -> str:
    """sbatch's message with the resources that it is about."""
    if "partition" in words.lower() and resources.partition is not None:
        names = sorted({one.partition for one in CLIENT.nodes()})
        legal = f"; legal here: {', '.join(names)}" if names else ""
        return f"{words} (launcher.partition={resources.partition}{legal})"
    return f"{words} (requested: {resources.describe()})"


def report(store: Store, folder: SweepFolder, done: Outcome) -> int:
    """Log what was submitted, what was not and why, and what to do next; returns the exit code. Raises `UserError`
    if sbatch refused a job."""
    for one in done.canary:
        what = f"a canary of {plural(sum(map(len, one.tasks)), 'shape')} in {one.resources.describe()}"
        tell(f"submitted {what}: job {one.job}, which all other jobs wait for")
    for resources, arrays in _by_resources(done.submitted).items():
        jobs, runs = sum(len(a.tasks) for a in arrays), sum(len(task) for a in arrays for task in a.tasks)
        ids = [str(a.job) for a in arrays]
        shown = ", ".join(ids if len(ids) <= 8 else [*ids[:3], "...", ids[-1]])
        what = f"{plural(runs, 'run')} in {plural(jobs, 'job')} of {resources.describe()}"
        tell(f"submitted {what}: {plural(len(ids), 'array')}, job {shown}")
    if done.already:
        tell(f"{plural(done.already, 'run')} already in the queue")
    if done.alive:
        tell(f"{plural(done.alive, 'run')} not submitted: a worker outside of the queue trains them")
    where = f"{folder.name} {shlex.quote(f'store={store.root}')}"
    if (done.left or done.trials) and not done.refused:
        what = " and ".join(plural(n, name) for n, name in ((done.left, "run"), (done.trials, "trial")) if n)
        tell(f"{what} did not fit into the queue ({done.full}); once there is room, run")
        tell(f"  python -m sweeps submit {where}")
    if done.search is not None:
        trials, workers = (
            plural(trials_left(store, folder.name), "trial"),
            plural(len(done.search.tasks), "search worker"),
        )
        each = done.search.resources.describe()
        tell(f"submitted {workers} for {trials}, each with {each}: job {done.search.job}")
    if done.searching:
        tell("search workers are already in the queue")
    if done.refused:
        what = (
            "nothing was submitted"
            if not (done.submitted or done.search)
            else f"{plural(done.left, 'run')} not submitted"
        )
        raise UserError(f"{done.refused}; {what}")
    if done.submitted or done.already or done.search or done.searching:
        tell("the jobs run without this command; next:")
        tell(f"  python -m sweeps status {shlex.quote(f'store={store.root}')}")
        tell(f"  python -m sweeps cancel {where}")
        tell(f"  python -m sweeps retry {where}  (failed or lost runs)")
    return 0


def _by_resources(arrays: list[Submission]) -> dict[Resources, list[Submission]]:
    found: dict[Resources, list[Submission]] = {}
    for array in arrays:
        found.setdefault(array.resources, []).append(array)
    return found
