"""The user's command in processes of its own: idempotent, interruptible, and one bad run costs itself alone."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest
import torch
from held import hold, is_told, let_go
from resuming import resumed_at
from support import TINY, command, frozen_runs, hear, sweep, wait_for
from sweeping import runs, start, states, workers

from landscape.runtime.worker import work
from landscape.store import FINISHED, RunFolder, Store
from landscape.training import checkpoint

GRID = ("-m", "loss=ns,wgan", "reg=gp,sn")
# Seconds long, with a checkpoint soon.
LONG = ("train.steps=600", *TINY[1:], "metrics.every=300", "checkpoint.every_s=0.2")


def test_a_sweep_trains_every_cell_and_again_trains_nothing(store: Store) -> None:
    done = sweep(*GRID, *TINY, f"store={store.root}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert states(store) == ["done"] * 4
    before = {run.id: run.weights.stat().st_mtime_ns for run in runs(store)}
    again = sweep(*GRID, *TINY, f"store={store.root}")
    assert again.returncode == 0, again.stdout + again.stderr
    assert {run.id: run.weights.stat().st_mtime_ns for run in runs(store)} == before
    more = sweep("-m", "loss=ns,wgan,ls", "reg=gp,sn", *TINY, f"store={store.root}")
    assert more.returncode == 0 and states(store) == ["done"] * 6, more.stdout + more.stderr
    assert {run.id: run.weights.stat().st_mtime_ns for run in runs(store) if run.id in before} == before


@pytest.mark.slow
def test_the_pool_gives_the_numbers_of_a_single_run(store: Store, tmp_path: Path) -> None:
    sweep("-m", "seed=0,1", *TINY, f"store={store.root}")
    other = Store(tmp_path / "single")
    alone = sweep("-v", "-m", "seed=1", *TINY, f"store={other.root}")
    assert alone.returncode == 0 and " INFO sweep: 1 run: 1 to train" in alone.stderr, alone.stderr
    (b,) = runs(other)
    assert " INFO train_run: done at step 12" in b.log_file.read_text()  # a worker is as verbose as its command
    a = store.run(b.id)
    assert a.rows()[-1].values["fd_classifier"] == b.rows()[-1].values["fd_classifier"]
    left, right = (checkpoint.load(run.weights) for run in (a, b))
    assert all(torch.equal(left["g"][k], right["g"][k]) for k in left["g"])


def test_it_works_from_any_directory_and_tells_where_the_store_is(tmp_path: Path, warm_cache: Path) -> None:
    (tmp_path / "outputs").mkdir()
    shutil.copytree(warm_cache, tmp_path / "outputs" / "cache")
    done = sweep("loss=ls", *TINY, cwd=tmp_path)
    assert done.returncode == 0 and str(tmp_path / "outputs" / "runs") in done.stderr
    assert states(Store(tmp_path / "outputs")) == ["done"]


@pytest.mark.slow
def test_ctrl_c_saves_and_the_same_command_goes_on(store: Store) -> None:
    process = start(store, "-m", "seed=range(0,2)", *LONG)
    held, pid = hold(store)
    process.send_signal(signal.SIGINT)
    let_go(pid, signal.SIGTERM)
    out, _ = process.communicate(timeout=300)
    assert process.returncode == 130, out
    assert workers(store) == [] and held.status().state == "preempted" and held.newest_checkpoint.exists()
    done = sweep("-m", "seed=range(0,2)", *LONG, f"store={store.root}")
    assert done.returncode == 0 and states(store) == ["done"] * 2
    assert len(resumed_at(held)) == 1


@pytest.mark.slow
def test_ctrl_c_while_workers_start_fails_no_run(store: Store) -> None:
    process = start(store, "-m", "seed=range(0,2)", *TINY, "train.steps=1000000", "metrics=none")
    wait_for(lambda: any(run.log_file.exists() for run in runs(store)))  # a worker process was just made
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=300)
    assert process.returncode == 130, out
    assert workers(store) == [] and set(states(store)) <= {"planned", "queued", "preempted"}


def test_a_worker_that_dies_before_it_can_say_so_is_failed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken installation: the worker's own imports raise, and Python ends with 1."""
    broken = store.root.parent / "broken"
    (broken / "torch").mkdir(parents=True)
    (broken / "torch" / "__init__.py").write_text("raise ImportError('no kernel image')")
    monkeypatch.setenv("PYTHONPATH", str(broken))
    done = sweep("-m", "seed=0,1", *TINY, f"store={store.root}")
    assert done.returncode == 1 and states(store) == ["failed", "failed"]
    assert all("no kernel image" in (run.status().reason or "") for run in runs(store))
    assert "no kernel image" in done.stderr


