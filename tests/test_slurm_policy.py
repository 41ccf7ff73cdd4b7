"""launcher=slurm where a fake scheduler answers: what is submitted, when, and what a job does at its end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fake_slurm import FakeSlurm
from slurm import wait_for
from support import TINY

from landscape.claims import Observer, claim_in_force, machine, take
from landscape.errors import UserError
from landscape.store import Store
from sweeps import body, scheduler, slurm
from sweeps.__main__ import VERBS
from sweeps.classes import Classes
from sweeps.command import main
from sweeps.plan import make_plan
from sweeps.record import read_rows
from sweeps.scheduler import spread
from sweeps.submissions import append, submission, submissions

GRID = ("-m", "seed=range(0,10)", *TINY, "launcher=slurm")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    fake = FakeSlurm(tmp_path / "site", max_array=4)
    monkeypatch.setenv("PATH", f"{fake.bin}:/usr/bin:/bin")
    return fake


def states(store: Store) -> set[str]:
    return {run.status()["status"] for run in store.run_folders()}


def submitted(store: Store) -> list[str]:
    """Every run of every task that a scheduler has taken, as often as it was taken."""
    arrays = [one for folder in store.sweep_folders() for one in submissions(folder) if one.refused is None]
    return [run for one in arrays for task in one.tasks for run in task]


def test_arrays_are_cut_to_the_sites_limit_and_the_command_ends(store: Store, site: FakeSlurm) -> None:
    assert main([*GRID, f"store={store.root}"]) == 0
    assert site.queue() == {"1": [0, 1, 2, 3], "2": [0, 1, 2, 3], "3": [0, 1]}
    assert sorted(submitted(store)) == sorted(run.id for run in store.run_folders())
    assert states(store) == {"queued"}
    assert len(site.calls("squeue")) == 1 and len(site.calls("scontrol")) == 1


def test_given_again_it_submits_nothing_twice(
    store: Store, site: FakeSlurm, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        assert main([*GRID, f"store={store.root}"]) == 0
    assert "10 runs already in the queue" in capsys.readouterr().out
    assert len(site.calls("sbatch")) == 3 and len(submitted(store)) == 10
    # a sweep that shares runs with it submits the others alone
    assert main(["-m", "seed=range(8,12)", *TINY, "launcher=slurm", f"store={store.root}"]) == 0
    assert site.queue()["4"] == [0, 1] and len(set(submitted(store))) == 12


def test_what_left_the_queue_unfinished_is_submitted_again(store: Store, site: FakeSlurm) -> None:
    main([*GRID, f"store={store.root}"])
    site.drop("2")
    assert VERBS["submit"](["--store", str(store.root)]) == 0
    assert site.queue()["4"] == [0, 1, 2, 3]
    second, fourth = (one.tasks for one in submissions(store.sweep_folders()[0]) if one.job in ("2", "4"))
    assert second == fourth


def test_the_rest_of_a_sweep_follows_with_submit(
    store: Store, site: FakeSlurm, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*GRID, "launcher.max_submit=6", f"store={store.root}"]) == 0
    assert site.queue() == {"1": [0, 1, 2, 3], "2": [0, 1]}
    out = capsys.readouterr().out
    assert "4 runs wait for room (6 jobs are queued)" in out and "python -m sweeps submit" in out
    assert sorted(run.status()["status"] for run in store.run_folders()) == ["planned"] * 4 + ["queued"] * 6
    VERBS["submit"](["--store", str(store.root)])
    assert len(site.queue()) == 2  # there is no room yet
    store.run(submissions(store.sweep_folders()[0])[1].tasks[0][0]).write_status({"status": "done"})
    site.drop("2")
    VERBS["submit"](["--store", str(store.root)])
    assert site.queue() == {"1": [0, 1, 2, 3], "3": [0, 1]}


def test_a_limit_that_the_site_does_not_tell_is_found_out(
    store: Store, site: FakeSlurm, capsys: pytest.CaptureFixture[str]
) -> None:
    site.set(hidden_limit=5)
    assert main([*GRID, f"store={store.root}"]) == 0
    assert sum(len(tasks) for tasks in site.queue().values()) == 5
    assert "5 runs wait for room (sbatch refused: Batch job submission failed: Job violates" in capsys.readouterr().out
    assert sorted(run.status()["status"] for run in store.run_folders()) == ["planned"] * 5 + ["queued"] * 5


def test_an_unreachable_controller_changes_nothing(
    store: Store, site: FakeSlurm, capsys: pytest.CaptureFixture[str]
) -> None:
    site.set(down=True)
    assert main([*GRID, f"store={store.root}"]) == 2
    error = capsys.readouterr().err
    assert error == "scontrol failed: Unable to contact slurm controller (connect failure); nothing was changed\n"
    assert not store.runs.exists() and not store.sweeps.exists()


def test_without_slurm_it_says_where_to_go(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main([*GRID, f"store={store.root}"]) == 2
    error = capsys.readouterr().err
    assert "needs SLURM's sbatch on the PATH" in error and "launcher=local" in error and error.count("\n") == 1
    assert not store.runs.exists()


def test_a_wrong_partition_is_refused_with_the_legal_ones(
    store: Store, site: FakeSlurm, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*GRID, "launcher.partition=gpuu", f"store={store.root}"]) == 2
    error = capsys.readouterr().err
    assert "Invalid partition name specified (launcher.partition=gpuu; legal here: main, shut); nothing was" in error
    assert states(store) == {"planned"} and site.queue() == {}


def test_a_controller_that_dies_right_after_sbatch_does_not_double(
    store: Store, site: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = scheduler.submit

    def die(script: str) -> str:
        honest(script)
        raise KeyboardInterrupt

    monkeypatch.setattr(scheduler, "submit", die)
    assert main([*GRID, f"store={store.root}"]) == 130
    monkeypatch.setattr(scheduler, "submit", honest)
    assert main([*GRID, f"store={store.root}"]) == 0
    assert sorted(len(tasks) for tasks in site.queue().values()) == [2, 4, 4]
    assert len(submitted(store)) == len(set(submitted(store))) == 10


def test_a_run_that_somebody_trains_already_is_left_to_them(
    store: Store, site: FakeSlurm, capsys: pytest.CaptureFixture[str]
) -> None:
    main([*GRID, f"store={store.root}"])
    site.drop()
    claim = take(next(iter(store.run_folders())), Observer())
    assert claim is not None
    capsys.readouterr()
    assert main([*GRID, f"store={store.root}"]) == 0
    assert "1 run left to the workers that train them outside of the queue" in capsys.readouterr().out
    assert sum(len(tasks) for tasks in site.queue().values()) == 9


def test_a_worker_elsewhere_whose_heart_stands_still_is_no_reason_to_wait(
    store: Store, site: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slurm, "HEART_S", 0.01)
    main([*GRID, f"store={store.root}"])
    site.drop()
    with monkeypatch.context() as other:
        other.setattr("landscape.claims.machine", lambda: {**machine(), "host": "node7"})
        claim = take(next(iter(store.run_folders())), Observer())
    assert claim is not None
    assert slurm.unclaimed(store, [claim.run.id]) == {claim.run.id}
    monkeypatch.setattr(slurm.time, "sleep", lambda s: claim.run.write_status({"status": "running", "beat": 1}))
    assert slurm.unclaimed(store, [claim.run.id]) == set()


def test_retry_takes_the_failed_and_the_lost_and_submit_leaves_the_failed(store: Store, site: FakeSlurm) -> None:
    main([*GRID, "launcher.max_submit=9", f"store={store.root}"])
    site.drop()
    first, second, third, *_ = (store.run(one) for one in submitted(store))
    first.write_status({**first.status(), "status": "failed", "reason": "died"})
    second.write_status({**second.status(), "status": "preempted", "step": 3})
    third.write_status({**third.status(), "status": "running"})
    VERBS["submit"](["--store", str(store.root)])
    assert sum(len(tasks) for tasks in site.queue().values()) == 9  # all but the failed one
    site.drop()
    VERBS["retry"](["--store", str(store.root)])
    assert sum(len(tasks) for tasks in site.queue().values()) == 9
    assert first.status() == {**first.status(), "status": "queued"} and "reason" not in first.status()
    assert second.status()["step"] == 3


def test_cancel_is_one_call_and_leaves_runs_that_can_be_submitted_again(
    store: Store, site: FakeSlurm, capsys: pytest.CaptureFixture[str]
) -> None:
    main([*GRID, f"store={store.root}"])
    assert VERBS["cancel"](["--store", str(store.root)]) == 0
    assert "cancelled 3 arrays: job 1, 2, 3" in capsys.readouterr().out
    assert site.calls("scancel") == ["scancel 1 2 3"] and site.queue() == {} and states(store) == {"planned"}
    assert all(one.cancelled for one in submissions(store.sweep_folders()[0]))
    assert VERBS["cancel"](["--store", str(store.root)]) == 0
    assert "nothing to cancel" in capsys.readouterr().out
    main([*GRID, f"store={store.root}"])
    assert sum(len(tasks) for tasks in site.queue().values()) == 10


def test_the_store_with_several_sweeps_asks_which(store: Store, site: FakeSlurm) -> None:
    for seed in (0, 1):
        main([f"seed={seed}", *TINY, "launcher=slurm", f"store={store.root}"])
    names = [folder.name for folder in store.sweep_folders()]
    with pytest.raises(UserError, match="the store holds 2 sweeps; name one"):
        VERBS["cancel"](["--store", str(store.root)])
    with pytest.raises(UserError, match="sweep nope is not known; in the store"):
        VERBS["retry"](["nope", "--store", str(store.root)])
    assert VERBS["cancel"]([names[0][:12], "--store", str(store.root)]) == 0
    assert len(site.queue()) == 1


# Resources


def test_rules_give_classes_of_runs_their_own_arrays(
    store: Store, site: FakeSlurm, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = "{when:{loss:[wgan,ls],reg:gp},memory:16G,time:600}", "{when:{seed:1},gpus:2,extra:[--exclusive]}"
    rules = f"launcher.classes=[{first},{second}]"
    arguments = ["-m", "loss=ns,wgan", "reg=gp,sn", "seed=0,1", *TINY, "launcher=slurm", rules, "device=cpu"]
    assert VERBS["plan"](arguments) == 0
    plan = capsys.readouterr().out
    assert "4 classes of resources" in plan and "1 run in 1 job of 1 core, 2 GPUs, 16 GB, 10:00 h" in plan
    assert main([*arguments, f"store={store.root}"]) == 0
    scripts = [site.script(job) for job in site.queue()]
    assert sorted(len(tasks) for tasks in site.queue().values()) == [1, 1, 3, 3]
    heavy = [text for text in scripts if "--mem=16384M" in text]
    assert len(heavy) == 2 and all("--time=600" in text for text in heavy)
    assert sum("--gpus-per-node=2" in text and "--exclusive\n" in text for text in scripts) == 2


WRONG: list[tuple[str, str]] = [
    ("{memory:4G}", "is no rule; write {when: {KEY: VALUE}, memory: 32G}"),
    ("{when:{data.sice:128},gpus:1}", "data.sice is no configuration key (did you mean data.size?)"),
    ("{when:{data.size:128},mem:4G}", "mem is no resource (did you mean memory?); legal: partition, account"),
    ("{when:{data.size:128},memory:lots}", "launcher.memory=lots is out of range; legal: a size such as 4G or 500M"),
    ("{when:{data.size:128},gpus:two}", "gpus=two is no whole number"),
    ("{when:{data.size:128},extra:['--array=3']}", "--array is set by this program"),
    ("{when:{data.size:128},extra:[exclusive]}", "exclusive is no option of sbatch; write --NAME=VALUE or --NAME"),
]


@pytest.mark.parametrize(("rule", "sentence"), WRONG)
def test_a_wrong_rule_is_one_sentence(
    store: Store, site: FakeSlurm, capsys: pytest.CaptureFixture[str], rule: str, sentence: str
) -> None:
    assert main([*GRID, f"launcher.classes=[{rule}]", f"store={store.root}"]) == 2
    error = capsys.readouterr().err
    assert sentence in error and error.count("\n") == 1 and not store.runs.exists()


def resources(*overrides: str) -> Any:
    config = make_plan(["launcher=slurm", *overrides], multirun=False).runs[0].config
    return Classes(config["launcher"]).of(config)


def test_what_a_job_gets_follows_from_what_its_runs_need() -> None:
    assert (resources().cores, resources().gpus, resources().time) == (1, 0, 240)
    packed = resources("threads=2", "launcher.at_once=3", "launcher.gpus=1", "launcher.time=1-00:30:00")
    assert (packed.cores, packed.gpus, packed.runs_per_job, packed.time) == (6, 1, 3, 1470)
    assert resources("device=cuda").gpus == 1
    assert resources("launcher.time=1").notice_s == 30  # half of a short job at the most
    with pytest.raises(UserError, match="names a GPU of one machine"):
        resources("device=cuda:1")


def test_indices_of_an_array_as_squeue_writes_them() -> None:
    assert spread("0-3,7%2") == [0, 1, 2, 3, 7] and spread("5") == [5] and spread("0-6:3") == [0, 3, 6]
    assert spread("N/A") == []


def test_an_unknown_word_between_lines_does_not_spoil_the_record(store: Store, site: FakeSlurm) -> None:
    main([*GRID, f"store={store.root}"])
    (folder,) = store.sweep_folders()
    with open(folder.submissions_file, "a") as f:
        f.write('{"token": "torn')  # a crash in the middle of a line
    token = submissions(folder)[0].token
    append(folder, {"token": token, "cancelled": True})
    assert len(submissions(folder)) == 3 and submission(folder, token).cancelled  # type: ignore[union-attr]


# The job


def test_a_job_packs_short_runs_side_by_side(store: Store, site: FakeSlurm) -> None:
    packing = ("launcher.runs_per_job=3", "launcher.at_once=2")
    main(["-m", "seed=range(0,4)", *TINY, "launcher=slurm", *packing, f"store={store.root}"])
    assert site.queue() == {"1": [0, 1]}
    job = site.start("1", 0)
    out, _ = job.communicate(timeout=120)
    assert job.returncode == 0, out
    assert "job 1_0" in out and "3 runs, 2 at once" in out and "3 of 3 runs finished, 0 failed" in out
    assert sorted(run.status()["status"] for run in store.run_folders()) == ["done", "done", "done", "queued"]


def end_of(
    store: Store, monkeypatch: pytest.MonkeyPatch, state: str | None, numbers: list[int], vain: bool = False
) -> list[str]:
    """What a job of this state that got these signals with runs to go puts back into the queue."""
    requeued: list[str] = []
    monkeypatch.setattr(scheduler, "state", lambda job: state)
    monkeypatch.setattr(scheduler, "requeue", lambda job: requeued.append(job) is None)
    given = submissions(store.sweep_folders()[0])[0]
    code = body._again(store, given, "1_2", list(numbers), vain)
    assert code == 75
    return requeued


USR2, TERM = signal.SIGUSR2, signal.SIGTERM


def test_a_job_queues_itself_again_where_the_scheduler_would_not(
    store: Store, site: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """submitit takes a signal after 80 % of a job's time for a time-out, and then may not queue it again."""
    main([*GRID, f"store={store.root}"])
    assert end_of(store, monkeypatch, "RUNNING", [USR2]) == ["1_2"]  # its time is nearly over
    assert end_of(store, monkeypatch, "RUNNING", [USR2], vain=True) == []  # and no end is in sight
    assert end_of(store, monkeypatch, "RUNNING", [TERM]) == ["1_2"]  # preempted, in its time of grace
    assert end_of(store, monkeypatch, "COMPLETING", [TERM]) == []  # requeued or cancelled already
    assert end_of(store, monkeypatch, None, [TERM]) == []
    (folder,) = store.sweep_folders()
    append(folder, {"token": submissions(folder)[0].token, "cancelled": True})
    assert end_of(store, monkeypatch, "RUNNING", [USR2]) == []


