"""Forked workers: the bits of plain ones, their exit codes, and a server whose death costs no run."""

from __future__ import annotations

import errno
import json
import os
import signal
import sys

import pytest
from resuming import same, two
from support import TINY, frozen_runs, wait_for

from landscape.config.errors import ExitCode
from landscape.runtime.worker import work
from landscape.store import DONE, FAILED, RunFolder, Store
from landscape.store.processes import process_start
from sweeps.launchers.devices import Slots
from sweeps.launchers.local_pool import Pool
from sweeps.launchers.processes import EXIT_UNKNOWN, Forked, Process, ProcessStarter, starter
from sweeps.launchers.progress import Lines
from sweeps.planning.plan import make_plan

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux only")

OWN = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
EXECUTION = {"device": "cpu", "threads": 1, "checkpoint": {"every_s": 60, "keep": "weights"}}


def start(workers: ProcessStarter, store: Store, run: RunFolder) -> Process:
    arguments = ["--store", str(store.root), "--run", run.id, "--execution", json.dumps(EXECUTION)]
    return workers.start(arguments, OWN, run.log_file)


def code(process: Process) -> int | None:
    wait_for(lambda: process.poll() is not None)
    return process.poll()


@pytest.mark.slow
def test_a_forked_worker_gives_the_bits_of_a_plain_one_and_its_exit_code(store: Store) -> None:
    forked, plain = two(store, "reg=gp", "norm=sn")
    (long,) = frozen_runs(store, *TINY, "train.steps=100000", "metrics=none")
    told: list[str] = []
    with starter(store.root, True, told.append) as warm, starter(store.root, False, told.append) as cold:
        first, second, third = start(warm, store, forked), start(cold, store, plain), start(warm, store, long)
        assert isinstance(first, Forked) and isinstance(third, Forked) and not isinstance(second, Forked)
        assert os.getsid(first.pid) == first.pid and os.getpgid(third.pid) == third.pid
        assert code(first) == 0 and code(second) == 0
        same(forked, plain)
        assert "done at step" in forked.log_file.read_text()
        assert store.run(forked.id).meta().machines == plain.meta().machines
        wait_for(lambda: long.status().step > 0)
        os.killpg(third.pid, signal.SIGKILL)
        assert code(third) == -signal.SIGKILL
        missing = start(warm, store, store.run(forked.id))  # finished already: nothing to do
        assert code(missing) == 0
        forked.config_file.unlink()
        assert code(start(warm, store, forked)) == ExitCode.USER
        (server,) = warm.servers.values()
    assert process_start(server.process.pid) is None and told == []


@pytest.mark.slow
def test_a_server_that_dies_costs_no_run_and_is_followed_by_another(store: Store) -> None:
    one, two_ = frozen_runs(store, *TINY, "train.steps=300", "metrics=none", "seed=0,1")
    told: list[str] = []
    with starter(store.root, True, told.append) as workers:
        first = start(workers, store, one)
        (server,) = workers.servers.values()
        assert isinstance(first, Forked)
        os.kill(first.pid, signal.SIGSTOP)  # so that it does not end before it is looked at
        server.process.kill()
        server.process.wait()
        assert first.poll() is None, "it lives on"
        os.kill(first.pid, signal.SIGCONT)
        second = start(workers, store, two_)
        assert isinstance(second, Forked) and "starting another" in told[0]
        assert code(first) == EXIT_UNKNOWN and code(second) == 0
    assert one.status().state == two_.status().state == DONE


def test_without_a_server_workers_start_by_themselves(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = store.root.parent / "broken"
    (broken / "torch").mkdir(parents=True)
    (broken / "torch" / "__init__.py").write_text("raise ImportError('no kernel image')")
    monkeypatch.setenv("PYTHONPATH", str(broken))
    (run,) = frozen_runs(store, *TINY)
    told: list[str] = []
    with starter(store.root, True, told.append) as workers:
        process = start(workers, store, run)
        assert not isinstance(process, Forked) and "no kernel image" in told[0]
        assert code(process) == 1 and "no kernel image" in run.log_file.read_text()


@pytest.mark.slow
def test_a_server_ends_with_its_controller_and_leaves_its_workers(store: Store) -> None:
    (run,) = frozen_runs(store, *TINY, "train.steps=300", "metrics=none")
    with starter(store.root, True, lambda text: None) as workers:
        process = start(workers, store, run)
        (server,) = workers.servers.values()
        os.kill(process.pid, signal.SIGSTOP)  # so that it does not end before it is looked at
    assert process_start(server.process.pid) is None and process_start(process.pid) is not None
    os.kill(process.pid, signal.SIGCONT)
    wait_for(lambda: run.status().state == DONE)


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (OSError(errno.ENOSPC, "voll"), "ENOSPC"),
        (RuntimeError("wrote a folder called 'No space left on device'"), None),
    ],
)
def test_a_failure_has_the_systems_error_as_data_and_the_pool_stops_by_that(
    store: Store, error: Exception, name: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    (run,) = frozen_runs(store, *TINY)

    def full(*_: object) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(RunFolder, "append_row", full)
        assert work(store, run.id, lambda text: None) == FAILED
    assert run.status().errno == name
    plan = make_plan([*TINY, f"store={store.root}"], multirun=False)
    pool = Pool(plan, Slots(1, (), ""), None, Lines(plan))  # type: ignore[arg-type]
    pool.stop_if_unwritable(run.status().errno)
    assert pool.unwritable == (name is not None) == (not pool.waiting)
    assert work(store, run.id, lambda text: None) == DONE and run.status().errno is None
