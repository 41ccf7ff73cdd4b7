"""Searches and confirmations as jobs of a cluster: what ends them, what brings them back; a fake scheduler answers."""

from __future__ import annotations

import math
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from fake_slurm import FakeSlurm
from held import hold, let_go
from resuming import resumed_at
from support import TINY

import analysis
from landscape.config.errors import UserError
from landscape.runtime.worker import work
from landscape.scores import distance_of
from landscape.store import Store
from landscape.store.trials import TrialRecord, put_rows, read_rows
from sweeps.__main__ import VERBS
from sweeps.cli.sweep import main
from sweeps.planning import search_spec
from sweeps.planning.plan import make_plan

SEARCH = (*TINY, "search=random", "search.trials=3", "search.storage=journal", "launcher=slurm", "launcher.parallel=2")


@pytest.mark.slow
def test_a_searchs_workers_are_jobs_that_are_submitted_once_and_find_their_runs_themselves(
    store: Store, site: FakeSlurm
) -> None:
    assert main([*SEARCH, f"store={store.root}"]) == 0
    assert site.queue() == {"1": [0], "2": [0, 1]}  # the grid's one run, and the workers
    assert main([*SEARCH, f"store={store.root}"]) == 0
    assert site.queue() == {"1": [0], "2": [0, 1]}
    site.start("1", 0).communicate(timeout=300)
    site.drop("1")
    site.drop("2")
    assert VERBS["submit"]([f"store={store.root}"]) == 0  # the grid is finished, the search is not
    assert site.queue() == {"3": [0, 1]}
    job = site.start("3", 0)
    out, _ = job.communicate(timeout=300)
    assert job.returncode == 0, out
    (sweep,) = store.searches()
    rows = [r.to_json() for r in read_rows(store, sweep) if r.stage == "search"]
    assert [r["order"] for r in rows] == [0, 1, 2] and all(r["value"] is not None for r in rows)
    site.drop("3")
    assert search_spec.trials_left(store, sweep) == 0 and VERBS["submit"]([f"store={store.root}"]) == 0
    assert site.queue() == {}


def test_a_search_on_a_cluster_is_not_kept_in_a_file_that_machines_cannot_share(
    store: Store, site: FakeSlurm, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*SEARCH, "search.storage=sqlite", f"store={store.root}"]) == 2
    assert "search.storage=journal" in capsys.readouterr().err
    assert not store.sweep_folders()


def test_a_queue_that_is_full_leaves_the_search_for_later_and_says_so(
    store: Store, site: FakeSlurm, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*SEARCH, "launcher.max_submit=1", f"store={store.root}"]) == 0
    assert "3 trials" in capsys.readouterr().err
    assert site.queue() == {"1": [0]}
    site.drop("1")
    assert VERBS["submit"]([f"store={store.root}"]) == 0 and site.queue() == {"2": [0]}  # the grid's run, lost


def test_stage_grid_leaves_no_search_behind_and_classes_have_searches_of_their_own(
    store: Store, site: FakeSlurm
) -> None:
    assert main([*SEARCH, "stage=grid", f"store={store.root}"]) == 0
    assert VERBS["submit"]([f"store={store.root}"]) == 0 and site.queue() == {"1": [0]}
    rules = "launcher.classes=[{when: {loss: ls}, memory: 8G}]"
    assert main(["-m", "loss=ns,ls", *SEARCH, rules, f"store={store.root}"]) == 2
    assert site.queue() == {"1": [0]}


