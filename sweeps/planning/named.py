"""Which sweep of a store is meant: by its name, the beginning of it, or as the newest."""

from __future__ import annotations

from landscape.config.errors import UserError, nearest
from landscape.store import Store, SweepFolder


def by_age(store: Store) -> list[SweepFolder]:
    """The sweeps of a store, the one that was planned last first; raises `UserError` where there is none."""
    folders = store.sweep_folders()
    if not folders:
        raise UserError(f"no sweeps in {store.root}; give another store with --store FOLDER")
    return sorted(folders, key=lambda folder: folder.plan_file.lstat().st_mtime, reverse=True)


def find_sweep(store: Store, name: str | None) -> SweepFolder:
    """The sweep whose name this is or begins with, or the only one; raises `UserError` naming those there are."""
    newest = by_age(store)
    folders = {folder.name: folder for folder in newest}
    names = ", ".join(f.name for f in newest[:10]) + (", ..." if len(newest) > 10 else "")
    if name is None:
        if len(folders) > 1:
            raise UserError(f"the store holds {len(folders)} sweeps; name one (newest first): {names}")
        return newest[0]
    found = [folders[name]] if name in folders else [f for n, f in folders.items() if n.startswith(name)]
    if len(found) != 1:
        what = "is not known" + nearest(name, folders) if not found else "is the beginning of several"
        raise UserError(f"sweep {name} {what}; in the store (newest first): {names}")
    return found[0]