def test_a_job_of_runs_that_are_gone_says_so(store: Store, site: FakeSlurm) -> None:
    main([*GRID, f"store={store.root}"])
    command = [sys.executable, "-m", "sweeps.body", "--store", str(store.root), "--submission", "x", "--sweep"]
    done = subprocess.run([*command, "y"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (2, "sweep y has no task -1 of submission x\n")


ANOTHER_NODE = """
import socket, time
now = time.time
time.time = lambda: now() + {skew}
socket.gethostname = lambda: "node7"
"""


@pytest.mark.parametrize("skew", [60, -60])
def test_a_clock_that_is_a_minute_off_neither_loses_nor_keeps_a_run(
    store: Store, site: FakeSlurm, tmp_path: Path, skew: int
) -> None:
    """A worker of another node is judged by its heart and the observer's own clock."""
    main(["seed=0", *TINY, "train.steps=1000000", "metrics=none", "launcher=slurm", f"store={store.root}"])
    (run,) = store.run_folders()
    (tmp_path / "node").mkdir()
    (tmp_path / "node" / "sitecustomize.py").write_text(ANOTHER_NODE.format(skew=skew))
    there = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path / "node"), *sys.path])}
    command = [sys.executable, "-m", "landscape.worker", "--store", str(store.root), "--run", run.id]
    worker = subprocess.Popen(command, env=there, stdout=subprocess.DEVNULL)
    try:
        wait_for(lambda: run.status().get("step", 0) > 0)
        job = site.start("1", 0)
        out, _ = job.communicate(timeout=120)
        assert job.returncode == 0 and f"left to process {worker.pid} on node7" in out, out
    finally:
        worker.kill()
        worker.wait()
    observer = Observer(lost_after_s=0.5)
    claim = claim_in_force(run)
    assert claim is not None and not observer.is_lost(run, claim)
    wait_for(lambda: observer.is_lost(run, claim), 10)


