"""What `python -m landscape.sweep` does with a command: plan it, show it, freeze it, run it."""

from __future__ import annotations

import sys

from landscape.errors import EXIT_USER, UserError
from landscape.files import CorruptFile
from landscape.store import FINISHED, Store
from sweeps.local import outcome, run_pool
from sweeps.plan import NOTHING, Plan, describe, freeze, make_plan, survey
from sweeps.progress import display
from sweeps.resources import slots

MULTIRUN = ("-m", "--multirun")


def main(arguments: list[str]) -> int:
    """Run the command line (without the program's name); returns the exit code."""
    multirun = any(flag in arguments for flag in MULTIRUN)
    overrides = [argument for argument in arguments if argument not in MULTIRUN]
    try:
        plan = make_plan(overrides, multirun)
        survey(plan)
        for line in describe(plan):
            print(line)
        if all(run.need == NOTHING for run in plan.runs):
            print("nothing to do: every run is finished and scored")
            return 0
        freeze(plan)
        if len(plan.runs) == 1 and not multirun and plan.study is None:
            return run_here(plan)
        return launch(plan)
    except (UserError, CorruptFile) as e:
        print(e, file=sys.stderr)
        return EXIT_USER
    except KeyboardInterrupt:  # while planning, which may be decoding a million images; a pool handles its own
        print("stopped", file=sys.stderr)
        return 130


def launch(plan: Plan) -> int:
    """Run a plan by the local pool and say how it ended."""
    first = plan.runs[0].config
    places = slots(first["launcher"]["jobs"], first["threads"], first["device"])
    n = sum(run.need != NOTHING for run in plan.runs)
    print(f"running {n}, {min(places.count, n)} at once ({places.why}); store {plan.store.root}", flush=True)
    with display() as shown:
        code = run_pool(plan, places, shown)
    if code == 1:
        report_failures(plan)
    elif code == 0:
        print("all runs are finished; python -m analysis.report draws them")
    return code


def report_failures(plan: Plan) -> None:
    """Name every run that did not end, its reason, and the last lines of its log."""
    for planned in plan.runs:
        run = plan.store.run(planned.id)
        try:
            state = run.status()["status"]
        except (CorruptFile, FileNotFoundError):
            state = "unreadable"
        if state not in FINISHED:
            print(f"\n{planned.label}: {outcome(run, planned)}\n  log: {run.log_file}", file=sys.stderr)
            for line in run.log_tail().splitlines():
                print(f"  | {line}", file=sys.stderr)


def run_here(plan: Plan) -> int:
    """Train one run in this process, claimed like any other; its lines go to the terminal and to its log."""
    planned = plan.runs[0]
    run = plan.store.run(planned.id)
    print(f"run {run.id} in {run.path}", flush=True)
    from landscape import worker  # torch

    with open(run.log_file, "a") as log:

        def say(text: str) -> None:
            print(text, flush=True)
            print(text, file=log, flush=True)

        status = worker.work(Store(plan.store.root), run.id, say)
    if status is None:
        print("another process works on this run; give the command again when it has ended", file=sys.stderr)
        return 1
    if status == "preempted":
        print("stopped; the same command goes on from here")
        return 130
    return worker.EXIT_CODES.get(status, 0)