def test_submit_and_retry_go_by_the_stage_that_was_asked_for_last(store: Store, site: FakeSlurm) -> None:
    def submit_and_retry() -> dict[str, list[int]]:
        assert VERBS["submit"]([f"store={store.root}"]) == 0 == VERBS["retry"]([f"store={store.root}"])
        return site.queue()

    assert main([*SEARCH, "stage=search", f"store={store.root}"]) == 0
    site.drop()
    assert submit_and_retry() == {"2": [0, 1]}  # not the grid's run
    site.drop()
    assert main([*SEARCH, f"store={store.root}"]) == 0
    site.drop()
    (grid,) = store.run_folders()
    assert work(store, grid.id, lambda text: None) == "done"
    assert main([*SEARCH, "stage=grid", f"store={store.root}"]) == 0
    assert submit_and_retry() == {}
    grid.write_status(replace(grid.status(), state="failed"))
    assert submit_and_retry() == {"5": [0]}  # and no workers with it


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
@pytest.mark.parametrize("deaf", [False, True])
def test_a_trial_longer_than_a_jobs_time_goes_on_in_another_job_and_is_told_once(
    deaf: bool, store: Store, site: FakeSlurm
) -> None:
    """Told that its time is over, the worker saves and gives its trial back, or sits in a long evaluation, deaf."""
    more = ("train.steps=600", "metrics.every=300", "checkpoint.every_s=0.1", "launcher.signal_s=4")
    assert main([*SEARCH, *more, "search.trials=1", "stage=search", f"store={store.root}"]) == 0
    (sweep,) = store.searches()
    first = site.start("1", 0, OMP_NUM_THREADS="7")

    def trial() -> list[dict[str, object]]:
        return [r.to_json() for r in read_rows(store, sweep) if r.stage == "search"]

    run, pid = hold(store)
    own = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    assert b"OMP_NUM_THREADS=1" in own and b"MKL_NUM_THREADS=1" in own
    first.send_signal(signal.SIGUSR2)
    if not deaf:
        let_go(pid, signal.SIGTERM)
    first.wait(timeout=300)
    if deaf:
        os.kill(pid, signal.SIGKILL)  # as the scheduler does where a job ends
    out, _ = first.communicate(timeout=300)
    assert first.returncode == 75, out
    assert site.calls("scontrol")[-1] == "scontrol requeue 1_0"
    assert [r["value"] for r in trial()] == [None] and run.status().step < 600

    again = site.start("1", 0, SLURM_RESTART_COUNT="1")
    out, _ = again.communicate(timeout=300)
    assert again.returncode == 0, out
    assert len(resumed_at(run)) == 1
    distance = distance_of(run.rows()[-1].values)
    assert distance is not None
    assert trial() == [{**trial()[0], "run": run.id, "order": 0, "value": math.log(distance)}]
    assert [r.step for r in run.rows()] == [0, 300, 600]
    assert len(list(store.run_folders())) == 2  # the grid's and the trial's: nothing was proposed anew


def memory(site: FakeSlurm, job: str) -> str:
    (line,) = [line for line in site.script(job).splitlines() if line.startswith("#SBATCH --mem=")]
    return line.partition("=")[2]


def test_retry_takes_the_newest_commands_resources_for_runs_and_searches(store: Store, site: FakeSlurm) -> None:
    for size in ("1G", "2G", "3G"):
        assert main([*SEARCH, f"launcher.memory={size}", f"store={store.root}"]) == 0
    assert site.queue() == {"1": [0], "2": [0, 1]} and memory(site, "1") == memory(site, "2") == "1024M"
    site.drop()
    (grid,) = store.run_folders()
    grid.write_status(replace(grid.status(), state="failed", reason="out of memory"))
    assert VERBS["retry"]([f"store={store.root}"]) == 0
    assert site.queue() == {"3": [0], "4": [0, 1]} and memory(site, "3") == memory(site, "4") == "3072M"


def test_a_searchs_worker_gets_the_cores_of_one_run_however_the_grid_is_packed(
    store: Store, site: FakeSlurm, capsys: pytest.CaptureFixture[str]
) -> None:
    rule = "launcher.classes=[{when: {loss: ls}, at_once: 2, runs_per_job: 9}]"
    packed = ("-m", "loss=ns,ls", *SEARCH, "launcher.at_once=4", rule, f"store={store.root}")
    assert VERBS["plan"]([*packed]) == 0
    assert "6 trials in 2 jobs of 1 core, 4 GB, 4:00 h, one after another in each" in capsys.readouterr().out
    assert main([*packed]) == 0
    cores = [f"--cpus-per-task={n}\n" for n in (4, 2, 1)]
    assert all(line in site.script(job) for line, job in zip(cores, site.queue(), strict=True))


