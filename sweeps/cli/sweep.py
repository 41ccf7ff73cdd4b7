"""What `python -m landscape.sweep` does with a command: plan it, show it, freeze it, run it."""

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
    return launcher.launch(plan, grid, searching)


def launch_confirmation(plan: Plan, launcher: Launcher) -> int:
    """The best settings again; what they are worth on what did not choose them is printed and recorded.

    Where they go to a scheduler, the same command given when they are finished prints and records.
    """
    found = confirmation(plan)
    left = sum(run.need == TRAIN for run in plan.runs) + plan.trials_left
    if left:
        tell(f"choosing among what is finished: {plural(left, 'run')} of the sweep are not")
    for line in describe(found.plan) + launcher.warnings(found.plan):
        tell(line)
    code: int = ExitCode.DONE
    if any(run.need != NOTHING for run in found.plan.runs):
        code = launcher.launch(found.plan)
        if not launcher.attached:
            return code
    else:
        freeze(found.plan)
    for line in record_confirmation(plan, found):
        show(line)
    return code


def check_storage(plan: Plan) -> None:
    """Raise `UserError` now where a data base cannot be reached, rather than after the grid."""
    from sweeps.search.storage import connect

    os.environ.update(environment(plan.storage))
    connect(without_password(plan.storage)).close()
