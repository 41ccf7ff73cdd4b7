"""What `python -m landscape.sweep` does with a command: plan it, show it, freeze it, run it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from landscape.claims import machine, process_start
from landscape.errors import EXIT_INTERRUPTED, EXIT_UNFINISHED, EXIT_USER, UserError
from landscape.files import CorruptFile, to_json, write_whole
from landscape.store import FINISHED, PREEMPTED, SweepFolder
from sweeps import slurm
from sweeps.local import run_pool
from sweeps.plan import NOTHING, Plan, describe, execution, freeze, is_met, make_plan, survey
from sweeps.progress import display, outcome, tell
from sweeps.resources import Slots, slots

MULTIRUN = ("-m", "--multirun")


def main(arguments: list[str]) -> int:
    """Run the command line (without the program's name); returns the exit code."""
    multirun = any(flag in arguments for flag in MULTIRUN)
    overrides = [argument for argument in arguments if argument not in MULTIRUN]
    try:
        plan = make_plan(overrides, multirun)
        survey(plan)
        first = plan.runs[0].config
        on_slurm = first["launcher"]["kind"] == "slurm"
        widest = max(run.config["train"]["world_size"] for run in plan.runs)
        places = None if on_slurm else slots(first["launcher"]["jobs"], first["threads"], first["device"], widest)
        for line in describe(plan):
            tell(line)
        if all(run.need == NOTHING for run in plan.runs):
            tell("nothing to do: every run is finished and scored")
            return 0
        if places is None:
            return slurm.launch(plan)
        freeze(plan)
        if len(plan.runs) == 1 and not multirun and plan.study is None:
            return run_here(plan)
        return launch(plan, places, plan.store.sweep(plan.name))
    except (UserError, CorruptFile) as e:
        print(e, file=sys.stderr)
        return EXIT_USER
    except OSError as e:
        print(f"{e.filename or 'the store'}: {e.strerror}; nothing that was finished is lost", file=sys.stderr)
        return EXIT_USER
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here", file=sys.stderr)
        return EXIT_INTERRUPTED


def launch(plan: Plan, places: Slots, folder: SweepFolder | None = None) -> int:
    """Run a plan by the local pool and say how it ended; `folder` is the sweep that it is, or is a part of."""
    n = sum(run.need != NOTHING for run in plan.runs)
    tell(f"running {n}, {min(places.count, n)} at once ({places.why}); store {plan.store.root}")
    with recorded(folder), display() as shown:
        code = run_pool(plan, places, shown)
    if code == EXIT_UNFINISHED:
        report_failures(plan)
    elif code == 0:
        tell(f"all runs are finished; python -m analysis.report --store {plan.store.root} draws them")
    return code


@contextmanager
def recorded(folder: SweepFolder | None) -> Iterator[None]:
    """While a sweep is trained here, its folder says by which process, so that it can be cancelled."""
    if folder is None:
        yield
        return
    pid = os.getpid()
    write_whole(folder.controller_file, to_json({**machine(), "pid": pid, "started": process_start(pid)}))
    try:
        yield
    finally:
        folder.controller_file.unlink(missing_ok=True)


def report_failures(plan: Plan) -> None:
    """Name every run that lacks something, why, and the last lines of its log."""
    for planned in plan.runs:
        if not is_met(plan, planned):
            run = plan.store.run(planned.id)
            print(f"\n{planned.label}: {outcome(run, planned)}\n  log: {run.log_file}", file=sys.stderr)
            for line in run.log_tail().splitlines():
                print(f"  | {line}", file=sys.stderr)


def run_here(plan: Plan) -> int:
    """Train one run in this process, claimed like any other; its lines go to the terminal and to its log."""
    planned = plan.runs[0]
    run = plan.store.run(planned.id)
    tell(f"run {run.id} in {run.path}")
    from landscape import worker  # torch

    with open(run.log_file, "a") as log:

        def say(text: str) -> None:
            tell(text)
            print(text, file=log, flush=True)

        status = worker.work(plan.store, run.id, say, execution(planned))
    if status is None:
        print("another process works on this run; give the command again when it has ended", file=sys.stderr)
        return EXIT_UNFINISHED
    if status == PREEMPTED:
        tell("stopped; the same command goes on from here")
        return EXIT_INTERRUPTED
    return 0 if status in FINISHED and is_met(plan, planned) else EXIT_UNFINISHED
