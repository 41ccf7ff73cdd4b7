"""Where a search's trials are kept: SQLite on one machine, a journal on a shared disk, or a data base server."""

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

WAIT_S = 60  # for another process's write to a SQLite file


class Database(RDBStorage):
    """A storage in tables, none of whose connections is left to the garbage collector."""

    def __init__(self, url: str, **engine_kwargs: Any) -> None:
        try:
            super().__init__(url, engine_kwargs=engine_kwargs)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close every connection; where the storage could not be opened, those of the attempt."""
        if hasattr(self, "scoped_session"):
            self.remove_session()
        if hasattr(self, "engine"):
            self.engine.dispose()


def close_storage(storage: BaseStorage) -> None:
    """Let go of a storage. (A journal is open only while it is read and written.)"""
    if isinstance(storage, Database):
        storage.close()


def open_storage(kind: str, store: Store, sweep: str, cell: str) -> BaseStorage:
    """The storage of one cell's search; whoever calls holds the search's lock, because tables may be made.

    Raises `UserError` where a data base cannot be reached, without its password.
    """
    if kind == "journal":
        file = store.search_storage(sweep, f"{cell}.journal")
        file.parent.mkdir(parents=True, exist_ok=True)
        _cut_torn_line(file)
        return JournalStorage(JournalFileBackend(str(file)))
    if kind == "sqlite":
        file = store.search_storage(sweep, f"{cell}.db")
        file.parent.mkdir(parents=True, exist_ok=True)
        # Like a journal: a worker waits for hours between two looks.
        return Database(f"sqlite:///{file}", poolclass=NullPool, connect_args={"timeout": WAIT_S})
    return connect(kind)


def connect(url: str) -> Database:
    """A data base server's storage; raises `UserError` in one sentence."""
    try:
        return Database(with_password(_with_driver(url)), pool_pre_ping=True)
    except ImportError as e:
        raise UserError(f"search.storage={redact(url)} needs a driver that is not installed ({e.name})") from e
    except (SQLAlchemyError, RuntimeError, ValueError) as e:
        why = redact(" ".join(str(e.__cause__ or e).split()))[:300]
        raise UserError(f"search.storage={redact(url)} cannot be reached: {why}") from e


def _with_driver(url: str) -> str:
    """Where a PostgreSQL URL names no driver, one that is installed (SQLAlchemy's default differs by its version)."""
    read = read_url(url)
    if read.drivername == "postgresql" and find_spec("psycopg2") is not None:
        read = read.set(drivername="postgresql+psycopg2")
    return read.render_as_string(hide_password=False)


def _cut_torn_line(file: Path) -> None:
    """Cut a last line without an end (a power cut while it was written): behind it no line would read."""
    if not file.exists():
        return
    with open(file, "r+b") as f:
        text = f.read()
        if text and not text.endswith(b"\n"):
            f.truncate(text.rfind(b"\n") + 1)
