"""`python -m sweeps cancel`: cancel the jobs of a sweep, and have its workers save and stop."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from landscape.config.errors import CorruptFile, ExitCode
from landscape.store import PLANNED, QUEUED, Store
from landscape.store.leases import claim_in_force
from landscape.store.lookup import find_sweep
from sweeps.cli import arguments
from sweeps.console import tell
from sweeps.launchers.own_processes import stop_here
from sweeps.launchers.registry import cancel as cancel_jobs


def cancel(argv: list[str]) -> int:
    """Cancel a sweep's jobs and ask its workers to save and stop; they can be resumed."""
    given = arguments.cancel().parse(argv)
    store = Store(given.store)
    folder = find_sweep(store, given.sweep)
    jobs, stopped = cancel_jobs(store, folder), stop_here(store, folder)
    for one in folder.plan().runs:
        run = store.run(one)
        with suppress(CorruptFile, OSError):
            status = run.status()
            if status.state == QUEUED and claim_in_force(run) is None:
                run.write_status(replace(status, state=PLANNED), durable=False)
    if not jobs and not stopped:
        tell(f"nothing to cancel: sweep {folder.name} has no jobs in the queue and no workers on this machine")
        return ExitCode.DONE
    tell("runs that had started are saved; the sweep's command resumes them")
    return ExitCode.DONE
