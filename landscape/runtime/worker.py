"""Worker process of one run: `python -m landscape.runtime.worker --store DIR --run ID`.

Acquires the lease, trains from the newest intact checkpoint, then computes the scores of all requests in the run's
folder. The configuration is read from the frozen folder.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from pathlib import Path
from typing import Any

import torch

from landscape.config.cli import Parser, run_cli
from landscape.config.errors import CorruptFile, ExitCode, UserError, error_name, fault_of
from landscape.config.identity import check_current
from landscape.config.schema import typed
from landscape.data import load_data
from landscape.runtime.canary import try_run
from landscape.runtime.claimed_run import EXECUTION, ClaimedRun, Say
from landscape.runtime.rescore_run import rescore_run
from landscape.runtime.train_run import Training
from landscape.signals import StopFlag
from landscape.store import DONE, FAILED, FINISHED, PREEMPTED, STOPPED, Store
from landscape.store.early_stopping import StopCheck, may_stop
from landscape.store.leases import LeaseLost, LeaseMonitor, acquire
from landscape.store.leftovers import clear_run
from landscape.store.run_writer import RunWriter
from landscape.tracking.process import mirrored

logger = logging.getLogger("landscape.runtime.worker")  # same name if run as the main module


def work(
    store: Store,
    run_id: str,
    say: Say = logger.info,
    execution: dict[str, Any] | None = None,
    observer: LeaseMonitor | None = None,
    watch: StopCheck | None = None,
) -> str | None:
    """Acquire a run, train and score it. Returns its status, or None if another worker holds it.

    `execution` overrides the frozen values of the keys `EXECUTION`. `watch` may stop the run early, as the rules in
    `stop` may; without either, a run that was stopped early continues. Raises `CorruptFile` if the run's folder cannot
    be read. Errors inside the run are recorded: status "failed" with the reason, traceback in the log.
    """
    run = store.run(run_id)
    frozen = run.config() | {key: value for key, value in (execution or {}).items() if key in EXECUTION}
    run.status()
    claim = acquire(run, observer or LeaseMonitor())
    if claim is None:
        return None
    clear_run(run, claim.lost)
    with StopFlag().listening() as stop, RunWriter(run, claim) as writer:
        try:
            return _outcome(ClaimedRun(store, run, typed(frozen), frozen, writer, stop, say, watch))
        except LeaseLost:
            say("this run was taken over by another worker; stopping without writing")
            return None
        except Exception as e:
            if not isinstance(e, UserError | CorruptFile):
                say(traceback.format_exc().rstrip())
            say(f"failed: {e}")
            reason = str(e) if isinstance(e, UserError | CorruptFile) else f"{type(e).__name__}: {e}"
            state = writer.status.state if writer.status.finished else FAILED
            writer.write(state=state, reason=" ".join(reason.split())[:500], errno=error_name(e), fault=fault_of(e))
            return FAILED
        finally:
            if not writer.lost:
                claim.release()


def _outcome(work: ClaimedRun) -> str:
    """Train and score a run as far as necessary. Returns its status."""
    cfg, writer = work.cfg, work.writer
    check_current(work.run.id, work.run.config())
    torch.set_num_threads(cfg.threads)
    data = load_data(cfg.data, work.store)
    if data.content != cfg.data.content:
        raise UserError(
            f"the data differ from those that run {work.run.id} was planned with (digest {data.content[:12]})"
        )
    status = writer.status.state
    goes_on = status == STOPPED and work.watch is None and not may_stop(cfg.stop)
    work.record_machine(training=status not in FINISHED or goes_on)
    mirror, hurried = work.frozen["logger"], lambda: work.stop.signal is not None
    with mirrored(work.store, work.run, mirror, work.warn, hurried) as work.check_mirror:
        if status not in FINISHED or goes_on:
            Training(work, data).run_to_end()
        if writer.status.state == DONE:
            rescore_run(work, data)
    if mirror["kind"] != "none":
        writer.write()  # warnings of the tracker
    return writer.status.state


def parser() -> Parser:
    """The argument parser of this process."""
    parser = Parser("python -m landscape.runtime.worker", __doc__ or "")
    parser.add_argument("--store", required=True)
    parser.add_argument("--run", required=True)
    parser.add_argument(
        "--execution", type=json.loads, default={}, help="JSON: device, threads, checkpoint, stop, logger"
    )
    parser.add_argument("--canary", metavar="FILE", help="try it in small, write the result to FILE, train nothing")
    parser.add_argument("--lost", type=json.loads, help="JSON: the former holder, which the launcher found to be dead")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the process. Returns the exit code, which tells the controller the run's state."""

    def run() -> int:
        arguments = parser().parse(sys.argv[1:] if argv is None else argv)
        store, status, observer = Store(arguments.store), None, LeaseMonitor()
        if arguments.canary is not None:
            passed = try_run(store, arguments.run, arguments.execution, Path(arguments.canary), logger.info)
            return ExitCode.DONE if passed else ExitCode.FAILED
        if arguments.lost is not None:
            observer.adopt(store.run(arguments.run), arguments.lost)
        if observer.wait_until_free(store.run(arguments.run), logger.info):
            status = work(store, arguments.run, logger.info, arguments.execution, observer)
        if status in FINISHED and store.run(arguments.run).status().unmet:
            return ExitCode.FAILED
        codes = {FAILED: ExitCode.FAILED, PREEMPTED: ExitCode.PREEMPTED, None: ExitCode.CLAIMED}
        return codes.get(status, ExitCode.DONE)

    return run_cli(run, interrupted="")  # if the store cannot be written, the error is only logged


if __name__ == "__main__":
    sys.exit(main())
