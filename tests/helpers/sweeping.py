"""What tests of whole sweeps share: the user's command in a process of its own, its runs and its workers."""

from __future__ import annotations

import subprocess

from support import command

from landscape.store import RunFolder, Store
from landscape.store.leases import LeaseMonitor, claim_in_force


def runs(store: Store) -> list[RunFolder]:
    return list(store.run_folders())


def states(store: Store) -> list[str]:
    return [run.status().state for run in runs(store)]


def start(store: Store, *overrides: str) -> subprocess.Popen[str]:
    arguments = command(*overrides, f"store={store.root}")
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def workers(store: Store) -> list[int]:
    """Pids of workers that live."""
    claims = [(run, claim_in_force(run)) for run in runs(store)]
    return [claim.pid for run, claim in claims if claim is not None and not LeaseMonitor().is_lost(run, claim)]