def test_a_finished_search_does_not_stand_in_the_way_of_its_grid(store: Store, site: FakeSlurm) -> None:
    command = ["-m", "loss=ns,ls", *SEARCH, "launcher.classes=[{when: {loss: ls}, memory: 8G}]", f"store={store.root}"]
    plan = make_plan(command[1:], multirun=True)
    for cell in plan.searches:
        told = [TrialRecord(f"{cell.id}-{i}", cell.cell, "search", i, value=1.0, search=cell.id) for i in range(3)]
        put_rows(store, plan.name, told)
    assert main(command) == 0 and site.queue() == {"1": [0], "2": [0]}


def test_cancel_takes_the_jobs_of_searches_out_of_the_queue(store: Store, site: FakeSlurm) -> None:
    assert main([*SEARCH, f"store={store.root}"]) == 0
    assert VERBS["cancel"]([f"store={store.root}"]) == 0
    assert site.queue() == {}
    assert VERBS["submit"]([f"store={store.root}"]) == 0 and site.queue() == {"3": [0], "4": [0, 1]}


def test_plan_counts_the_jobs_of_searches_and_refuses_what_the_command_would(
    store: Store, site: FakeSlurm, capsys: pytest.CaptureFixture[str]
) -> None:
    many = ("search.trials=50", "launcher.parallel=null", "launcher.runs_per_job=2", f"store={store.root}")
    assert VERBS["plan"](["-m", "loss=ns,ls", *SEARCH, *many]) == 0
    out = capsys.readouterr().out
    assert "2 runs in 1 job of 1 core, 4 GB, 4:00 h, 2 runs per job, 1 at once" in out
    assert "100 trials in 20 jobs of 1 core, 4 GB, 4:00 h, one after another in each" in out
    assert VERBS["plan"](["-m", "loss=ns,ls", *SEARCH, *many, "stage=grid"]) == 0
    out = capsys.readouterr().out
    assert "2 runs in 1 job" in out and "trials in 20 jobs" not in out and "not part of stage=grid" in out
    with pytest.raises(UserError, match=r"search\.storage=journal"):
        VERBS["plan"]([*SEARCH, "search.storage=sqlite", f"store={store.root}"])
    assert site.calls("squeue") == [] and not store.sweep_folders()


@pytest.mark.slow
def test_a_confirmation_is_submitted_and_the_same_command_prints_it_when_it_is_finished(
    store: Store, site: FakeSlurm, capsys: pytest.CaptureFixture[str]
) -> None:
    grid = ("-m", "seed=0,1", *TINY, f"store={store.root}")
    assert main([*grid, "launcher=slurm"]) == 0
    for run in list(store.run_folders()):
        assert work(store, run.id, lambda text: None) == "done"
    site.drop()
    confirm = [*grid, "launcher=slurm", "stage=confirm", "confirm.seeds=2"]
    assert VERBS["plan"](confirm) == 0
    assert "2 runs in 2 jobs" in capsys.readouterr().out
    assert main(confirm) == 0
    assert site.queue() == {"2": [0, 1]}
    stages = analysis.load(store)["stage"].value_counts().to_dict()
    assert stages == {"grid": 2, "confirm": 2}  # they count in no curve while they are on their way
    assert main(confirm) == 0
    assert site.queue() == {"2": [0, 1]}
    for task in (0, 1):
        job = site.start("2", task)
        out, _ = job.communicate(timeout=300)
        assert job.returncode == 0, out
    site.drop()
    capsys.readouterr()
    assert main(confirm) == 0
    assert "(n = 2)" in capsys.readouterr().out and site.queue() == {}
    (name,) = [folder.name for folder in store.sweep_folders() if "confirm" not in folder.name]
    rows = [r.to_json() for r in read_rows(store, name) if r.stage == "confirm"]
    assert len(rows) == 2 and all(r["value"] is not None for r in rows)
    assert main(confirm) == 0 and [r.to_json() for r in read_rows(store, name) if r.stage == "confirm"] == rows
