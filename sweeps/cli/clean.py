"""`python -m sweeps clean`: list what killed processes left in a store; --yes removes it."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from landscape.config.errors import CorruptFile, ExitCode
from landscape.store import Store, leases
from landscape.store.leftovers import mark, remove, temporary, writer_lives
from landscape.store.locks import held, locked
from landscape.store.process_record import ProcessRecord
from sweeps.cli import arguments
from sweeps.console import show, tell


@dataclass
class Leftover:
    """A file or folder to remove."""

    path: Path
    lock: Path | None = None  # held while it is removed
    sure: bool = True  # its writer is known to be dead; otherwise it is watched first
    is_dead: Callable[[], bool] = lambda: True  # checked right before it is removed


def clean(argv: list[str]) -> int:
    """List what killed processes left: temporary files, half-made folders, locks, process files; --yes removes it."""
    given = arguments.clean().parse(argv)
    store = Store(given.store)
    found = leftovers(store, [Path(report) for report in given.report])
    size = sum(mark(one.path)[1] for one in found)
    for one in found:
        unsure = "" if one.sure else "  (its writer is on another machine)"
        show(f"{mark(one.path)[1]:>12,} bytes  {one.path}{unsure}")
    if not found:
        show(f"nothing to clean in {store.root}")
    elif not given.yes:
        show(f"{len(found)} leftovers, {size:,} bytes; nothing was removed; --yes removes them")
    else:
        show(f"removed {remove_all(found)} of {len(found)} leftovers")
    return ExitCode.DONE


def leftovers(store: Store, reports: list[Path]) -> list[Leftover]:
    """What no live process of this machine uses, in the store and in these folders of reports."""
    found = []
    for path in (one for root in (store.runs, store.sweeps, store.cache, *reports) for one in temporary(root)):
        lives = writer_lives(path.name)
        if not lives:
            found.append(Leftover(path, sure=lives is False))
    for path in sorted(store.cache.glob("datasets/.*.making")):
        lock = store.lock_file("datasets", path.name[1 : -len(".making")])
        if not held(lock):
            found.append(Leftover(path, lock, sure=False))
    for path in (*store.cache.glob("*/.*.lock"), store.submit_lock(), *store.sweeps.glob("*/search/.*.lock")):
        if path.is_file() and not path.is_symlink() and path.stat().st_size == 0 and not held(path):
            found.append(Leftover(path, path))
    for folder in store.sweep_folders():
        files = [(folder.controller_file, folder.controller)]
        files += [(one, partial(folder.search_worker, one)) for one in store.search_workers(folder.name).glob("*.json")]
        for path, process in files:
            is_dead = partial(_is_dead, process)
            if is_dead():
                found.append(Leftover(path, is_dead=is_dead))
    return found


def _is_dead(process: Callable[[], ProcessRecord]) -> bool:
    """Whether a file names a process of this machine that has ended."""
    try:
        named = process()
    except (FileNotFoundError, CorruptFile):
        return False
    return named.is_here and not named.lives


def remove_all(found: list[Leftover]) -> int:
    """Remove these, but not what still changes within `LOST_AFTER_S`; returns how many were removed."""
    unsure = [one for one in found if not one.sure]
    before = {one.path: mark(one.path) for one in unsure}
    if unsure:
        tell(f"watching {len(unsure)} of them for {leases.LOST_AFTER_S:.0f} s, in case they are still written")
        time.sleep(leases.LOST_AFTER_S)
    removed = 0
    for one in found:
        if not one.is_dead() or (one.path in before and mark(one.path) != before[one.path]):
            continue
        with suppress(FileNotFoundError):
            if one.lock is None:
                remove(one.path)
            elif held(one.lock):
                continue
            else:
                with locked(one.lock):
                    remove(one.path)
        removed += 1
    return removed
