"""Find a run or sweep by its id or name, or a unique prefix. No torch."""

from __future__ import annotations

from difflib import get_close_matches

from landscape.config.errors import UserError, nearest
from landscape.store.formats import RUN_ID
from landscape.store.run_folder import RunFolder
from landscape.store.store import Store
from landscape.store.sweep_folder import SweepFolder


def find_run(store: Store, text: str) -> RunFolder:
    """The run with this id or unique prefix. Raises `UserError` with similar ids."""
    if RUN_ID.fullmatch(text) and store.run(text).exists():
        return store.run(text)
    ids = [run.id for run in store.run_folders()]
    if not ids:
        raise UserError(f"no runs in {store.root}; give another store with store=FOLDER")
    begin = [name for name in ids if text and name.startswith(text)]
    if len(begin) == 1:
        return store.run(begin[0])
    if begin:
        raise UserError(f"run {text} is ambiguous: {_some(begin)}; give more of the id")
    near = get_close_matches(text, [name[: len(text)] for name in ids], n=3, cutoff=0.5)
    close = [name for name in ids if name[: len(text)] in near]
    hint = f"similar: {_some(close)}" if close else f"runs there: {_some(ids)}"
    raise UserError(f"run {text} is not in {store.root}; {hint}")


def _some(ids: list[str]) -> str:
    return ", ".join(ids[:4]) + (f" and {len(ids) - 4} more" if len(ids) > 4 else "")


def by_age(store: Store) -> list[SweepFolder]:
    """The sweeps of a store, newest plan first. Raises `UserError` if there are none."""
    folders = store.sweep_folders()
    if not folders:
        raise UserError(f"no sweeps in {store.root}; give another store with store=FOLDER")
    return sorted(folders, key=lambda folder: folder.plan_file.lstat().st_mtime, reverse=True)


def find_sweep(store: Store, name: str | None) -> SweepFolder:
    """The sweep with this name or unique prefix, or the only one if `name` is None. Raises `UserError` with the
    names."""
    newest = by_age(store)
    folders = {folder.name: folder for folder in newest}
    names = ", ".join(f.name for f in newest[:10]) + (", ..." if len(newest) > 10 else "")
    if name is None:
        if len(folders) > 1:
            raise UserError(f"the store holds {len(folders)} sweeps; name one (newest first): {names}")
        return newest[0]
    found = [folders[name]] if name in folders else [f for n, f in folders.items() if n.startswith(name)]
    if len(found) != 1:
        what = "is not known" + nearest(name, folders) if not found else "is ambiguous"
        raise UserError(f"sweep {name} {what}; in the store (newest first): {names}")
    return found[0]
