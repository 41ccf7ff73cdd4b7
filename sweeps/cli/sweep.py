"""What `python -m landscape.sweep` does with a command: plan it, show it, freeze it, run it."""

from __future__ import annotations

import logging
import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager

from landscape.config.errors import ExitCode, UserError
from landscape.config.log import run_log
from landscape.config.text import plural
from landscape.store import FINISHED, PREEMPTED, RunFolder, SweepFolder
from landscape.store.atomic_io import to_json, write_whole
from landscape.store.leases import Observer, claim_in_force, named
from landscape.store.processes import myself
from sweeps.cli import arguments, hydra_help
from sweeps.console import show, tell
from sweeps.credentials import environment, without_password
from sweeps.errors import run_command
from sweeps.launchers.devices import Slots, slots
from sweeps.launchers.local_pool import run_pool
from sweeps.launchers.local_search import Search, record_grid
from sweeps.launchers.progress import display, outcome
from sweeps.launchers.slurm import launcher
from sweeps.launchers.slurm.resources import Classes
from sweeps.launchers.slurm.setup_lines import Source
from sweeps.planning.describe import describe, what_can_be_told_apart
from sweeps.planning.freeze import freeze
from sweeps.planning.needs import is_met, survey
from sweeps.planning.plan import NOTHING, TRAIN, Plan, Planned, execution, make_plan
from sweeps.search.confirmation import confirmation, record_confirmation

logger = logging.getLogger(__name__)


def main(argv: list[str], sweep: str | None = None, source: Source | None = None) -> int:
    """Run the command line (without the program's name); returns the exit code.

    Where `sweep` is given, the command must still mean that sweep; where `source` is, it comes from that file of the
    store, and what of it a shell would run is shown first.
    """
    if hydra_help.is_asked(argv):
        return hydra_help.show(argv)

    def work() -> int:
        given = arguments.sweep().parse(argv)
        return run(given.overrides, given.multirun, sweep, source)

    return run_command(work)


def run(overrides: list[str], multirun: bool, sweep: str | None = None, source: Source | None = None) -> int:
    """Plan and train what `main` is given; returns the exit code. Raises `UserError`."""
    plan = make_plan(overrides, multirun)
    if sweep not in (None, plan.name):
        raise UserError(f"the command of sweep {sweep} means {plan.name} today: conf/ or data have changed since")
    survey(plan)
    first = plan.runs[0].config
    on_slurm = first["launcher"]["kind"] == "slurm"
    if on_slurm and source is not None:
        source.check(Classes(first["launcher"]).setup)
    widest = max(run.config["train"]["world_size"] for run in plan.runs)
    places = None if on_slurm else slots(first["launcher"]["jobs"], first["threads"], first["device"], widest)
    if plan.stage == "confirm":
        return launch_confirmation(plan, places)
    check_shared(plan)
    if plan.searches and "://" in plan.storage:
        check_storage(plan)
    for sentence in plan.unreadable.values():
        logger.warning(sentence)
    for line in describe(plan):
        tell(line)
    grid = plan.stage in ("all", "grid") and any(run.need != NOTHING for run in plan.runs)
    searching = plan.stage in ("all", "search") and plan.trials_left > 0
    if not grid and not searching:
        folder = plan.store.sweep(plan.name)
        if folder.plan_file.exists() and folder.plan().get("stage", "all") != plan.stage:
            freeze(plan)  # what is asked for now: status and wait go by it
        if plan.given_up and plan.stage != "grid":
            n = f"{plural(plan.given_up, 'trial')}"
            tell(f"nothing to do but what was given up: {n}; python -m sweeps status says why, retry tries again")
            return ExitCode.UNFINISHED
        if plan.unreadable:
            tell("nothing to do but what does not read")
            return ExitCode.UNFINISHED
        tell("nothing to do: every run is finished and scored")
        return ExitCode.DONE
    if places is None:
        return launcher.launch(plan, grid, searching)
    freeze(plan)
    if len(plan.runs) == 1 and not multirun and plan.study is None and not plan.searches:
        return run_here(plan)
    return launch_stages(plan, places, grid, searching)


def launch_stages(plan: Plan, places: Slots, grid: bool, searching: bool) -> int:
    """The grid, then its searches; where runs of the grid fail, the searches are made all the same."""
    folder = plan.store.sweep(plan.name)
    code = launch(plan, places, folder) if grid else ExitCode.DONE
    if plan.searches:
        record_grid(plan)
    if searching and code != ExitCode.INTERRUPTED:
        code = search_cells(plan, places, folder) or code
    if code == 0:
        for line in what_can_be_told_apart(plan):
            tell(line)
    return code


