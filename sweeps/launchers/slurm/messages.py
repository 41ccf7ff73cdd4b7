"""What the SLURM launcher tells: what it would submit, what it has submitted, what sbatch refused."""

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
    """What one round of submitting did."""

    submitted: list[Submission] = field(default_factory=list)
    already: int = 0  # runs that the scheduler has
    alive: int = 0  # and those that somebody trains outside of it
    left: int = 0  # runs that did not fit into the queue
    full: str = ""  # the words of the limit that they met
    refused: str = ""
    search: Submission | None = None  # the searches' workers
    searching: bool = False  # which the scheduler has already
    trials: int = 0  # whose workers did not fit into the queue


def _with_help(words: str, resources: Resources) -> str:
    """sbatch's own words, and what they are about where that is known."""
    if "partition" in words.lower() and resources.partition is not None:
        names = sorted({one.partition for one in CLIENT.nodes()})
        legal = f"; legal here: {', '.join(names)}" if names else ""
        return f"{words} (launcher.partition={resources.partition}{legal})"
    return f"{words} (asked for: {resources.describe()})"


def report(store: Store, folder: SweepFolder, done: Outcome) -> int:
    """Say what was submitted, what was not and why, and what to do next; the exit code."""
    for resources, arrays in _by_resources(done.submitted).items():
        jobs, runs = sum(len(a.tasks) for a in arrays), sum(len(task) for a in arrays for task in a.tasks)
        ids = [str(a.job) for a in arrays]
        shown = ", ".join(ids if len(ids) <= 8 else [*ids[:3], "...", ids[-1]])
        what = f"{plural(runs, 'run')} in {plural(jobs, 'job')} of {resources.describe()}"
        tell(f"submitted {what}: {plural(len(ids), 'array')}, job {shown}")
    if done.already:
        tell(f"{plural(done.already, 'run')} already in the queue")
    if done.alive:
        tell(f"{plural(done.alive, 'run')} left to the workers that train them outside of the queue")
    where = f"{folder.name} {shlex.quote(f'store={store.root}')}"
    if (done.left or done.trials) and not done.refused:
        what = " and ".join(plural(n, name) for n, name in ((done.left, "run"), (done.trials, "trial")) if n)
        tell(f"{what} wait for room ({done.full}); when there is some,")
        tell(f"  python -m sweeps submit {where}")
    if done.search is not None:
        trials, workers = plural(trials_left(store, folder.name), "trial"), plural(len(done.search.tasks), "worker")
        each = done.search.resources.describe()
        tell(f"searching {trials}: submitted {workers} of {each}, job {done.search.job}")
    if done.searching:
        tell("the searches' workers are already in the queue")
    if done.refused:
        what = (
            "nothing was submitted"
            if not (done.submitted or done.search)
            else f"{plural(done.left, 'run')} not submitted"
        )
        raise UserError(f"{done.refused}; {what}")
    if done.submitted or done.already or done.search or done.searching:
        tell("the runs go on without this command; next:")
        tell(f"  python -m sweeps status {shlex.quote(f'store={store.root}')}")
        tell(f"  python -m sweeps cancel {where}")
        tell(f"  python -m sweeps retry {where}  (what failed or was lost)")
    return 0


def _by_resources(arrays: list[Submission]) -> dict[Resources, list[Submission]]:
    found: dict[Resources, list[Submission]] = {}
    for array in arrays:
        found.setdefault(array.resources, []).append(array)
    return found
