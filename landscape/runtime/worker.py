"""One run from claim to kept weights: `python -m landscape.runtime.worker --store DIR --run ID`.

Trains what is not trained yet, from the newest sound checkpoint; then meets every request for scores that
the run's folder holds. All that decides is read from the frozen folder; nothing is composed here.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from typing import Any

import torch

from landscape.config.cli import Parser, run_cli
from landscape.config.errors import CorruptFile, ExitCode, UserError, error_name
from landscape.config.identity import check_current
from landscape.config.schema import typed
from landscape.data import load_data
from landscape.runtime.claimed_run import EXECUTION, ClaimedRun, Say
from landscape.runtime.rescore_run import rescore_run
from landscape.runtime.train_run import Training
from landscape.signals import StopFlag
from landscape.store import DONE, FAILED, FINISHED, PREEMPTED, STOPPED, Store
from landscape.store.early_stopping import Watch, may_stop
from landscape.store.leases import ClaimLost, Observer, take
from landscape.store.leftovers import clear_run
from landscape.store.run_writer import Journal
from landscape.tracking.process import mirrored

logger = logging.getLogger("landscape.runtime.worker")  # also as the main module of its process


def work(
    store: Store,
    run_id: str,
    say: Say = logger.info,
    execution: dict[str, Any] | None = None,
    observer: Observer | None = None,
    watch: Watch | None = None,
) -> str | None:
    """Claim a run, train and score it; returns its status, or None where somebody else works on it.

    `execution` has the keys that say how and where to run (`EXECUTION`) and not what; where given they count
    instead of those frozen at planning. `watch` may end it early, as `stop` may; a run that was stopped so goes on
    where neither is given. Raises `CorruptFile` where the run's folder does not read. Whatever goes
    wrong inside the run is its status "failed", with the reason there and the traceback in the log.
    """
    run = store.run(run_id)
    frozen = run.config() | {key: value for key, value in (execution or {}).items() if key in EXECUTION}
    run.status()
    claim = take(run, observer or Observer())
    if claim is None:
        return None
    clear_run(run, claim.lost)
    with StopFlag().listening() as stop, Journal(run, claim) as journal:
        try:
            return _outcome(ClaimedRun(store, run, typed(frozen), frozen, journal, stop, say, watch))
        except ClaimLost:
            say("this run was taken over by another worker; stopping without writing")
            return None
        except Exception as e:
            if not isinstance(e, UserError | CorruptFile):
                say(traceback.format_exc().rstrip())
            say(f"failed: {e}")
            reason = str(e) if isinstance(e, UserError | CorruptFile) else f"{type(e).__name__}: {e}"
            state = journal.status.state if journal.status.finished else FAILED
            journal.write(state=state, reason=" ".join(reason.split())[:500], errno=error_name(e))
            return FAILED
        finally:
            if not journal.lost:
                claim.release()


def _outcome(work: ClaimedRun) -> str:
    """Train and score a claimed run as far as it needs it; returns its status."""
    cfg, journal = work.cfg, work.journal
    check_current(work.run.id, work.run.config())
    torch.set_num_threads(cfg.threads)
    data = load_data(cfg.data, work.store)
    if data.content != cfg.data.content:
        raise UserError(f"the data are not those that run {work.run.id} was planned on ({data.content[:12]})")
    status = journal.status.state
    goes_on = status == STOPPED and work.watch is None and not may_stop(cfg.stop)
    work.record_machine(training=status not in FINISHED or goes_on)
    mirror, hurried = work.frozen["logger"], lambda: work.stop.signal is not None
    with mirrored(work.store, work.run, mirror, work.warn, hurried) as work.check_mirror:
        if status not in FINISHED or goes_on:
            Training(work, data).run_to_its_end()
        if journal.status.state == DONE:
            rescore_run(work, data)
    if mirror["kind"] != "none":
        journal.write()  # what the mirror said at its end
    return journal.status.state


def parser() -> Parser:
    """Of this process."""
    parser = Parser("python -m landscape.runtime.worker", __doc__ or "")
    parser.add_argument("--store", required=True)
    parser.add_argument("--run", required=True)
    parser.add_argument(
        "--execution", type=json.loads, default={}, help="JSON: device, threads, checkpoint, stop, logger"
    )
    parser.add_argument("--lost", type=json.loads, help="JSON: the worker that the launcher has found to be dead")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Returns the exit code, which tells the controller how the run stands."""

    def run() -> int:
        arguments = parser().parse(sys.argv[1:] if argv is None else argv)
        store, status, observer = Store(arguments.store), None, Observer()
        if arguments.lost is not None:
            observer.hear(store.run(arguments.run), arguments.lost)
        if observer.settle(store.run(arguments.run), logger.info):
            status = work(store, arguments.run, logger.info, arguments.execution, observer)
        if status in FINISHED and store.run(arguments.run).status().unmet:
            return ExitCode.FAILED
        codes = {FAILED: ExitCode.FAILED, PREEMPTED: ExitCode.PREEMPTED, None: ExitCode.CLAIMED}
        return codes.get(status, ExitCode.DONE)

    return run_cli(run, interrupted="")  # a store that cannot be written any more holds no word of it


if __name__ == "__main__":
    sys.exit(main())
