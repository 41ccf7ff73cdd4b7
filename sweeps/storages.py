"""Where a search's trials are kept: SQLite on one machine, a journal on a shared disk, or a data base server."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from sqlalchemy.exc import SQLAlchemyError

from landscape.errors import UserError
from landscape.store import Store
from sweeps.passwords import VARIABLE, redact, with_password

WAIT_S = 60  # for another process's write to a SQLite file


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
        return RDBStorage(f"sqlite:///{file}", engine_kwargs={"connect_args": {"timeout": WAIT_S}})
    return connect(kind)


def connect(url: str) -> BaseStorage:
    """A data base server's storage; raises `UserError` in one sentence."""
    try:
        return RDBStorage(with_password(_with_driver(url)), engine_kwargs={"pool_pre_ping": True})
    except ImportError as e:
        raise UserError(f"search.storage={redact(url)} needs a driver that is not installed ({e.name})") from e
    except (SQLAlchemyError, RuntimeError, ValueError) as e:
        why = " ".join(str(e.__cause__ or e).split())[:300]
        password = os.environ.get(VARIABLE)
        why = redact(why.replace(password, "***") if password else why)
        raise UserError(f"search.storage={redact(url)} cannot be reached: {why}") from e


def _with_driver(url: str) -> str:
    """Where a PostgreSQL URL names no driver, one that is installed (SQLAlchemy's default differs by its version)."""
    scheme, _, rest = url.partition("://")
    if scheme == "postgresql" and find_spec("psycopg2") is not None:
        return f"postgresql+psycopg2://{rest}"
    return url


def _cut_torn_line(file: Path) -> None:
    """Cut a last line without an end (a power cut while it was written): behind it no line would read."""
    if not file.exists():
        return
    with open(file, "r+b") as f:
        text = f.read()
        if text and not text.endswith(b"\n"):
            f.truncate(text.rfind(b"\n") + 1)