@pytest.mark.slow
def test_an_unreadable_status_costs_its_own_run(store: Store) -> None:
    process = start(store, "-m", "seed=range(0,3)", *TINY, "train.steps=600", "metrics.every=600", "launcher.jobs=1")
    wait_for(lambda: len(runs(store)) == 3 and store.sweep_names())
    victim = store.run(store.sweep_folders()[0].plan().runs[-1])  # whose turn comes last
    _, pid = hold(store, lambda run: run.id != victim.id and len(run.rows()) > 0)
    victim.status_file.write_text("{")
    let_go(pid)
    out, _ = process.communicate(timeout=300)
    assert process.returncode == 1 and str(victim.status_file) in out
    assert [run.status().state for run in runs(store) if run.id != victim.id] == ["done", "done"]


@pytest.mark.slow
def test_a_closed_pipe_does_not_stop_a_sweep(store: Store) -> None:
    shell = " ".join(command("-m", "seed=0,1", *TINY, f"store={store.root}")) + " | head -1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", shell], capture_output=True, text=True, timeout=300)
    assert "Traceback" not in done.stderr and done.returncode == 0, done.stderr
    assert states(store) == ["done", "done"]


@pytest.mark.slow
def test_a_store_on_a_path_with_spaces_and_quotes(tmp_path: Path, warm_cache: Path) -> None:
    store = Store(tmp_path / "a 'b\" c=d")
    shutil.copytree(warm_cache, store.cache)
    quoted = str(store.root).replace("'", "\\'")
    done = sweep("-m", "seed=0,1", *TINY, f"store='{quoted}'")
    assert done.returncode == 0, done.stdout + done.stderr
    assert states(store) == ["done", "done"]


@pytest.mark.slow
def test_a_second_ctrl_c_kills_and_nothing_finished_is_lost(store: Store) -> None:
    process = start(store, "-m", "seed=range(0,2)", *LONG)
    _, pid = hold(store)  # a worker that is deaf to the first signal
    process.send_signal(signal.SIGINT)
    wait_for(lambda: is_told(pid, signal.SIGTERM))
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=300)
    assert process.returncode == 130 and workers(store) == []
    done = sweep("-m", "seed=range(0,2)", *LONG, f"store={store.root}")
    assert done.returncode == 0 and states(store) == ["done"] * 2


@pytest.mark.slow
def test_a_killed_controller_leaves_workers_that_the_next_one_waits_for(store: Store) -> None:
    grid = ("-m", "seed=range(0,3)", *LONG)
    process = start(store, *grid)
    _, pid = hold(store)
    process.kill()
    process.wait()  # its workers hold its output open
    assert pid in workers(store)
    following = start(store, *grid)
    hear(following, following.stdout, "works on it; waiting")
    let_go(pid)
    assert following.communicate(timeout=300) and following.returncode == 0
    process.communicate()
    assert states(store) == ["done"] * 3
    assert all(len(list(run.claims.glob("*.json"))) == 1 for run in runs(store))  # no run was trained twice


