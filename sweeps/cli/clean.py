"""`python -m sweeps clean`: what killed processes left in a store, shown, and removed with --yes."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from landscape.config.errors import ExitCode
from landscape.store import Store, leases
from landscape.store.leftovers import mark, remove, temporary, writer_lives
from landscape.store.locks import held, locked
from sweeps.cli import arguments
from sweeps.console import show, tell


@dataclass
class Litter:
    """Something to remove."""

    path: Path
    lock: Path | None = None  # to be held meanwhile
    sure: bool = True  # that nobody writes it; else it is watched first


def clean(argv: list[str]) -> int:
    """Show what killed processes left: temporary files, half-made folders, locks; --yes removes it."""
    given = arguments.clean().parse(argv)
    store = Store(given.store)
    found = litter(store, [Path(report) for report in given.report])
    size = sum(mark(one.path)[1] for one in found)
    for one in found:
        unsure = "" if one.sure else "  (its writer cannot be looked up from here)"
        show(f"{mark(one.path)[1]:>12,} bytes  {one.path}{unsure}")
    if not found:
        show(f"nothing to clean in {store.root}")
    elif not given.yes:
        show(f"{len(found)} leftovers, {size:,} bytes; nothing was removed: give --yes to remove them")
    else:
        show(f"removed {remove_all(found)} of {len(found)} leftovers")
    return ExitCode.DONE


def litter(store: Store, reports: list[Path]) -> list[Litter]:
    """What no living process of this machine writes, in the store and in these folders of reports."""
    found = []
    for path in (one for root in (store.runs, store.sweeps, store.cache, *reports) for one in temporary(root)):
        lives = writer_lives(path.name)
        if not lives:
            found.append(Litter(path, sure=lives is False))
    for path in sorted(store.cache.glob("datasets/.*.making")):
        lock = store.lock_file("datasets", path.name[1 : -len(".making")])
        if not held(lock):
            found.append(Litter(path, lock, sure=False))
    for path in (*store.cache.glob("*/.*.lock"), store.submit_lock(), *store.sweeps.glob("*/search/.*.lock")):
        if path.is_file() and not path.is_symlink() and path.stat().st_size == 0 and not held(path):
            found.append(Litter(path, path))
    return found


def remove_all(found: list[Litter]) -> int:
    """Remove what nobody writes; what changes within the time after which a worker counts as lost stays."""
    unsure = [one for one in found if not one.sure]
    before = {one.path: mark(one.path) for one in unsure}
    if unsure:
        tell(f"watching {len(unsure)} of them for {leases.LOST_AFTER_S:.0f} s, in case somebody writes them")
        time.sleep(leases.LOST_AFTER_S)
    removed = 0
    for one in found:
        if one.path in before and mark(one.path) != before[one.path]:
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