def search_cells(plan: Plan, places: Slots, folder: SweepFolder) -> int:
    """Make the trials of a plan's searches here and say so."""
    cells, trials = plural(len(plan.searches), "cell"), plural(plan.trials_left, "trial")
    tell(f"searching {cells}, {trials} to go, {places.count} at once ({places.why})")
    with recorded(folder):
        return Search(plan, places).run()


def launch_confirmation(plan: Plan, places: Slots | None) -> int:
    """The best settings again; what they are worth on what did not choose them is printed and recorded.

    Without places they go to the scheduler, and the same command given when they are finished prints and records.
    """
    found = confirmation(plan)
    left = sum(run.need == TRAIN for run in plan.runs) + plan.trials_left
    if left:
        tell(f"choosing among what is finished: {plural(left, 'run')} of the sweep are not")
    for line in describe(found.plan):
        tell(line)
    missing = any(run.need != NOTHING for run in found.plan.runs)
    if missing and places is None:
        return launcher.launch(found.plan)
    freeze(found.plan)
    code = (
        launch(found.plan, places, plan.store.sweep(found.plan.name))
        if missing and places is not None
        else ExitCode.DONE
    )
    for line in record_confirmation(plan, found):
        show(line)
    return code


def check_shared(plan: Plan) -> None:
    """Raise `UserError` where workers of several machines would share a file that they cannot."""
    on_slurm = plan.runs[0].config["launcher"]["kind"] == "slurm"
    if plan.searches and plan.stage in ("all", "search") and on_slurm and plan.storage == "sqlite":
        raise UserError(
            "search.storage=sqlite is a file that machines cannot share safely; with launcher=slurm give "
            "search.storage=journal, or the URL of a data base"
        )


def check_storage(plan: Plan) -> None:
    """Raise `UserError` now where a data base cannot be reached, rather than after the grid."""
    from sweeps.search.storage import connect

    os.environ.update(environment(plan.storage))
    connect(without_password(plan.storage)).close()


def launch(plan: Plan, places: Slots, folder: SweepFolder | None = None) -> int:
    """Run a plan by the local pool and say how it ended; `folder` is the sweep that it is, or is a part of."""
    n = sum(run.need != NOTHING for run in plan.runs)
    tell(f"running {n}, {min(places.count, n)} at once ({places.why}); store {plan.store.root}")
    with recorded(folder), display() as shown:
        code = run_pool(plan, places, shown)
    if code == ExitCode.UNFINISHED:
        report_failures(plan)
    elif code == ExitCode.DONE:
        tell(f"all runs are finished; python -m analysis.report {shlex.quote(f'store={plan.store.root}')} draws them")
    return code


@contextmanager
def recorded(folder: SweepFolder | None) -> Iterator[None]:
    """While a sweep is trained here, its folder says by which process, so that it can be cancelled."""
    if folder is None:
        yield
        return
    write_whole(folder.controller_file, to_json(myself()))
    try:
        yield
    finally:
        folder.controller_file.unlink(missing_ok=True)


def report_failures(plan: Plan) -> None:
    """Name every run that lacks something, why, and the last lines of its log."""
    for planned in plan.runs:
        if not is_met(plan, planned):
            run = plan.store.run(planned.id)
            tail = "".join(f"\n  | {line}" for line in run.log_tail().splitlines())
            logger.error(f"\n{planned.label}: {outcome(run, planned)}\n  log: {run.log_file}{tail}")


def run_here(plan: Plan) -> int:
    """Train one run in this process, claimed like any other; its lines go to the terminal and to its log."""
    planned = plan.runs[0]
    run = plan.store.run(planned.id)
    tell(f"run {run.id} in {run.path}")
    observer, status = Observer(), None
    if observer.settle(run, tell):
        status = _work_here(plan, planned, run, observer)
    if status is None:
        owner = claim_in_force(run)
        who = "another process" if owner is None else named(owner)
        logger.error(f"{who} works on this run; give the command again when it has ended")
        return ExitCode.UNFINISHED
    if status == PREEMPTED:
        tell("stopped; the same command goes on from here")
        return ExitCode.INTERRUPTED
    return ExitCode.DONE if status in FINISHED and is_met(plan, planned) else ExitCode.UNFINISHED


def _work_here(plan: Plan, planned: Planned, run: RunFolder, observer: Observer) -> str | None:
    from landscape.runtime import worker  # torch

    with run_log(run.log_file, shown=True) as say:
        return worker.work(plan.store, run.id, say, execution(planned), observer)