def test_a_worker_that_does_not_save_in_time_does_not_keep_its_job_from_the_queue(
    store: Store, site: FakeSlurm
) -> None:
    more = ("train.steps=1000000", "metrics=none", "launcher=slurm", "launcher.signal_s=4")
    main(["seed=0", *TINY, *more, f"store={store.root}"])
    (run,) = store.run_folders()
    job = site.start("1", 0)
    wait_for(lambda: run.status().get("step", 0) > 0)
    claim = claim_in_force(run)
    assert claim is not None
    os.kill(claim["pid"], signal.SIGSTOP)  # in a long evaluation, say
    job.send_signal(USR2)
    try:
        out, _ = job.communicate(timeout=60)
    finally:
        os.kill(claim["pid"], signal.SIGKILL)
    assert job.returncode == 75 and "SIGUSR2: the job is queued again" in out, out
    assert site.calls("scontrol")[-1] == "scontrol requeue 1_0"


# A search


SEARCH = (*TINY, "search=random", "search.trials=3", "search.storage=journal", "launcher=slurm", "launcher.parallel=2")


def test_a_searchs_workers_are_jobs_that_are_submitted_once_and_find_their_runs_themselves(
    store: Store, site: FakeSlurm, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*SEARCH, f"store={store.root}"]) == 0
    assert "searching 3 trials: submitted 2 workers of 1 core" in capsys.readouterr().out
    assert site.queue() == {"1": [0], "2": [0, 1]}  # the grid's one run, and the workers
    assert main([*SEARCH, f"store={store.root}"]) == 0
    assert "the searches' workers are already in the queue" in capsys.readouterr().out
    assert site.queue() == {"1": [0], "2": [0, 1]}
    site.start("1", 0).communicate(timeout=180)
    site.drop("1")
    site.drop("2")
    assert VERBS["submit"](["--store", str(store.root)]) == 0  # the grid is finished, the search is not
    assert site.queue() == {"3": [0, 1]}
    job = site.start("3", 0)
    out, _ = job.communicate(timeout=180)
    assert job.returncode == 0 and "a worker of the sweep's searches" in out, out
    (sweep,) = store.searches()
    rows = [r for r in read_rows(store, sweep) if r["stage"] == "search"]
    assert [r["order"] for r in rows] == [0, 1, 2] and all(r["value"] is not None for r in rows)
    site.drop("3")
    assert slurm.trials_of(store, sweep) == 0 and VERBS["submit"](["--store", str(store.root)]) == 0
    assert site.queue() == {}


