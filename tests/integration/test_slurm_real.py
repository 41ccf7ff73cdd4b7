"""launcher=slurm against a real slurmctld, slurmd and munged on this machine."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from held import has_saved, hold, let_go
from resuming import resumed_at
from slurm import REAL_SLURM, Cluster, wait_for
from support import TINY, call, frozen_runs, sweep

import landscape
import sweeps.__main__
from analysis.report import make_report
from landscape.runtime.worker import work
from landscape.store import RunFolder, Store
from landscape.store.leases import claim_in_force
from landscape.store.processes import process_start
from landscape.store.trials import read_rows
from landscape.training import checkpoint
from sweeps.launchers.slurm.submissions import submissions

pytestmark = [*REAL_SLURM, pytest.mark.slow]

SLURM = ("launcher=slurm", "launcher.memory=500M", "launcher.time=10")
GRID = ("-m", "loss=ns,wgan,ls", "reg=gp,sn")
# Some seconds long, with a checkpoint every half of one.
LONG = ("train.steps=400", "train.batch_size=16", "arch.width=0.04", "metrics=none", "checkpoint.every_s=0.5")


def verb(*arguments: str) -> subprocess.CompletedProcess[str]:
    return call(sweeps.__main__.main, *arguments)


def states(store: Store) -> list[str]:
    return sorted(run.status().state for run in store.run_folders())


def weights(run: RunFolder) -> dict[str, Any]:
    kept = checkpoint.load(run.weights)
    return {f"{net}.{name}": value for net in ("g", "d") for name, value in kept[net].items()}


def assert_equal(store: Store, other: Store) -> None:
    """The same runs with the same bits: weights, and every score of every row."""
    ids = [run.id for run in store.run_folders()]
    assert ids == [run.id for run in other.run_folders()]
    for one in ids:
        a, b = store.run(one), other.run(one)
        mine, theirs = weights(a), weights(b)
        assert mine.keys() == theirs.keys() and all(torch.equal(mine[k], theirs[k]) for k in mine)
        drop = ("train_s", "eval_s", "train_busy_s", "eval_busy_s", "cost")  # seconds
        rows = [[{k: v for k, v in row.to_json().items() if k not in drop} for row in run.rows()] for run in (a, b)]
        assert rows[0] == rows[1]


def undisturbed(store: Store, *overrides: str) -> None:
    """The same runs trained here, one after another, by nobody disturbed."""
    for run in frozen_runs(store, *overrides):
        assert work(store, run.id, lambda text: None) == "done"


def logs(store: Store) -> str:
    return "\n".join(file.read_text() for file in sorted(store.sweeps.glob("*/logs/*")))


def test_a_grid_is_submitted_and_gives_the_numbers_of_the_local_launcher(
    cluster: Cluster, tmp_path: Path, warm_cache: Path
) -> None:
    """In two arrays (MaxArraySize is 5), from a store on a path that shells and sbatch could take apart."""
    store, local = Store(tmp_path / "a 'b\" c=d %j $x"), Store(tmp_path / "local")
    for one in (store, local):
        shutil.copytree(warm_cache, one.cache)
    quoted = str(store.root).replace("'", "\\'")
    done = sweep(*GRID, *TINY, *SLURM, f"store='{quoted}'")
    assert done.returncode == 0, done.stderr
    assert sum(len(one.tasks) for one in submissions(store.sweep_folders()[0])) == 6
    again = sweep(*GRID, *TINY, *SLURM, f"store='{quoted}'")
    assert again.returncode == 0 and len(submissions(store.sweep_folders()[0])) == 2, again.stdout
    assert sweep(*GRID, *TINY, "launcher=local", f"store={local.root}").returncode == 0
    cluster.wait_until_empty()
    assert states(store) == ["done"] * 6, logs(store)
    assert_equal(store, local)
    assert sweep(*GRID, *TINY, *SLURM, f"store='{quoted}'").returncode == 0
    assert len(submissions(store.sweep_folders()[0])) == 2


def test_a_race_is_killed_twice_and_comes_to_the_page(cluster: Cluster, store: Store, tmp_path: Path) -> None:
    """The command is killed while it submits the first round, and the jobs of the second while they train."""
    line = ["race", "-m", "loss=ns,wgan", *TINY, *SLURM, "launcher.runs_per_job=5", f"store={store.root}"]
    line += ["--budget", "20"]
    begun = subprocess.Popen([sys.executable, "-m", "sweeps", *line], stdout=subprocess.DEVNULL)
    wait_for(lambda: cluster.jobs() or begun.poll() is not None)
    begun.kill()
    begun.wait()
    cluster.wait_until_empty()
    folder, killed = store.sweep_folders()[0], False
    for _ in range(8):
        done = verb(*line)
        assert done.returncode == 0, done.stderr
        if "20 runs of 20" in done.stdout:
            break
        if not killed and folder.race().tickets:  # the first round has been counted
            wait_for(lambda: any(run.status().state == "running" for run in store.run_folders()))
            cluster.clear()
            killed = True
        cluster.wait_until_empty()
    race = folder.race()
    assert killed and race.claim is not None and race.claim.sentence in done.stdout
    assert len(race.tickets) == 20 == len({ticket.run for ticket in race.tickets}) == race.claim.spent
    assert states(store).count("done") == 20 and all(ticket.distance for ticket in race.tickets), logs(store)
    assert make_report(store, tmp_path / "report") == []
    assert race.claim.sentence in (tmp_path / "report/index.html").read_text()


def test_what_is_edited_after_submitting_changes_no_queued_run(
    cluster: Cluster, store: Store, tmp_path: Path, warm_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout = tmp_path / "checkout"
    root = Path(landscape.__file__).parent.parent
    for name in ("landscape", "sweeps", "conf"):
        shutil.copytree(root / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
    local = Store(tmp_path / "local")
    shutil.copytree(warm_cache, local.cache)
    monkeypatch.setenv("PYTHONPATH", str(checkout))
    undisturbed(local, "reg=gp", *TINY)
    held = "launcher.extra=[--hold]"
    done = sweep("reg=gp", *TINY, *SLURM, held, f"store={store.root}", cwd=checkout)
    assert done.returncode == 0, done.stderr
    for file, before, after in (("reg/gp.yaml", "strength: 10", "strength: 3"), ("config.yaml", "dim: 128", "dim: 64")):
        text = (checkout / "conf" / file).read_text()
        assert before in text
        (checkout / "conf" / file).write_text(text.replace(before, after))
    cluster.tool("scontrol", "release", cluster.jobs()[0][0])
    cluster.wait_until_empty()
    assert states(store) == ["done"], logs(store)
    assert_equal(store, local)


def started(store: Store) -> list[RunFolder]:
    """Runs that have trained some steps and have a checkpoint."""
    return [run for run in store.run_folders() if run.newest_checkpoint.exists()]


def worker(run: RunFolder) -> int:
    claim = claim_in_force(run)
    assert claim is not None and process_start(claim.pid) is not None
    return int(claim.pid)


def task_of(store: Store, run: RunFolder) -> str:
    """Which task of which array trains a run: "7_3"."""
    for one in submissions(store.sweep_folders()[0]):
        for number, task in enumerate(one.tasks):
            if run.id in task and one.job is not None:
                found = f"{one.job}_{number}"
    return found


def pid_of_body(store: Store, run: RunFolder) -> int:
    """The process that SLURM started for a run: its worker's parent."""
    return int(Path(f"/proc/{worker(run)}/stat").read_text().rpartition(")")[2].split()[1])


