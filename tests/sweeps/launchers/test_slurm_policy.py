"""launcher=slurm where a fake scheduler answers: what is submitted, when, and what a job does at its end."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from fake_slurm import FakeSlurm
from support import TINY, frozen_runs

from landscape.config.errors import UserError
from landscape.store import RunStatus, Store
from landscape.store.jobs import SubmissionEvent
from landscape.store.leases import LeaseMonitor, acquire
from landscape.store.processes import myself
from sweeps import monitor
from sweeps.__main__ import VERBS
from sweeps.cli.sweep import main
from sweeps.launchers.slurm.client import Client
from sweeps.launchers.slurm.submissions import append, submission, submissions

GRID = ("-m", "seed=range(0,10)", *TINY, "launcher=slurm")


def states(store: Store) -> set[str]:
    return {run.status().state for run in store.run_folders()}


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


def test_given_again_it_submits_nothing_twice(store: Store, site: FakeSlurm) -> None:
    for _ in range(2):
        assert main([*GRID, f"store={store.root}"]) == 0
    assert len(site.calls("sbatch")) == 3 and len(submitted(store)) == 10
    # a sweep that shares runs with it submits the others alone
    assert main(["-m", "seed=range(8,12)", *TINY, "launcher=slurm", f"store={store.root}"]) == 0
    assert site.queue()["4"] == [0, 1] and len(set(submitted(store))) == 12


def test_what_left_the_queue_unfinished_is_submitted_again(store: Store, site: FakeSlurm) -> None:
    main([*GRID, f"store={store.root}"])
    site.drop("2")
    assert VERBS["submit"]([f"store={store.root}"]) == 0
    assert site.queue()["4"] == [0, 1, 2, 3]
    second, fourth = (one.tasks for one in submissions(store.sweep_folders()[0]) if one.job in ("2", "4"))
    assert second == fourth


def test_the_rest_of_a_sweep_follows_with_submit(
    store: Store, site: FakeSlurm, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*GRID, "launcher.max_submit=6", f"store={store.root}"]) == 0
    assert site.queue() == {"1": [0, 1, 2, 3], "2": [0, 1]}
    assert "python -m sweeps submit" in capsys.readouterr().err  # how they follow
    assert sorted(run.status().state for run in store.run_folders()) == ["planned"] * 4 + ["queued"] * 6
    VERBS["submit"]([f"store={store.root}"])
    assert len(site.queue()) == 2  # there is no room yet
    store.run(submissions(store.sweep_folders()[0])[1].tasks[0][0]).write_status(RunStatus(state="done"))
    site.drop("2")
    VERBS["submit"]([f"store={store.root}"])
    assert site.queue() == {"1": [0, 1, 2, 3], "3": [0, 1]}


def test_a_limit_that_the_site_does_not_tell_is_found_out(
    store: Store, site: FakeSlurm, capsys: pytest.CaptureFixture[str]
) -> None:
    site.set(hidden_limit=5)
    assert main([*GRID, f"store={store.root}"]) == 0
    assert sum(len(tasks) for tasks in site.queue().values()) == 5
    assert "sbatch refused: Batch job submission failed: Job violates" in capsys.readouterr().err
    assert sorted(run.status().state for run in store.run_folders()) == ["planned"] * 5 + ["queued"] * 5


def test_an_unreachable_controller_changes_nothing(
    store: Store, site: FakeSlurm, capsys: pytest.CaptureFixture[str]
) -> None:
    site.set(down=True)
    assert main(["-q", *GRID, f"store={store.root}"]) == 2
    error = capsys.readouterr().err
    assert error == "scontrol failed: Unable to contact slurm controller (connect failure); nothing was changed\n"
    assert not store.runs.exists() and not store.sweeps.exists()


def test_without_slurm_it_says_where_to_go(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["-q", *GRID, f"store={store.root}"]) == 2
    error = capsys.readouterr().err
    assert "sbatch" in error and "launcher=local" in error and error.count("\n") == 1
    assert not store.runs.exists()


def test_a_wrong_partition_is_refused_with_the_legal_ones(
    store: Store, site: FakeSlurm, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["-q", *GRID, "launcher.partition=gpuu", f"store={store.root}"]) == 2
    error = capsys.readouterr().err
    assert "launcher.partition=gpuu" in error and "main, shut" in error and error.count("\n") == 1
    assert not list(store.run_folders()) and site.queue() == {}


def test_a_refusal_leaves_no_planned_runs_and_no_sweep(store: Store, site: FakeSlurm) -> None:
    search = ("search=random", "search.trials=3", "search.storage=journal")
    wrong = "launcher.partition=gpuu"
    assert main([*GRID, *search, wrong, f"store={store.root}"]) == 2
    assert site.calls("sbatch") and os.listdir(store.runs) == []
    assert [name for name in os.listdir(store.sweeps) if not name.startswith(".submit")] == []
    assert main([*GRID, *search, f"store={store.root}"]) == 0 and len(list(store.run_folders())) == 10


def test_a_refusal_leaves_what_was_there_before(store: Store, site: FakeSlurm) -> None:
    """Runs of other sweeps, and the sweep as its last command left it."""
    assert main(["-m", "seed=0,1", *TINY, "launcher=slurm", f"store={store.root}"]) == 0
    assert main([*GRID, f"store={store.root}"]) == 0
    site.drop()
    for run in store.run_folders():
        run.write_status(replace(run.status(), state="preempted", step=3))
    for folder in store.sweep_folders():
        folder.jobs_file.chmod(0o666)
    before = {file: file.read_bytes() for file in store.root.rglob("*.json")}
    assert main(["-q", *GRID, "launcher.partition=gpuu", f"store={store.root}"]) == 2
    assert {file: file.read_bytes() for file in store.root.rglob("*.json")} == before
    assert [folder.signed_plan()[1] for folder in store.sweep_folders()] == [True, True]
    assert [folder.signed_jobs()[1] for folder in store.sweep_folders()] == [False, False], "nor do they pass for ours"
    assert main(["-m", "seed=range(0,12)", *TINY, "launcher=slurm", "launcher.qos=no", f"store={store.root}"]) == 0
    site.drop()
    assert len(list(store.run_folders())) == 12 and len(store.sweep_folders()) == 3


def test_a_refusal_leaves_runs_that_others_took_up_meanwhile(
    store: Store, site: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest, kept = Client.submit, []

    def busy(self: Client, script: str) -> str:
        if not kept:
            claimed, begun, shared, *_ = store.run_folders()
            assert acquire(claimed, LeaseMonitor()) is not None
            begun.write_status(replace(begun.status(), state="running", step=1))
            seed = shared.config()["seed"]
            frozen_runs(store, *TINY, f"seed={seed}")
            kept.extend([claimed.id, begun.id, shared.id])
        return honest(self, script)

    monkeypatch.setattr(Client, "submit", busy)
    assert main(["-q", *GRID, "launcher.partition=gpuu", f"store={store.root}"]) == 2
    assert [run.id for run in store.run_folders()] == sorted(kept) and len(store.sweep_folders()) == 1


def test_what_was_submitted_before_a_refusal_keeps_its_sweep(store: Store, site: FakeSlurm) -> None:
    rules = "launcher.classes=[{when: {seed: 9}, partition: gpuu}]"
    assert main([*GRID, rules, f"store={store.root}"]) == 2
    assert len(site.queue()) == 3 and len(store.sweep_folders()) == 1 and len(list(store.run_folders())) == 10


def test_a_controller_that_dies_right_after_sbatch_does_not_double(
    store: Store, site: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = Client.submit

    def die(self: Client, script: str) -> str:
        honest(self, script)
        raise KeyboardInterrupt

    monkeypatch.setattr(Client, "submit", die)
    assert main([*GRID, f"store={store.root}"]) == 130
    monkeypatch.setattr(Client, "submit", honest)
    assert main([*GRID, f"store={store.root}"]) == 0
    assert sorted(len(tasks) for tasks in site.queue().values()) == [2, 4, 4]
    assert len(submitted(store)) == len(set(submitted(store))) == 10


def test_a_run_that_somebody_trains_already_is_left_to_them(store: Store, site: FakeSlurm) -> None:
    main([*GRID, f"store={store.root}"])
    site.drop()
    claim = acquire(next(iter(store.run_folders())), LeaseMonitor())
    assert claim is not None
    assert main([*GRID, f"store={store.root}"]) == 0
    assert sum(len(tasks) for tasks in site.queue().values()) == 9


def test_a_worker_elsewhere_whose_heart_stands_still_is_no_reason_to_wait(
    store: Store, site: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitor, "HEART_S", 0.01)
    main([*GRID, f"store={store.root}"])
    site.drop()
    me = myself()
    with monkeypatch.context() as other:
        other.setattr("landscape.store.processes.myself", lambda: me | {"host": "node7"})
        claim = acquire(next(iter(store.run_folders())), LeaseMonitor())
    assert claim is not None
    assert monitor.without_worker(store, [claim.run.id]) == {claim.run.id}
    beats = RunStatus(state="running", beat=1)
    monkeypatch.setattr(monitor.time, "sleep", lambda s: claim.run.write_status(beats))
    assert monitor.without_worker(store, [claim.run.id]) == set()


def test_retry_takes_the_failed_and_the_lost_and_submit_leaves_the_failed(store: Store, site: FakeSlurm) -> None:
    main([*GRID, "launcher.max_submit=9", f"store={store.root}"])
    site.drop()
    first, second, third, *_ = (store.run(one) for one in submitted(store))
    first.write_status(replace(first.status(), state="failed", reason="died"))
    second.write_status(replace(second.status(), state="preempted", step=3))
    third.write_status(replace(third.status(), state="running"))
    VERBS["submit"]([f"store={store.root}"])
    assert sum(len(tasks) for tasks in site.queue().values()) == 9  # all but the failed one
    site.drop()
    VERBS["retry"]([f"store={store.root}"])
    assert sum(len(tasks) for tasks in site.queue().values()) == 9
    assert first.status().state == "queued" and first.status().reason is None
    assert second.status().step == 3


def test_cancel_is_one_call_and_leaves_runs_that_can_be_submitted_again(store: Store, site: FakeSlurm) -> None:
    main([*GRID, f"store={store.root}"])
    assert VERBS["cancel"]([f"store={store.root}"]) == 0
    assert site.calls("scancel") == ["scancel 1 2 3"] and site.queue() == {} and states(store) == {"planned"}
    assert all(one.cancelled for one in submissions(store.sweep_folders()[0]))
    assert VERBS["cancel"]([f"store={store.root}"]) == 0
    assert len(site.calls("scancel")) == 1
    main([*GRID, f"store={store.root}"])
    assert sum(len(tasks) for tasks in site.queue().values()) == 10


def test_the_store_with_several_sweeps_asks_which(store: Store, site: FakeSlurm) -> None:
    for seed in (0, 1):
        main([f"seed={seed}", *TINY, "launcher=slurm", f"store={store.root}"])
    names = [folder.name for folder in store.sweep_folders()]
    with pytest.raises(UserError, match=names[0]):
        VERBS["cancel"]([f"store={store.root}"])
    with pytest.raises(UserError, match="nope"):
        VERBS["retry"](["nope", f"store={store.root}"])
    assert VERBS["cancel"]([names[0][:12], f"store={store.root}"]) == 0
    assert len(site.queue()) == 1


def test_an_unknown_word_between_lines_does_not_spoil_the_record(store: Store, site: FakeSlurm) -> None:
    main([*GRID, f"store={store.root}"])
    (folder,) = store.sweep_folders()
    with open(folder.submissions_file, "a") as f:
        f.write('{"token": "torn')  # a crash in the middle of a line
    token = submissions(folder)[0].token
    append(folder, SubmissionEvent(token=token, cancelled=True))
    assert len(submissions(folder)) == 3 and submission(folder, token).cancelled  # type: ignore[union-attr]
