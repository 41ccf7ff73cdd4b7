"""Data bases of searches: their connections are closed by whoever opened them, their passwords stand nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import postgres
import pytest
from optuna.storages import RDBStorage
from searching import planned, search_here, trials
from sqlalchemy import event, make_url
from sqlalchemy.pool import Pool

from landscape.config.errors import UserError
from landscape.store import Store
from sweeps.cli.sweep import check_storage, main
from sweeps.credentials import QUERY_VARIABLE, VARIABLE, environment, redact, with_password, without_password
from sweeps.planning.plan import make_plan
from sweeps.planning.search_spec import read_searches
from sweeps.search.storage import connect, open_storage
from sweeps.search.trial_queue import Trial, TrialQueue
from sweeps.search.worker import SearchWorker

SMALL = ("train.steps=2", "train.batch_size=16", "arch.width=0.04", "metrics.every=2", "metrics.n_fake=64")


@pytest.fixture
def connections() -> Iterator[list[int]]:
    """The connections to data bases that are open now. None is left to the garbage collector: all that were opened
    are kept from it."""
    there: list[int] = []
    kept: list[Any] = []

    def opened(connection: Any, _: Any) -> None:
        kept.append(connection)
        there.append(id(connection))

    def closed(connection: Any, _: Any) -> None:
        there.remove(id(connection))

    event.listen(Pool, "connect", opened)
    event.listen(Pool, "close", closed)
    try:
        yield there
        assert kept, "nothing was opened"
    finally:
        event.remove(Pool, "connect", opened)
        event.remove(Pool, "close", closed)


def test_a_search_leaves_no_connection_open(store: Store, connections: list[int]) -> None:
    plan = planned(store, "search=random", "search.trials=2", base=SMALL)
    assert search_here(store, plan) == 0 and len(trials(store, plan)) == 2
    assert connections == []


def test_a_search_whose_worker_breaks_off_leaves_none(
    store: Store, connections: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = planned(store, "search=random", "search.trials=1", base=SMALL)

    def break_off(*given: object) -> str:
        raise OSError("the disk is gone")

    monkeypatch.setattr("landscape.runtime.worker.work", break_off)
    with pytest.raises(OSError, match="gone"):
        search_here(store, plan)
    assert connections == []


def test_a_storage_that_cannot_be_used_leaves_none(
    store: Store, connections: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tables are there, and then something is wrong with them."""

    def wrong(self: object) -> None:
        raise RuntimeError("the tables are of another version")

    monkeypatch.setattr("optuna.storages._rdb.storage._VersionManager.check_table_schema_compatibility", wrong)
    with pytest.raises(RuntimeError, match="another version"):
        open_storage("sqlite", store, "s", "c")
    assert connections == []


def test_a_file_is_open_only_while_it_is_read_and_written(store: Store, connections: list[int]) -> None:
    """A worker waits for hours between two looks, and may be killed there."""
    plan = planned(store, "search=random", "search.trials=1", base=SMALL)
    (cell,) = SearchWorker(store, plan.name, None, {}).cells
    trial = cell.next()
    assert isinstance(trial, Trial) and connections == []
    assert cell.queue.tell(trial, 1.0) and connections == []