def test_twelve_runs_survive_what_a_cluster_does_to_jobs(cluster: Cluster, tmp_path: Path, warm_cache: Path) -> None:
    """Requeued, cancelled, told that time is up, worker and batch step killed with -9, slurmctld restarted."""
    store, local = Store(tmp_path / "store"), Store(tmp_path / "local")
    for one in (store, local):
        shutil.copytree(warm_cache, one.cache)
    grid = ("-m", "loss=ns,wgan,ls", "reg=gp,sn", "seed=0,1", *LONG)
    done = sweep(*grid, *SLURM, f"store={store.root}")
    assert done.returncode == 0, done.stderr
    touched: set[str] = set()

    def is_another(run: RunFolder) -> bool:
        return run.id not in touched and has_saved(run)

    held = []  # a core each, and all are taken
    for _ in range(4):
        held.append(hold(store, is_another))
        touched.add(held[-1][0].id)
    requeued, cancelled, shot, headless = (run for run, _ in held)
    cluster.tool("scontrol", "requeue", task_of(store, requeued))
    cluster.tool("scancel", task_of(store, cancelled))
    os.kill(worker(shot), signal.SIGKILL)
    os.kill(pid_of_body(store, headless), signal.SIGKILL)
    for _, pid in held:
        let_go(pid)
    with cluster.without_controller():
        down = verb("retry", f"store={store.root}")
    assert down.returncode == 2 and down.stderr.count("\n") == 1 and "nothing was changed" in down.stderr
    preempted, pid = hold(store, is_another)
    # As SLURM does near the end of a job's time. submitit would take it for a time-out: the job has but 10 minutes.
    cluster.tool("scancel", "--batch", "--signal=USR2", task_of(store, preempted))
    let_go(pid, signal.SIGTERM)
    cluster.wait_until_empty()
    assert "failed" in states(store) and preempted.status().state == "done", logs(store)
    assert "USR2: the job is requeued" in logs(store)
    again = verb("retry", f"store={store.root}")
    assert again.returncode == 0, again.stderr
    cluster.wait_until_empty()
    assert states(store) == ["done"] * 12, logs(store)
    undisturbed(local, *grid[1:])
    assert_equal(store, local)
    resumed = {run.id for run in store.run_folders() if resumed_at(run)}
    assert len(resumed & (touched | {preempted.id})) >= 3  # on a slow machine one may have ended before it was hit
    finished = [run.log_file.read_text().count("done at step 400") for run in store.run_folders()]
    assert finished == [1] * 12


