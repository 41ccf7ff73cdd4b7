"""`python -m landscape.sweep`: plan a command, show the plan, freeze it, run it."""

from __future__ import annotations

import logging
import os

from landscape.config.errors import ExitCode, UserError
from landscape.config.text import plural
from sweeps.cli import arguments, hydra_help
from sweeps.console import show, tell
from sweeps.credentials import environment, without_password
from sweeps.errors import run_command
from sweeps.launchers.base import Launcher
from sweeps.launchers.registry import launcher_of
from sweeps.launchers.setup_lines import Source
from sweeps.planning.describe import describe
from sweeps.planning.freeze import freeze
from sweeps.planning.needs import survey
from sweeps.planning.plan import NOTHING, TRAIN, Plan, make_plan
from sweeps.search.confirmation import confirmation, confirmed, record_confirmation

logger = logging.getLogger(__name__)


def main(argv: list[str], sweep: str | None = None, source: Source | None = None) -> int:
    """Run the command line (without the program's name); returns the exit code.

    If `sweep` is given, the command must still plan that sweep. If `source` is given, the command comes from that file
    of the store, and its shell lines need consent.
    """
    if hydra_help.is_asked(argv):
        return hydra_help.show(argv)

    def work() -> int:
        given = arguments.sweep().parse(argv)
        return run(given.overrides, given.multirun, sweep, source)

    return run_command(work)


def run(overrides: list[str], multirun: bool, sweep: str | None = None, source: Source | None = None) -> int:
    """Plan and train these overrides; returns the exit code. Raises `UserError`."""
    plan = make_plan(overrides, multirun)
    if sweep not in (None, plan.name):
        raise UserError(f"the command of sweep {sweep} now plans {plan.name}: conf/ or the data have changed")
    survey(plan)
    launcher = launcher_of(plan.runs[0].config["launcher"])
    if source is not None:
        source.check(launcher.shell_lines())
    launcher.check(plan)
    if plan.stage == "confirm":
        return launch_confirmation(plan, launcher)
    if plan.searches and "://" in plan.storage:
        check_storage(plan)
    for sentence in plan.unreadable.values():
        logger.warning(sentence)
    for line in describe(plan) + launcher.warnings(plan):
        tell(line)
    grid = plan.stage in ("all", "grid") and any(run.need != NOTHING for run in plan.runs)
    searching = plan.stage in ("all", "search") and plan.trials_left > 0
    if not grid and not searching:
        folder = plan.store.sweep(plan.name)
        if folder.plan_file.exists() and folder.plan().stage != plan.stage:
            freeze(plan)  # status and wait use the newest stage
        if plan.given_up and plan.stage != "grid":
            tell(f"nothing to do, but {plural(plan.given_up, 'trial')} given up: see python -m sweeps status")
            return ExitCode.UNFINISHED
        if plan.unreadable:
            tell("nothing to do, except for the runs that cannot be read")
            return ExitCode.UNFINISHED
        tell("nothing to do: every run is finished and scored")
        return ExitCode.DONE
    return launcher.launch(plan, grid, searching)


def launch_confirmation(plan: Plan, launcher: Launcher) -> int:
    """Train the best settings again on fresh seeds, latents and images; print and record their scores.

    On a cluster it only submits them: the same command prints and records once they are finished.
    """
    found = confirmation(plan)
    left = sum(run.need == TRAIN for run in plan.runs) + plan.trials_left
    if left:
        tell(f"settings are chosen among finished runs only: {plural(left, 'run')} of the sweep unfinished")
    for line in describe(found.plan) + launcher.warnings(found.plan):
        tell(line)
    code: int = ExitCode.DONE
    record_confirmation(plan, found)
    if any(run.need != NOTHING for run in found.plan.runs):
        code = launcher.launch(found.plan)
        if not launcher.attached:
            return code
        record_confirmation(plan, found)
    else:
        freeze(found.plan)
    for line in confirmed(plan, found):
        show(line)
    return code


def check_storage(plan: Plan) -> None:
    """Raise `UserError` if the database of a search cannot be reached, before the grid is trained."""
    from sweeps.search.storage import connect

    os.environ.update(environment(plan.storage))
    connect(without_password(plan.storage)).close()
