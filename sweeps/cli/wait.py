"""`python -m sweeps wait`: block until a sweep is finished or no longer makes progress; the exit code says which."""

from __future__ import annotations

import logging
import time

from landscape.config.errors import ExitCode
from landscape.config.text import duration, printable
from landscape.store import FINISHED, Store, SweepFolder
from landscape.store.lookup import by_age, find_sweep
from sweeps.cli import arguments
from sweeps.cli.status import advice, stalled_advice, summary
from sweeps.launchers.registry import query_schedulers
from sweeps.monitor import Snapshot, StoreMonitor, requested_part
from sweeps.planning.labels import labels
from sweeps.states import STALLED

logger = logging.getLogger(__name__)

POLL_S = 2.0
IDLE_S = 10.0  # without any worker, command or job, before a sweep counts as idle: its command may just be starting
SILENT_S = 300.0  # the same while the scheduler does not answer, which may have jobs: its controller may restart
STALL_S = 300.0  # with nothing but stalled runs, before waiting ends: a suspended worker may be resumed
MAX_SHOWN = 20


class CompletionCheck:
    """Decides from one snapshot after the other whether there is anything left to wait for."""

    def __init__(self, monitor: StoreMonitor) -> None:
        self.monitor = monitor
        self.idle_since: float | None = None

    def code(self, snapshot: Snapshot) -> int | None:
        """0 if all that was requested is done and scored, 1 if it ended without that, None while it makes progress."""
        snapshot = requested_part(self.monitor, snapshot)
        alive = snapshot.alive
        if snapshot.finished:
            unscored, alive = self.monitor.awaiting_scores(snapshot)
            if not unscored and not alive:
                return ExitCode.UNFINISHED if any(view.status.unmet for view in snapshot.runs) else 0
        if alive and not snapshot.hangs:
            self.idle_since = None
            return None
        now = time.monotonic()
        self.idle_since = self.idle_since or now
        patience = STALL_S if alive else IDLE_S if snapshot.scheduler_error is None else SILENT_S
        return ExitCode.UNFINISHED if now - self.idle_since >= patience else None


def chosen(store: Store, name: str | None) -> SweepFolder:
    """The named sweep, or the newest if `name` is None. Raises `UserError` for an unknown name or an empty store."""
    return by_age(store)[0] if name is None else find_sweep(store, name)


def pause_s(took_s: float) -> float:
    """Seconds to sleep after a snapshot that took `took_s`: uses at most a tenth of a core."""
    return max(POLL_S, 9 * took_s)


def closing(monitor: StoreMonitor, sweep: str, whole: Snapshot) -> list[str]:
    """How a sweep ended: counts, and each requested run that is not finished, with the reason."""
    lines, snapshot = [f"sweep {sweep}: {summary(whole)}"], requested_part(monitor, whole)
    if whole.trials_left > snapshot.trials_left:
        lines.append("stage=grid left out its search: run the command with stage=search, or without stage, to continue")
    called = labels((view.id, view.axes) for view in snapshot.runs)
    bad = [view for view in snapshot.runs if view.state not in FINISHED or view.status.unmet]
    for view in bad[:MAX_SHOWN]:
        reason = view.reason or "; ".join(view.status.unmet.values())
        lines.append(f"  {view.id} {view.state} {called[view.id]}" + f" ({reason})" * bool(reason))
    if len(bad) > MAX_SHOWN:
        lines.append(f"  and {len(bad) - MAX_SHOWN} more")
    if snapshot.scheduler_error is not None and not snapshot.finished:
        lines.append(
            f"the scheduler has not answered for {duration(SILENT_S)}, and these runs have no worker outside of it; "
            "queued jobs continue: wait again when it answers"
        )
    if snapshot.hangs:
        lines.append(f"only stalled runs are left, without progress for {duration(STALL_S)}: stopped waiting for them")
    return [*lines, *snapshot.unreadable.values(), *advice(monitor.store, sweep, snapshot)]


def wait(argv: list[str]) -> int:
    """Block until what a sweep's newest command requested is finished; 1 if runs failed, hang or have no worker."""
    given = arguments.wait().parse(argv)
    store = Store(given.store)
    folder = chosen(store, given.sweep)
    monitor = StoreMonitor(store, folder, query=query_schedulers)
    check, announced, stalled = CompletionCheck(monitor), False, set[str]()
    try:
        while True:
            began = time.monotonic()
            snapshot = monitor.snapshot()
            code = check.code(snapshot)
            if code is not None:
                break
            if not announced:
                logger.info(f"waiting for sweep {folder.name}: {summary(snapshot)}")
                announced = True
            new = [view for view in snapshot.runs if view.state == STALLED and view.id not in stalled]
            stalled |= {view.id for view in new}
            for line in stalled_advice(new):
                logger.warning(line)
            time.sleep(pause_s(time.monotonic() - began))
    except KeyboardInterrupt:
        logger.info("stopped waiting; the runs continue")
        return ExitCode.INTERRUPTED
    for line in closing(monitor, folder.name, snapshot):
        print(printable(line))
    return code