def test_a_search_on_a_cluster_is_not_kept_in_a_file_that_machines_cannot_share(
    store: Store, site: FakeSlurm, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*SEARCH, "search.storage=sqlite", f"store={store.root}"]) == 2
    assert "with launcher=slurm give search.storage=journal" in capsys.readouterr().err
    assert not store.sweep_folders()


def test_a_queue_that_is_full_leaves_the_search_for_later_and_says_so(
    store: Store, site: FakeSlurm, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*SEARCH, "launcher.max_submit=1", f"store={store.root}"]) == 0
    assert "3 trials wait for room (1 jobs are queued); when there is some," in capsys.readouterr().out
    assert site.queue() == {"1": [0]}
    site.drop("1")
    assert VERBS["submit"](["--store", str(store.root)]) == 0 and site.queue() == {"2": [0]}  # the grid's run, lost


def test_stage_grid_leaves_no_search_behind_and_classes_have_searches_of_their_own(
    store: Store, site: FakeSlurm, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*SEARCH, "stage=grid", f"store={store.root}"]) == 0
    assert VERBS["submit"](["--store", str(store.root)]) == 0 and site.queue() == {"1": [0]}
    rules = "launcher.classes=[{when: {loss: ls}, memory: 8G}]"
    assert main(["-m", "loss=ns,ls", *SEARCH, rules, f"store={store.root}"]) == 2
    assert "search each class in a command of its own" in capsys.readouterr().err