def test_a_servers_connections_are_closed_with_its_ledger(
    store: Store, database: str, connections: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = planned(store, "search=random", "search.trials=1", f"search.storage='{database}'", base=SMALL)
    monkeypatch.setenv(VARIABLE, "")  # is put back
    check_storage(plan)
    assert connections == [], "a look whether it can be reached"
    lock = store.search_storage(plan.name, "lock")
    with TrialQueue(plan.searches[0], lambda: connect(database), "t", lock) as ledger:
        assert isinstance(ledger.next(lambda params, owner: False), Trial) and connections != []
    assert connections == []
    monkeypatch.setattr(RDBStorage, "create_new_study", lambda *given, **more: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        TrialQueue(plan.searches[0], lambda: connect(database), "other", lock)
    assert connections == []
    with pytest.raises(UserError, match="cannot be reached"):
        connect(database.replace("/postgres", "/nowhere"))
    assert connections == []


# Passwords


def test_passwords_are_neither_shown_nor_stored(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = postgres.PASSWORD
    bare = without_password(database)
    assert secret not in bare and environment(database) == {VARIABLE: secret}
    assert "***" in redact(f"given {database} twice")
    monkeypatch.setenv(VARIABLE, secret)
    assert with_password(bare) == database
    connect(bare).close()
    monkeypatch.setenv(VARIABLE, "wrong-one")
    with pytest.raises(UserError) as error:
        connect(bare)
    assert "cannot be reached" in str(error.value) and "wrong-one" not in str(error.value)
    assert "\n" not in str(error.value)


URLS = [
    ("postgresql://me:pw9@host/db", "postgresql://me@host/db"),
    ("postgresql://me:pw9/pw9 pw9@host/db", "postgresql://me@host/db"),
    ("postgresql://me:pw9?pw9=#pw9@host/db", "postgresql://me@host/db"),
    ("mysql+pymysql://me:pw9:pw9@host:3306/db", "mysql+pymysql://me@host:3306/db"),
    ("postgresql://host/db?user=me&password=pw9", "postgresql://host/db?user=me"),
    ("postgresql://host/db?password=pw9&user=me", "postgresql://host/db?user=me"),
    ("mysql+pymysql://me@host/db?passwd=pw9 pw9", "mysql+pymysql://me@host/db"),
    ("postgresql://me:pw9@host/db?sslmode=require&SSLPassword=pw9%2Fpw9", "postgresql://me@host/db?sslmode=require"),
    ("mssql+pyodbc://?odbc_connect=UID%3Dme%3BPWD%3Dpw9", "mssql+pyodbc://"),
    ("postgresql://me@host/db?passfile=/home/me/.pgpass", "postgresql://me@host/db?passfile=/home/me/.pgpass"),
    ("postgresql://me@host/db", "postgresql://me@host/db"),
    ("search.storage='postgresql://me:pw9 pw9@host/db'", "search.storage='postgresql://me@host/db'"),
    (
        'search={storage: "postgresql://me:pw9@host/db", trials: 3}',
        'search={storage: "postgresql://me@host/db", trials: 3}',
    ),
    ("sqlite", "sqlite"),
]


@pytest.mark.parametrize(("url", "stored"), URLS, ids=[url for url, _ in URLS])
def test_a_stored_url_has_no_password_and_the_environment_has_it(
    url: str, stored: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert without_password(url) == stored and "pw9" not in redact(f"{url} is wrong")
    if "=" in url.partition("://")[0] or "://" not in url:
        return
    for variable in (VARIABLE, QUERY_VARIABLE):
        monkeypatch.setenv(variable, environment(url).get(variable, ""))
    assert make_url(with_password(stored)) == make_url(url)  # what a worker connects by


UNREADABLE = (
    "postgresql://me:pw9@pw9@host/db",
    "postgresql://me:pw9@pw9/pw9@host/db",
    "postgresql://me/me:pw9@host/db",
    "postgresql://me:pw9",
    "postgresql://me:x@host:pw9/db",
)


@pytest.mark.parametrize("url", UNREADABLE)
def test_a_url_that_cannot_be_read_is_refused_without_being_shown(
    url: str, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["search=random", f"search.storage='{url}'", f"store={store.root}"]) == 2
    error = capsys.readouterr().err
    assert "search.storage is not a valid URL" in error and error.count("\n") == 1 and "pw9" not in error
    assert not store.runs.exists() and not store.sweeps.exists()


def test_what_hydra_cannot_read_is_not_shown_either(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    for text in (
        "search.storage=postgresql://me:pw9 {pw9@host/db",
        "search.storage='postgresql://me:pw9'pw9@host/db",
        "search.storage=postgresql://me:pw9,pw9@host/db",
        "search.storage=postgres://me:pw9@host/db",
    ):
        assert main(["search=random", text, f"store={store.root}"]) == 2
        error = capsys.readouterr().err
        assert "search.storage" in error and error.count("\n") == 1 and "pw9" not in error, error


@pytest.mark.parametrize("form", ["as a URL wants it", "raw", "in the query"])
@pytest.mark.slow
def test_a_search_on_postgresql_leaves_its_password_nowhere(
    form: str, store: Store, database: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in (VARIABLE, QUERY_VARIABLE):
        monkeypatch.setenv(variable, "")  # is put back
    quoted = postgres.PASSWORD.replace("/", "%2F")
    if form == "raw":
        database = database.replace(quoted, postgres.PASSWORD)
    elif form == "in the query":
        database = database.replace(f":{quoted}", "") + f"?password={quoted}"
    command = ["search=random", "search.trials=1", "stage=search", *SMALL, f"store={store.root}"]
    assert main([*command, f"search.storage='{database}'"]) == 0
    out, err = capfd.readouterr()
    plan = make_plan(command, multirun=False)
    assert read_searches(store, plan.name).storage.startswith("postgresql://me@127.0.0.1")
    assert len(trials(store, plan)) == 1
    texts = [out, err, *(p.read_bytes().decode("latin1") for p in store.root.rglob("*") if p.is_file())]
    assert not any(secret in text for secret in (postgres.PASSWORD, quoted) for text in texts)