@pytest.mark.slow
def test_a_killed_worker_costs_its_own_run_alone(store: Store) -> None:
    grid = ("-m", "seed=range(0,2)", *LONG)
    process = start(store, *grid, "launcher.jobs=1")
    _, victim = hold(store)
    os.kill(victim, signal.SIGKILL)
    out, _ = process.communicate(timeout=300)
    assert process.returncode == 1 and sorted(states(store)) == ["done", "failed"], out
    (failed,) = [run for run in runs(store) if run.status().state == "failed"]
    assert "SIGKILL" in (failed.status().reason or "") and str(failed.log_file) in out
    again = sweep(*grid, f"store={store.root}")
    assert again.returncode == 0 and states(store) == ["done"] * 2
    assert sum(len(resumed_at(run)) for run in runs(store)) == 1


@pytest.mark.slow
def test_divergence_is_a_result(store: Store) -> None:
    done = sweep("-m", "optim.lr=1e3,1e-3", "reg=gp", *TINY, f"store={store.root}")
    assert done.returncode == 0 and "diverged" in done.stderr
    assert sorted(states(store)) == ["diverged", "done"]
    (run,) = [run for run in runs(store) if run.status().state == "diverged"]
    last = run.rows()[-1]
    assert (
        last.values["fd_classifier"] is None
        and "is not finite" in last.why["fd_classifier"]
        and (last.train_s or 0) > 0
    )
    assert run.weights.exists() and "is not finite" in (run.status().reason or "")
    again = sweep("-m", "optim.lr=1e3,1e-3", "reg=gp", *TINY, f"store={store.root}")
    assert again.returncode == 0 and run.rows()[-1] == last


@pytest.mark.slow
def test_a_crash_ends_as_failed_and_is_named_with_its_log(store: Store) -> None:
    bad, good = frozen_runs(store, *TINY, "seed=0,1")
    bad.samples.rmdir()
    bad.samples.write_text("in the way")  # the run's first sample grid cannot be written
    done = sweep("-m", *TINY, "seed=0,1", f"store={store.root}")
    assert done.returncode == 1 and good.status().state == "done"
    status = bad.status()
    assert status.state == "failed" and "FileExistsError" in (status.reason or "")
    assert f"log: {bad.log_file}" in done.stderr and "FileExistsError" in done.stderr and "seed=0" in done.stderr
    bad.samples.unlink()
    assert sweep("-m", *TINY, "seed=0,1", f"store={store.root}").returncode == 0
    assert states(store) == ["done", "done"]


@pytest.mark.slow
def test_two_controllers_share_the_work_and_double_nothing(store: Store) -> None:
    grid = ("-m", "seed=range(0,3)", *TINY, "launcher.jobs=1")
    both = [start(store, *grid) for _ in range(2)]
    for process in both:
        out, _ = process.communicate(timeout=300)
        assert process.returncode == 0, out
    assert states(store) == ["done"] * 3
    assert all(len(run.rows()) == 3 for run in runs(store))


@pytest.mark.slow
def test_the_classifier_is_made_once_by_processes_that_need_it_at_once(tmp_path: Path) -> None:
    store = Store(tmp_path / "cold")
    done = sweep("-m", "seed=0,1", *TINY, f"store={store.root}")
    assert done.returncode == 0
    protocols = {row.protocol for run in runs(store) for row in run.rows()}
    assert len(protocols) == 1 and len(list((store.cache / "classifier").glob("*.pt"))) == 1


def test_a_run_on_another_machine_is_on_record(store: Store, run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    work(store, run.id, lambda text: None)
    (machine,) = run.meta().machines
    assert None not in (machine.host, machine.cpu, machine.device, machine.threads, machine.world_size, machine.code)
    assert machine.precision == "fp32" and machine.packages["torch"] == version("torch")
    assert run.status().state in FINISHED
    monkeypatch.setattr("landscape.store.provenance.socket.gethostname", lambda: "another")
    status = run.status()
    run.write_status(replace(status, scored={}))
    work(store, run.id, lambda text: None)
    assert [m.host for m in run.meta().machines][1:] == ["another"]
    monkeypatch.setenv("LANDSCAPE_SHARING", "8")
    run.write_status(replace(status, scored={}))
    work(store, run.id, lambda text: None)
    assert len(run.meta().machines) == 2, "scored beside others, which says nothing of its training"
