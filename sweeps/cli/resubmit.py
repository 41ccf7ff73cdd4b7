"""`python -m sweeps submit` and `retry`: what of a sweep is not finished goes to its launcher again."""

from __future__ import annotations

import argparse

from landscape.config.errors import CorruptFile
from landscape.config.text import plural
from landscape.store import DONE, FAILED, FINISHED, PLANNED, PREEMPTED, Store, SweepFolder, protocols
from landscape.store.lookup import find_sweep
from landscape.store.trials import read_rows
from sweeps.cli.sweep import launch, main
from sweeps.console import tell
from sweeps.launchers.devices import slots
from sweeps.launchers.slurm import launcher
from sweeps.launchers.slurm.setup_lines import Source, add_flag
from sweeps.planning import search_spec
from sweeps.planning.needs import need
from sweeps.planning.plan import NOTHING
from sweeps.planning.reload import stored_plan


def parser(verb: str, what: str) -> argparse.ArgumentParser:
    """The arguments that verbs on one sweep share."""
    made = argparse.ArgumentParser(prog=f"python -m sweeps {verb}", description=what)
    made.add_argument("sweep", nargs="?", help="its name or the beginning of it (default: the only one of the store)")
    made.add_argument("--store", default="outputs", help="the store's folder (default: outputs)")
    return made


def submit(arguments: list[str]) -> int:
    """Submit what a sweep on a cluster lacks, but for the failed: given again and again it does no harm."""
    asked = parser("submit", submit.__doc__ or "")
    add_flag(asked)
    given = asked.parse_args(arguments)
    store = Store(given.store)
    folder = find_sweep(store, given.sweep)
    states = unfinished(store, folder)
    failed = sum(state == FAILED for state in states.values())
    wanted = {run for run, state in states.items() if state != FAILED}
    if failed:
        tell(f"{plural(failed, 'failed run')} left out; python -m sweeps retry submits those")
    if not wanted and not trials_left(store, folder):
        tell(f"nothing to submit: no run of sweep {folder.name} waits")
        return 0
    return launcher.submit_stored(store, folder, wanted, given.accept_setup)


def retry(arguments: list[str]) -> int:
    """Train again what failed, was stopped, lost or given up, by the launcher that the sweep's newest command chose."""
    asked = parser("retry", retry.__doc__ or "")
    add_flag(asked)
    given = asked.parse_args(arguments)
    store = Store(given.store)
    folder = find_sweep(store, given.sweep)
    plan, ours = folder.signed_plan()
    on_slurm = plan.get("launcher", {}).get("kind") == "slurm"
    opened = reopen(store, folder)
    if opened and not on_slurm:
        # With its grid and its searches: what a search's workers need to know stands in the command.
        root = str(store.root).replace("\\", "\\\\").replace("'", "\\'")
        command = [*map(str, plan["command"]), f"store='{root}'"]
        return main(command, folder.name, Source(folder.plan_file, ours, given.accept_setup))
    states = {run: state for run, state in unfinished(store, folder).items() if state != PLANNED}
    if not on_slurm:  # there, who is lost is known of the scheduler's queue
        free = launcher.unclaimed(store, list(states))
        states = {run: state for run, state in states.items() if state in (FAILED, PREEMPTED) or run in free}
    if not states and not (on_slurm and trials_left(store, folder)):
        tell(f"nothing to retry: no run of sweep {folder.name} failed, was stopped or was lost")
        return 0
    if on_slurm:
        return launcher.submit_stored(store, folder, set(states), given.accept_setup)
    execution = plan.get("execution") or {}
    again = stored_plan(store, [run for run in plan["runs"] if run in states], execution)
    for planned in again.runs:
        planned.config["launcher"] |= plan.get("launcher") or {}
        planned.state, planned.need = need(store.run(planned.id), planned)
    again.runs = [planned for planned in again.runs if planned.need != NOTHING]
    first = again.runs[0].config
    widest = max(run.config["train"]["world_size"] for run in again.runs)
    return launch(again, slots(first["launcher"]["jobs"], first["threads"], first["device"], widest), folder)


def reopen(store: Store, folder: SweepFolder) -> int:
    """Open what a sweep's searches gave up again, where its newest command did not leave them out; how many trials."""
    searches = folder.plan().get("stage") != "grid" and store.search_file(folder.name).exists()
    if not searches or not any(r.failed for r in read_rows(store, folder.name)):
        return 0
    from sweeps.search.worker import Searcher  # Optuna takes its time

    with Searcher(store, folder.name, None, {}) as searcher:
        count = sum(cell.reopen() for cell in searcher.cells)
    if count:
        tell(f"{plural(count, 'trial')} that {'was' if count == 1 else 'were'} given up will be tried again")
    return count


def trials_left(store: Store, folder: SweepFolder) -> int:
    """Of the sweep's searches, where it has any and its newest command did not leave them out."""
    searches = folder.plan().get("stage") != "grid" and store.search_file(folder.name).exists()
    return search_spec.trials_of(store, folder.name) if searches else 0


def unfinished(store: Store, folder: SweepFolder) -> dict[str, str]:
    """The runs that lack training or scores, with their states, in the order of the plan; none where the sweep's newest
    command left its grid out.

    Those whose files do not read are named and left out.
    """
    found = {}
    plan = folder.plan()
    for one in plan["runs"]:
        run = store.run(one)
        try:
            status = run.status()
            state = status.state
            if state not in FINISHED or (state == DONE and (status.unmet or protocols.pending_requests(run))):
                found[one] = state
        except (CorruptFile, FileNotFoundError) as e:
            tell(f"{e}; mend it or move its folder away")
    return {} if plan.get("stage") == "search" else found