def test_a_job_whose_time_is_up_goes_on_where_it_was(cluster: Cluster, tmp_path: Path, store: Store) -> None:
    """SLURM's own signal, half a minute before the end of a minute; the second job of the run finishes it."""
    local = Store(tmp_path / "local")
    shutil.copytree(store.cache, local.cache)
    arguments = ("seed=7", *LONG, "train.steps=1000")
    assert sweep(*arguments, *SLURM, "launcher.time=1", f"store={store.root}").returncode == 0
    _, pid = hold(store)  # so that it is not done too early
    wait_for(lambda: "stopping: 1 worker" in logs(store))
    let_go(pid, signal.SIGTERM)
    cluster.wait_until_empty()
    assert states(store) == ["done"], logs(store)
    assert "USR2: the job is requeued" in logs(store) and "restart 1: 1 run" in logs(store)
    undisturbed(local, *arguments)
    assert_equal(store, local)


def test_cancel_stops_jobs_that_run_and_what_they_trained_is_kept(cluster: Cluster, store: Store) -> None:
    grid = ("-m", "seed=range(0,6)", *LONG, "train.steps=100000")
    assert sweep(*grid, *SLURM, f"store={store.root}").returncode == 0
    wait_for(lambda: len(started(store)) >= 1)
    done = verb("cancel", f"store={store.root}")
    # The canary that the others waited for had ended.
    training = [one for one in submissions(store.sweep_folders()[0]) if not one.canary]
    assert done.returncode == 0 and training and all(one.cancelled for one in training), done.stderr
    cluster.wait_until_empty()
    assert set(states(store)) <= {"preempted", "planned"} and "preempted" in states(store)
    assert "requeued" not in logs(store)


def test_jobs_get_what_was_asked_for(cluster: Cluster, store: Store) -> None:
    """A fake GPU each; the short runs of a job side by side; a line of setup before them."""
    setup = "launcher.setup=['echo GPUs $CUDA_VISIBLE_DEVICES cores $SLURM_CPUS_PER_TASK']"
    packing = ("launcher.runs_per_job=2", "launcher.at_once=2", "launcher.gpus=1", "device=cpu", setup)
    assert sweep("-m", "seed=range(0,4)", *TINY, *SLURM, *packing, f"store={store.root}").returncode == 0
    cluster.wait_until_empty()
    assert states(store) == ["done"] * 4, logs(store)
    assert sorted(line for line in logs(store).splitlines() if line.startswith("GPUs")) == [
        "GPUs 0 cores 2",
        "GPUs 1 cores 2",
    ]
    assert logs(store).count("2 of 2 runs finished, 0 failed") == 2


