"""`python -m sweeps submit` and `retry`: hand the unfinished runs of a sweep to its launcher again."""

from __future__ import annotations

from landscape.config.cli import quoted
from landscape.config.errors import CorruptFile, ExitCode
from landscape.config.text import plural
from landscape.store import DONE, FAILED, FINISHED, PLANNED, PREEMPTED, Store, SweepFolder
from landscape.store.lookup import find_sweep
from landscape.store.trials import read_rows
from sweeps.cli import arguments
from sweeps.cli.sweep import main
from sweeps.console import tell
from sweeps.launchers.registry import launcher_of, scheduler_for
from sweeps.launchers.setup_lines import Source
from sweeps.monitor import without_worker
from sweeps.planning.search_spec import trials_left


def submit(argv: list[str]) -> int:
    """Submit the unfinished runs of a sweep on a cluster, except failed ones; queued runs are not submitted twice."""
    given = arguments.submit().parse(argv)
    store = Store(given.store)
    folder = find_sweep(store, given.sweep)
    states = unfinished(store, folder)
    failed = sum(state == FAILED for state in states.values())
    wanted = {run for run, state in states.items() if state != FAILED}
    if failed:
        tell(f"{plural(failed, 'failed run')} left out; to submit them: python -m sweeps retry {folder.name}")
    if not wanted and not trials_wanted(store, folder):
        tell(f"nothing to submit: sweep {folder.name} has no run or trial to submit")
        return ExitCode.DONE
    keys = folder.plan().launcher
    return scheduler_for(keys).resubmit(store, folder, wanted, given.accept_setup)


def retry(argv: list[str]) -> int:
    """Train again what failed, was stopped, lost or given up, with the launcher of the sweep's newest command."""
    given = arguments.retry().parse(argv)
    store = Store(given.store)
    folder = find_sweep(store, given.sweep)
    plan, ours = folder.signed_plan()
    launcher = launcher_of(plan.launcher)
    opened = reopen(store, folder)
    if opened and launcher.attached:
        # Run the whole command: search workers need its keys.
        command = [*plan.command, f"store={quoted(str(store.root))}"]
        return main(command, folder.name, Source(folder.plan_file, ours, given.accept_setup))
    states = {run: state for run, state in unfinished(store, folder).items() if state != PLANNED}
    if launcher.attached:  # else the scheduler's queue tells which are lost
        free = without_worker(store, list(states))
        states = {run: state for run, state in states.items() if state in (FAILED, PREEMPTED) or run in free}
    if not states and (launcher.attached or not trials_wanted(store, folder)):
        tell(f"nothing to retry: no run of sweep {folder.name} failed, was stopped or was lost")
        return ExitCode.DONE
    return launcher.resubmit(store, folder, set(states), given.accept_setup)


def reopen(store: Store, folder: SweepFolder) -> int:
    """Reopen the given-up trials of a sweep's searches, unless its newest command left them out; returns how many."""
    searches = folder.plan().stage != "grid" and store.search_file(folder.name).exists()
    if not searches or not any(r.failed for r in read_rows(store, folder.name)):
        return 0
    from sweeps.search.worker import SearchWorker  # slow to import: Optuna

    with SearchWorker(store, folder.name, None, {}) as searcher:
        count = sum(cell.reopen() for cell in searcher.cells)
    if count:
        tell(f"{plural(count, 'given-up trial')} will be tried again")
    return count


def trials_wanted(store: Store, folder: SweepFolder) -> int:
    """The number of trials left in a sweep's searches; 0 if its newest command left them out."""
    searches = folder.plan().stage != "grid" and store.search_file(folder.name).exists()
    return trials_left(store, folder.name) if searches else 0


def unfinished(store: Store, folder: SweepFolder) -> dict[str, str]:
    """Run id -> state of the runs that lack training or scores, in the order of the plan; empty if the sweep's newest
    command left its grid out.

    Runs whose files cannot be read are logged and left out.
    """
    found = {}
    plan = folder.plan()
    for one in plan.runs:
        run = store.run(one)
        try:
            status = run.status()
            state = status.state
            if state not in FINISHED or (state == DONE and (status.unmet or run.pending_requests())):
                found[one] = state
        except (CorruptFile, FileNotFoundError) as e:
            tell(f"{e}; repair it or move its folder away")
    return {} if plan.stage == "search" else found
