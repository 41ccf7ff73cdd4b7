"""`python -m sweeps cancel`: the jobs of a sweep leave the queue, workers save and stop, runs can be taken up again."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from dataclasses import replace
from typing import Any

from landscape.config.errors import CorruptFile
from landscape.config.text import plural
from landscape.store import PLANNED, QUEUED, Store, SweepFolder
from landscape.store.leases import claim_in_force
from landscape.store.locks import locked
from landscape.store.lookup import find_sweep
from landscape.store.processes import is_here, lives
from sweeps.cli.resubmit import parser
from sweeps.console import tell
from sweeps.launchers.own_processes import works_on
from sweeps.launchers.slurm import client
from sweeps.launchers.slurm.submissions import append, in_queue, submissions, users
from sweeps.planning.sweep_runs import Members


def cancel(arguments: list[str]) -> int:
    """Take a sweep's jobs out of the queue and ask its workers to save and stop; nothing that was trained is lost."""
    given = parser("cancel", cancel.__doc__ or "").parse_args(arguments)
    store = Store(given.store)
    folder = find_sweep(store, given.sweep)
    jobs = _cancel_jobs(store, folder) if submissions(folder) else 0
    stopped = _stop_here(store, folder)
    for one in folder.plan()["runs"]:
        run = store.run(one)
        with suppress(CorruptFile, OSError):
            status = run.status()
            if status.state == QUEUED and claim_in_force(run) is None:
                run.write_status(replace(status, state=PLANNED), durable=False)
    if not jobs and not stopped:
        tell(f"nothing to cancel: sweep {folder.name} has neither jobs in the queue nor workers on this machine")
        return 0
    tell("what was begun is saved and goes on from there when the sweep's command is given again")
    return 0


def _cancel_jobs(store: Store, folder: SweepFolder) -> int:
    """Cancel by one call; first it is written down, so that a job that saves at the signal does not queue again."""
    with locked(store.submit_lock()):
        live = [one for one in in_queue(store, client.queue(users(store))).submissions if one.sweep == folder.name]
        for one in live:
            append(folder, {"token": one.token, "cancelled": True})
        client.cancel([str(one.job) for one in live])
    if live:
        tell(f"cancelled {plural(len(live), 'array')}: job {', '.join(str(one.job) for one in live)}")
    return len(live)


def _stop_here(store: Store, folder: SweepFolder) -> int:
    """Ask the local controller of the sweep to stop, as Ctrl-C does, and workers that have outlived theirs."""
    stopped = 0
    try:
        controller = folder.controller()
    except (FileNotFoundError, CorruptFile):
        controller = {}
    if _is_ours(store, controller):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(controller["pid"], signal.SIGINT)
            tell(f"process {controller['pid']} was asked to stop; its workers save and end")
            stopped += 1
    workers = 0
    for pid in sorted(_workers_here(store, folder)):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGTERM)
            workers += 1
    if workers:
        tell(f"{plural(workers, 'worker')} on this machine asked to save and end")
    return stopped + workers


def _workers_here(store: Store, folder: SweepFolder) -> set[int]:
    """Processes of this machine that train runs of the sweep, or that work on its searches and may just wait.

    What killed workers of its searches left of themselves is cleared away.
    """
    claims = [claim_in_force(store.run(one)) for one in Members(store, folder).ids()]
    found = {int(claim["pid"]) for claim in claims if claim is not None and _is_ours(store, claim)}
    for file in store.search_workers(folder.name).glob("*.json"):
        with suppress(FileNotFoundError, CorruptFile):
            worker = folder.search_worker(file)
            if _is_ours(store, worker):
                found.add(int(worker["pid"]))
            elif is_here(worker) and not lives(worker):
                file.unlink()
    return found


def _is_ours(store: Store, one: dict[str, Any]) -> bool:
    """Whether a process that a file names may be signalled; one that lives and is something else is told of."""
    if works_on(store, one):
        return True
    if is_here(one) and lives(one):
        tell(f"process {one['pid']} is named as a worker here, but its command is not one on this store: left alone")
    return False