def test_what_the_site_refuses_is_one_sentence(cluster: Cluster, store: Store) -> None:
    for wrong, words in (
        ("launcher.partition=gpu", "Invalid partition name specified (launcher.partition=gpu; legal here: main, shut)"),
        ("launcher.gpus=3", "Requested node configuration is not available (requested: 1 core, 3 GPUs"),
        ("launcher.extra=['--speed=high']", "unrecognized option"),
        ("launcher.cores=64", "launcher.cores=64 is more than a node of partition main has (4 cores)"),
        ("launcher.memory=20G", "launcher.memory=20G is more than a node of partition main has (15.6 GB)"),
    ):
        done = sweep("-q", "seed=0", *TINY, *SLURM, wrong, f"store={store.root}")
        assert done.returncode == 2 and words in done.stderr and done.stderr.count("\n") == 1, done.stderr
    assert states(store) == [] and store.sweep_folders() == [] and cluster.jobs() == []


def test_jobs_that_cannot_start_are_told_with_the_schedulers_reason(cluster: Cluster, store: Store) -> None:
    assert sweep("seed=0", *TINY, *SLURM, "launcher.extra=[--hold]", f"store={store.root}").returncode == 0
    ((job, _, _),) = cluster.jobs()
    done = verb("wait", f"store={store.root}")
    assert done.returncode == 1 and f"(JobHeldUser, job {job})" in done.stdout, done.stdout
    cluster.clear()
    assert sweep("seed=0", *TINY, *SLURM, "launcher.partition=shut", f"store={store.root}").returncode == 0
    wait_for(lambda: "PartitionDown" in cluster.tool("squeue", "-h", "-o", "%r"))
    done = verb("status", f"store={store.root}")
    assert "(PartitionDown, job" in done.stdout, done.stdout


def test_without_a_controller_nothing_changes(cluster: Cluster, store: Store) -> None:
    with cluster.without_controller():
        done = sweep("-q", "seed=0", *TINY, *SLURM, f"store={store.root}")
    assert done.returncode == 2 and "Unable to contact slurm controller" in done.stderr
    assert done.stderr.count("\n") == 1 and not store.runs.exists()


def test_the_rest_of_a_sweep_follows_when_there_is_room(cluster: Cluster, store: Store) -> None:
    """In the partition that starts nothing; a limit of 7 where 12 are wanted."""
    grid = ("-m", "seed=range(0,12)", *TINY, *SLURM, "launcher.partition=shut", "launcher.max_submit=7")
    done = sweep(*grid, f"store={store.root}")
    assert done.returncode == 0, done.stderr
    assert sorted(int(task) for _, task, _ in cluster.jobs()) == [0, 0, 1, 1, 2, 3, 4]
    first = submissions(store.sweep_folders()[0])[0]
    for task in first.tasks:
        store.run(task[0]).write_status(replace(store.run(task[0]).status(), state="done"))
    cluster.tool("scancel", str(first.job))
    done = verb("submit", f"store={store.root}")
    assert done.returncode == 0, done.stdout + done.stderr
    queued = [run for one in submissions(store.sweep_folders()[0]) for task in one.tasks for run in task]
    assert len(queued) == len(set(queued)) == 12 and len(cluster.jobs()) == 7


def test_a_search_is_worked_off_by_jobs(cluster: Cluster, store: Store) -> None:
    search = ("search=random", "search.trials=4", "search.storage=journal", "launcher.parallel=2")
    done = sweep(*TINY, *SLURM, *search, f"store={store.root}")
    assert done.returncode == 0, done.stdout + done.stderr
    cluster.wait_until_empty()
    (name,) = store.searches()
    rows = [r.to_json() for r in read_rows(store, name) if r.stage == "search"]
    assert sorted(r["order"] for r in rows) == [0, 1, 2, 3] and len({r["run"] for r in rows}) == 4, logs(store)
    assert all(r["value"] is not None for r in rows) and states(store) == ["done"] * 5, logs(store)
