"""Finds and stops the processes of this program that work on a store.

A file in a shared store may name any process, so the command line of a process is checked before it is signalled.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from landscape.config.cli import unquoted
from landscape.config.errors import CorruptFile
from landscape.config.text import plural
from landscape.store import Store, SweepFolder, processes
from landscape.store.leases import claim_in_force
from landscape.store.process_record import ProcessRecord
from sweeps.console import tell
from sweeps.planning.sweep_runs import SweepRuns

MODULES = (
    "landscape.sweep",
    "landscape.evaluate",
    "landscape.runtime.worker",
    "landscape.runtime.forkserver",
    "sweeps",
    "sweeps.search.worker",
)
SCRIPTS = ("landscape-sweep", "landscape-evaluate", "landscape-sweeps")  # console scripts of the above
DEFAULT = "outputs"  # the store of a command that names none


def works_on(store: Store, one: ProcessRecord) -> bool:
    """Whether the process that `one` names is alive on this machine, and its command works on this store."""
    if not one.is_here or not one.lives:
        return False
    words = processes.command(one.pid)
    named = store_of(words)
    if named is None:
        return False
    folder = processes.folder(one.pid)
    if folder is None and not Path(named).expanduser().is_absolute():
        return True  # no /proc: only the command is known
    return ((folder or Path()) / Path(named).expanduser()).resolve() == store.root.resolve()


def store_of(words: Sequence[str]) -> str | None:
    """The store folder that a command line of this program names; None for any other command line."""
    starts = zip(["", *words], words, strict=False)
    at = next((i for i, (before, word) in enumerate(starts) if before == "-m" or Path(word).name in SCRIPTS), None)
    if at is None or (Path(words[at]).name not in SCRIPTS and words[at] not in MODULES):
        return None
    named, rest = DEFAULT, list(words[at + 1 :])
    for word, following in zip(rest, [*rest[1:], ""], strict=True):
        if word == "--store":
            named = following
        elif word.startswith(("--store=", "store=")):
            named = unquoted(word.partition("=")[2])
    return named


def stop_here(store: Store, folder: SweepFolder) -> int:
    """Ask the sweep's controller on this machine, and workers without one, to save and stop; returns how many."""
    stopped = 0
    controller: ProcessRecord | None
    try:
        controller = folder.controller()
    except (FileNotFoundError, CorruptFile):
        controller = None
    if controller is not None and _is_ours(store, controller):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(controller.pid, signal.SIGINT)
            tell(f"process {controller.pid} was asked to stop; its workers save and exit")
            stopped += 1
    workers = 0
    for pid in sorted(_workers_here(store, folder)):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGTERM)
            workers += 1
    if workers:
        tell(f"{plural(workers, 'worker')} on this machine asked to save and exit")
    return stopped + workers


def _workers_here(store: Store, folder: SweepFolder) -> set[int]:
    """Processes on this machine that train runs of the sweep, or that wait for a trial of its searches.

    Files of dead search workers are removed.
    """
    claims = [claim_in_force(store.run(one)) for one in SweepRuns(store, folder).ids()]
    found = {claim.pid for claim in claims if claim is not None and _is_ours(store, claim)}
    for file in store.search_workers(folder.name).glob("*.json"):
        with suppress(FileNotFoundError, CorruptFile):
            worker = folder.search_worker(file)
            if _is_ours(store, worker):
                found.add(worker.pid)
            elif worker.is_here and not worker.lives:
                file.unlink()
    return found


def _is_ours(store: Store, one: ProcessRecord) -> bool:
    """Whether a process that a file names may be signalled; logs a live process that is not this program's."""
    if works_on(store, one):
        return True
    if one.is_here and one.lives:
        tell(f"process {one.pid} is recorded as a worker of this store, but runs another command: it was not stopped")
    return False
