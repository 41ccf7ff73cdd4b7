"""A table of runs (`python -m sweeps export`) in place of a store."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from landscape.store import Store, run_table


@contextmanager
def opened(source: str | Path) -> Iterator[Store]:
    """The store at a path; of a table the store that it makes, for as long as it is open. Raises `UserError` or
    `CorruptFile` for a table that does not match its ids."""
    if not run_table.is_table(source):
        yield Store(source)
        return
    with tempfile.TemporaryDirectory(prefix="landscape-table-") as folder:
        store = Store(folder)
        run_table.put(run_table.read(source), store)
        yield store
