"""`python -m sweeps submit` and `retry`: what of a sweep is not finished goes to its launcher again."""

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
from sweeps.monitor import unclaimed
from sweeps.planning.search_spec import trials_left


def submit(argv: list[str]) -> int:
    """Submit what a sweep on a cluster lacks, but for the failed: given again and again it does no harm."""
    given = arguments.submit().parse(argv)
    store = Store(given.store)
    folder = find_sweep(store, given.sweep)
    states = unfinished(store, folder)
    failed = sum(state == FAILED for state in states.values())
    wanted = {run for run, state in states.items() if state != FAILED}
    if failed:
        tell(f"{plural(failed, 'failed run')} left out; python -m sweeps retry submits those")
    if not wanted and not trials_wanted(store, folder):
        tell(f"nothing to submit: no run of sweep {folder.name} waits")
        return ExitCode.DONE
    keys = folder.plan().launcher
    return scheduler_for(keys).resubmit(store, folder, wanted, given.accept_setup)


def retry(argv: list[str]) -> int:
    """Train again what failed, was stopped, lost or given up, by the launcher that the sweep's newest command chose."""
    given = arguments.retry().parse(argv)
    store = Store(given.store)
    folder = find_sweep(store, given.sweep)
    plan, ours = folder.signed_plan()
    launcher = launcher_of(plan.launcher)
    opened = reopen(store, folder)
    if opened and launcher.attached:
        # With its grid and its searches: what a search's workers need to know stands in the command.
        command = [*plan.command, f"store={quoted(str(store.root))}"]
        return main(command, folder.name, Source(folder.plan_file, ours, given.accept_setup))
    states = {run: state for run, state in unfinished(store, folder).items() if state != PLANNED}
    if launcher.attached:  # else who is lost is known of the scheduler's queue
        free = unclaimed(store, list(states))
        states = {run: state for run, state in states.items() if state in (FAILED, PREEMPTED) or run in free}
    if not states and (launcher.attached or not trials_wanted(store, folder)):
        tell(f"nothing to retry: no run of sweep {folder.name} failed, was stopped or was lost")
        return ExitCode.DONE
    return launcher.resubmit(store, folder, set(states), given.accept_setup)


def reopen(store: Store, folder: SweepFolder) -> int:
    """Open what a sweep's searches gave up again, where its newest command did not leave them out; how many trials."""
    searches = folder.plan().stage != "grid" and store.search_file(folder.name).exists()
    if not searches or not any(r.failed for r in read_rows(store, folder.name)):
        return 0
    from sweeps.search.worker import Searcher  # Optuna takes its time

    with Searcher(store, folder.name, None, {}) as searcher:
        count = sum(cell.reopen() for cell in searcher.cells)
    if count:
        tell(f"{plural(count, 'trial')} that {'was' if count == 1 else 'were'} given up will be tried again")
    return count


def trials_wanted(store: Store, folder: SweepFolder) -> int:
    """Trials left of the sweep's searches, where it has any and its newest command did not leave them out."""
    searches = folder.plan().stage != "grid" and store.search_file(folder.name).exists()
    return trials_left(store, folder.name) if searches else 0


def unfinished(store: Store, folder: SweepFolder) -> dict[str, str]:
    """The runs that lack training or scores, with their states, in the order of the plan; none where the sweep's newest
    command left its grid out.

    Those whose files do not read are named and left out.
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
            tell(f"{e}; mend it or move its folder away")
    return {} if plan.stage == "search" else found
