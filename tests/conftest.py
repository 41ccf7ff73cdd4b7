"""Fixtures that several files share. Tests run on the CPU, offline, with one thread each."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import postgres
import pytest
import started
import torch
from fake_slurm import FakeSlurm
from slurm import Cluster, why_not
from support import ROOT, TINY, VERSIONS, frozen_runs

from landscape.config import log
from landscape.runtime.worker import work
from landscape.store import RunFolder, Store


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if any(item.path.is_relative_to(ROOT / "tests" / name) for name in VERSIONS):
            item.add_marker("versions")
    if not os.environ.get("LANDSCAPE_NETWORK"):
        for item in items:
            if item.get_closest_marker("network"):
                item.add_marker(pytest.mark.skip(reason="it downloads; LANDSCAPE_NETWORK=1 asks for it"))


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _seeds() -> None:
    """What a test draws without a seed of its own is the same in every order and on every worker."""
    random.seed(0)
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _logged(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is logged goes to standard error, as from a command, whatever a test before has asked for."""
    monkeypatch.delenv(log.VARIABLE, raising=False)
    log.configure()


FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    item.stash[FAILED] = item.stash.get(FAILED, False) or report.failed
    return report


@pytest.fixture(autouse=True)
def _processes_end_with_their_test(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever happens, nothing that a test has started outlives it; see `started.py`."""
    with started.marked() as processes:
        yield
    left = {} if request.node.stash.get(FAILED, False) else processes.left()
    processes.end()
    assert not left, f"the test left processes behind: {left}"


@pytest.fixture(scope="session")
def warm_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that holds the digits' classifier and reference statistics, made by one tiny run."""
    store = Store(tmp_path_factory.mktemp("warm"))
    (run,) = frozen_runs(store, *TINY, "train.steps=1")
    assert work(store, run.id, lambda text: None) == "done"
    return store.cache


@pytest.fixture
def store(tmp_path: Path, warm_cache: Path) -> Store:
    """An empty store whose cache is warm, so that no test but the cache's own waits for a classifier."""
    store = Store(tmp_path / "store")
    shutil.copytree(warm_cache, store.cache)
    return store


@pytest.fixture
def run(store: Store) -> RunFolder:
    """One planned tiny run."""
    return frozen_runs(store, *TINY)[0]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    """A fake SLURM on the PATH, whose arrays have four tasks at the most."""
    fake = FakeSlurm(tmp_path / "site", max_array=4)
    monkeypatch.setenv("PATH", f"{fake.bin}:/usr/bin:/bin")
    return fake


@pytest.fixture(scope="session")
def database() -> Iterator[str]:
    """The URL of a PostgreSQL of the tests' own, its password in it."""
    reason = postgres.why_not()
    if reason:
        pytest.skip(reason)
    with postgres.server() as url:
        yield url


@pytest.fixture(scope="session")
def _session_cluster() -> Iterator[Cluster]:
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    with tempfile.TemporaryDirectory(prefix="slurm.") as folder:  # short: a socket's path has room for 107 characters
        cluster = Cluster(Path(folder))
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()


@pytest.fixture
def cluster(_session_cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A real SLURM with an empty queue, which this process and its children find; see `slurm.py`."""
    for name, value in _session_cluster.environment.items():
        monkeypatch.setenv(name, value)
    yield _session_cluster
    _session_cluster.clear()
