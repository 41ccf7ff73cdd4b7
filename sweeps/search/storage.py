"""Storage of a search's trials: SQLite on one machine, a journal on a shared disk, or a database server."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from landscape.config.errors import UserError
from landscape.store import Store
from sweeps.credentials import read_url, redact, with_password

WAIT_S = 60  # for another process to finish writing a SQLite file


class Database(RDBStorage):
    """A relational storage with a `close`, so that no connection is left to the garbage collector."""

    def __init__(self, url: str, **engine_kwargs: Any) -> None:
        try:
            super().__init__(url, engine_kwargs=engine_kwargs)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close every connection, including those of a failed attempt to open it."""
        if hasattr(self, "scoped_session"):
            self.remove_session()
        if hasattr(self, "engine"):
            self.engine.dispose()


def close_storage(storage: BaseStorage) -> None:
    """Close a storage. (A journal is only open while it is read or written.)"""
    if isinstance(storage, Database):
        storage.close()


def open_storage(kind: str, store: Store, sweep: str, cell: str) -> BaseStorage:
    """Open the storage of one cell's search; the caller holds the search's lock, as tables may be created.

    Raises `UserError`, without passwords, if a database cannot be reached.
    """
    if kind == "journal":
        file = store.search_storage(sweep, f"{cell}.journal")
        file.parent.mkdir(parents=True, exist_ok=True)
        _cut_torn_line(file)
        return JournalStorage(JournalFileBackend(str(file)))
    if kind == "sqlite":
        file = store.search_storage(sweep, f"{cell}.db")
        file.parent.mkdir(parents=True, exist_ok=True)
        # No pool: a worker may not use its connection for hours.
        return Database(f"sqlite:///{file}", poolclass=NullPool, connect_args={"timeout": WAIT_S})
    return connect(kind)


def connect(url: str) -> Database:
    """Connect to a database server; raises `UserError`, without passwords, if it cannot be reached."""
    try:
        return Database(with_password(_with_driver(url)), pool_pre_ping=True)
    except ImportError as e:
        raise UserError(f"search.storage={redact(url)} needs a database driver that is not installed ({e.name})") from e
    except (SQLAlchemyError, RuntimeError, ValueError) as e:
        why = redact(" ".join(str(e.__cause__ or e).split()))[:300]
        raise UserError(f"search.storage={redact(url)} cannot be reached: {why}") from e


def _with_driver(url: str) -> str:
    """Use psycopg2, if installed, for a PostgreSQL URL without a driver: SQLAlchemy's default varies by version."""
    read = read_url(url)
    if read.drivername == "postgresql" and find_spec("psycopg2") is not None:
        read = read.set(drivername="postgresql+psycopg2")
    return read.render_as_string(hide_password=False)


def _cut_torn_line(file: Path) -> None:
    """Remove an incomplete last line, left by a power cut: later lines could not be read."""
    if not file.exists():
        return
    with open(file, "r+b") as f:
        text = f.read()
        if text and not text.endswith(b"\n"):
            f.truncate(text.rfind(b"\n") + 1)
