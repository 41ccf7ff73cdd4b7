"""Finding a run in a store by what a person types: its id, or as much of it as is unique. No torch."""

from __future__ import annotations

from difflib import get_close_matches

from landscape.config.errors import UserError
from landscape.store.formats import RUN_ID
from landscape.store.run_folder import RunFolder
from landscape.store.store import Store


def find_run(store: Store, text: str) -> RunFolder:
    """The run whose id is `text` or alone begins with it; raises `UserError` that names the near ones."""
    if RUN_ID.fullmatch(text) and store.run(text).exists():
        return store.run(text)
    ids = [run.id for run in store.run_folders()]
    if not ids:
        raise UserError(f"no runs in {store.root}; give another store with store=PATH")
    begin = [name for name in ids if text and name.startswith(text)]
    if len(begin) == 1:
        return store.run(begin[0])
    if begin:
        raise UserError(f"run={text} begins {_some(begin)}; give more of the id")
    near = get_close_matches(text, [name[: len(text)] for name in ids], n=3, cutoff=0.5)
    close = [name for name in ids if name[: len(text)] in near]
    hint = f"near it: {_some(close)}" if close else f"there: {_some(ids)}"
    raise UserError(f"run={text} is not in {store.root}; {hint}")


def _some(ids: list[str]) -> str:
    return ", ".join(ids[:4]) + (f" and {len(ids) - 4} more" if len(ids) > 4 else "")
