"""python -m sweeps status and logs: from the store, one question to the scheduler, and sentences for bad input."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fake_slurm import FakeSlurm
from support import TINY, frozen_runs

from landscape.config.cli import quoted
from landscape.config.versions import CHANGES, Change
from landscape.runtime.worker import work
from landscape.store import RunFolder, Store
from landscape.store.leases import LeaseMonitor, acquire
from landscape.store.metrics_row import MetricsRow
from landscape.store.processes import machine
from landscape.store.trials import TrialRecord, put_rows
from sweeps import __main__ as doors
from sweeps.cli.sweep import main
from sweeps.launchers.slurm.submissions import submissions
from sweeps.monitor import StoreMonitor
from sweeps.planning.search_spec import read_searches

Call = Callable[..., int]

DEAD = {"pid": 2**22 + 1, "started": "1"}


@pytest.fixture
def call(store: Store, monkeypatch: pytest.MonkeyPatch) -> Call:
    """A verb on the test's store; its exit code."""
    monkeypatch.setenv("COLUMNS", "140")

    def call(*arguments: str) -> int:
        monkeypatch.setattr("sys.argv", ["sweeps", *arguments, f"store={store.root}"])
        return doors.main()

    return call


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    fake = FakeSlurm(tmp_path / "site")
    monkeypatch.setenv("PATH", f"{fake.bin}:/usr/bin:/bin")
    return fake


def set_status(run: RunFolder, **values: Any) -> None:
    run.write_status(replace(run.status(), **values), durable=False)


def claimed(run: RunFolder, number: int = 1, **who: Any) -> None:
    """A claim of a process that is dead, or of another machine."""
    (run.claims / f"{number}.json").write_text(json.dumps({**machine(), **DEAD, **who}))


def test_it_names_what_is_lost_or_failed_and_shows_the_newest_scores(
    store: Store, call: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    done, gone, failed, _ = frozen_runs(store, *TINY, "seed=range(0,4)")
    work(store, done.id, lambda text: None)
    set_status(gone, state="running", step=3)
    claimed(gone)
    set_status(failed, state="failed", reason="RuntimeError: out of luck")
    assert call("status") == 0
    out = capsys.readouterr().out
    assert "4 runs: 1 planned, 1 done, 1 failed, 1 lost" in out
    scores = done.rows()[-1].values
    assert f"{done.id}  done   seed=0  12/12  {scores['fd_classifier']:>15.1f}" in out
    assert f"{gone.id}  lost    seed=1" in out and f"{failed.id}  failed  seed=2  RuntimeError: out of luck" in out
    assert "3 runs idle: run the sweep's command again" in out
    assert "warning in 1 run: 64 images are too few" in out


def test_runs_of_before_a_change_are_not_among_the_idle(
    store: Store, call: Call, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    old, other, done = frozen_runs(store, *TINY, "loss=ns,ls", "seed=0") + frozen_runs(store, *TINY, "seed=1")
    work(store, done.id, lambda text: None)
    change = Change("loss", {"loss.kind": ("ns",)}, "2027-01-01", "for this test")
    monkeypatch.setattr("landscape.config.versions.CHANGES", (*CHANGES, change))
    assert call("status") == 0
    out = capsys.readouterr().out
    assert "1 run idle" in out and "1 run superseded" in out
    assert call("status", "--json") == 0
    states = {run["id"]: run["state"] for run in json.loads(capsys.readouterr().out)["runs"]}
    assert states == {old.id: "superseded", other.id: "planned", done.id: "done"}
    assert call("status", "--where", "state=superseded", "--json") == 0
    assert [run["id"] for run in json.loads(capsys.readouterr().out)["runs"]] == [old.id]


def test_where_and_sweep_take_a_part_and_json_tells_all(
    store: Store, call: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    frozen_runs(store, *TINY, "loss=ns,wgan", "seed=0,1")
    other = frozen_runs(store, *TINY, "optim.lr=5e-3")
    set_status(other[0], state="failed")

    def ids(*arguments: str) -> list[str]:
        assert call("status", "--json", *arguments) == 0
        return [run["id"] for run in json.loads(capsys.readouterr().out)["runs"]]

    assert len(ids()) == 5
    assert len(ids("--where", "loss=ns", "seed=0.0")) == 2 and len(ids("--where", "loss=ns,wgan")) == 5
    assert (
        ids("--where", "lr_d=0.005")
        == ids("--where", "optim.lr_d=5e-3")
        == ids("--where", "state=failed")
        == [other[0].id]
    )
    names = {folder.name: folder.plan().runs for folder in store.sweep_folders()}
    assert all(ids("--sweep", name) == ids(name[:9]) == runs for name, runs in names.items())
    call("status", "--json")
    told = json.loads(capsys.readouterr().out)
    assert told["states"] == {"planned": 4, "failed": 1} and told["unreadable"] == {} and not told["alive"]
    assert {cell["loss"]: cell["states"] for cell in told["cells"]} == {
        "ns": {"planned": 2, "failed": 1},
        "wgan": {"planned": 2},
    }


def test_a_file_that_does_not_read_is_named_and_the_rest_is_told(
    store: Store, call: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    bad, worse, _ = frozen_runs(store, *TINY, "seed=0,1,2")
    bad.status_file.write_text("{")
    worse.status_file.unlink()
    assert call("status") == 2
    told = capsys.readouterr()
    assert str(bad.status_file) in told.err and str(worse.status_file) in told.err and "1 run: 1 planned" in told.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["status", "--where", "los=ns"], "--where los=ns: unknown key los (did you mean loss?)"),
        (["status", "--where", "loss"], "--where loss is not a condition; write --where KEY=VALUE"),
        (
            ["status", "--where", "state=fine"],
            "--where state=fine: no run has status=fine (did you mean failed?); legal: planned, queued",
        ),
        (["status", "--where", "loss=hinge"], "--where loss=hinge: no run has loss=hinge; existing values: ns"),
        (["status", "nosuch"], "sweep nosuch is not known"),
        (["watch", "nosuch"], "sweep nosuch is not known"),
        (["wait", "nosuch"], "sweep nosuch is not known"),
        (["logs", "zz"], "zz"),
        (["logs", "a", "--lines", "0"], "--lines 0 is out of range; legal: 1 or more"),
        (["stauts"], "unknown command stauts (did you mean status?); legal: plan, race, status, watch"),
    ],
)
def test_bad_input_is_one_sentence(
    arguments: list[str], words: str, store: Store, call: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    frozen_runs(store, *TINY)
    assert call(*arguments) == 2
    told = capsys.readouterr()
    assert words in told.err and told.err.count("\n") == 1 and told.out == ""


def test_the_old_form_of_the_store_works_everywhere_and_is_told_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = Store(tmp_path / "a 'b\" c=d\\'")
    frozen_runs(Store(tmp_path / "plain"), *TINY)
    (tmp_path / "plain").rename(odd.root)
    notice = "--store VALUE is deprecated and will be removed in 0.3; write store=VALUE\n"
    old = ["--store", str(odd.root)], [f"--store={odd.root}"]
    for verb, new in ((["status"], f"store={odd.root}"), (["plan", *TINY], f"store={quoted(str(odd.root))}")):
        for arguments in ([new], *old):
            assert doors.main([*verb, *arguments]) == 0
            out, err = capsys.readouterr()
            assert "1 planned" in out and err == ("" if arguments == [new] else notice)
    assert not (tmp_path / "plain").exists()


def test_help_names_every_verb(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["sweeps", "--help"])
    assert doors.main() == 0
    shown = capsys.readouterr().out
    assert all(f"\n  {verb} " in shown for verb in doors.VERBS)
    for verb in doors.VERBS:  # each loads, and says how it is used
        monkeypatch.setattr("sys.argv", ["sweeps", verb, "--help"])
        try:
            assert doors.main() == 0
        except SystemExit as e:  # argparse's way
            assert e.code == 0
        assert f"python -m sweeps {verb}" in capsys.readouterr().out


def test_trials_that_killed_their_workers_are_given_up_like_those_that_failed(
    store: Store, call: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing would come of giving their command again, so that is not advised."""
    (grid,) = frozen_runs(store, *TINY, "search=random", "search.trials=2")
    (folder,) = store.sweep_folders()
    (search,) = read_searches(store, folder.name).cells
    killed, failed = (frozen_runs(store, *TINY, f"optim.lr={rate}")[0] for rate in (1e-3, 2e-3))
    set_status(grid, state="done")
    set_status(killed, state="running", step=3)
    claimed(killed)
    set_status(failed, state="failed")
    runs = enumerate((killed, failed))
    put_rows(store, folder.name, [TrialRecord(r.id, {}, "search", i, search=search.id, failed=True) for i, r in runs])
    for of in ([folder.name], []):
        assert call("status", *of) == 0
        out = capsys.readouterr().out
        assert "2 trials of searches given up: failed 3 times; to try again: python -m sweeps retry" in out
        assert "1 lost" in out and "idle" not in out


# The scheduler


def leave_queue(site: FakeSlurm, job: str, *tasks: int) -> None:
    """These tasks have ended."""
    file = site.home / "queue.json"
    queue = json.loads(file.read_text())
    queue[job]["tasks"] = [task for task in queue[job]["tasks"] if task not in tasks]
    file.write_text(json.dumps(queue))


def test_the_scheduler_is_asked_once_and_knows_who_is_lost(
    store: Store, site: FakeSlurm, call: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["-m", "seed=range(0,6)", *TINY, "launcher=slurm", f"store={store.root}"])
    tasks = submissions(store.sweep_folders()[0])[0].tasks
    runs = [store.run(task[0]) for task in tasks]
    leave_queue(site, "1", 2, 3, 4)
    before = len(site.calls("squeue"))
    set_status(runs[0], state="preempted")  # queued again
    set_status(runs[2], state="done")
    set_status(runs[3], state="running")
    claimed(runs[3], host="node7")  # its node died: nothing beats, and the scheduler has it no more
    capsys.readouterr()
    assert call("status", "--json") == 0
    told = {run["id"]: run["state"] for run in json.loads(capsys.readouterr().out)["runs"]}
    assert [told[run.id] for run in runs] == ["queued", "queued", "done", "lost", "lost", "queued"]
    assert len(site.calls("squeue")) == before + 1
    site.set(down=True)
    assert call("status") == 0
    out = capsys.readouterr().out
    assert "the scheduler could not be queried (squeue failed: Unable to contact slurm controller" in out
    assert "whether queued runs will start is not known" in out and "idle" not in out
    assert "4 queued, 1 running, 1 done" not in out and "1 lost" not in out  # what is not known is not claimed


def test_a_store_without_submissions_asks_no_scheduler(store: Store, site: FakeSlurm, call: Call) -> None:
    (run,) = frozen_runs(store, *TINY)
    set_status(run, state="queued")
    assert call("status") == 0 and site.calls("squeue") == []


def test_a_live_worker_is_running_whatever_its_status_says_yet(store: Store) -> None:
    (run,) = frozen_runs(store, *TINY)
    set_status(run, state="queued")
    claim = acquire(run, LeaseMonitor())
    assert claim is not None
    snapshot = StoreMonitor(store).snapshot()
    assert snapshot.states == {"running": 1} and snapshot.alive
    claim.release()
    assert StoreMonitor(store).snapshot().states == {"queued": 1}


def test_a_look_at_one_run_reads_no_record_of_trials(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    (run,) = frozen_runs(store, *TINY, "search=random")
    monkeypatch.setattr(
        "landscape.store.trials.read_rows", lambda *of: pytest.fail("the whole store's trials were read")
    )
    snapshot = StoreMonitor(store, ids=[run.id]).snapshot()
    assert snapshot.states == {"planned": 1} and not snapshot.trials_left


# Logs


def test_logs_shows_the_last_lines_of_the_run_and_of_its_newest_job(
    store: Store, site: FakeSlurm, call: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    main([*TINY, "-m", "seed=0,1", "launcher=slurm", f"store={store.root}"])
    (folder,) = store.sweep_folders()
    run = store.run(submissions(folder)[0].tasks[1][0])
    capsys.readouterr()
    assert call("logs", run.id[:6]) == 0
    assert "no log yet: the run is queued" in capsys.readouterr().out
    run.log_file.write_text("".join(f"line {i}\n" for i in range(100)))
    folder.job_log("1", 1).write_text("slurmstepd: oom-kill\n")
    folder.job_log("1", 0).write_text("of another run\n")
    assert call("logs", run.id, "-n", "3") == 0
    out = capsys.readouterr().out
    assert "== job 1_1: " in out and "slurmstepd: oom-kill" in out and "of another run" not in out
    assert out.endswith("line 97\nline 98\nline 99\n") and "line 96" not in out


def test_logs_follows_until_the_run_ends(store: Store, call: Call, capsys: pytest.CaptureFixture[str]) -> None:
    (run,) = frozen_runs(store, *TINY)
    work(store, run.id, lambda text: None)
    run.log_file.write_text("first\n")
    claim = acquire(run, LeaseMonitor())
    assert claim is not None
    set_status(run, state="running")
    claim.release()
    set_status(run, state="done")
    assert call("logs", run.id, "--follow") == 0
    assert "first\n" in capsys.readouterr().out


def test_distances_under_two_protocols_stand_in_a_column_each(
    store: Store, call: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    again, once = frozen_runs(store, *TINY, "loss=ns,wgan")
    for run, scores in ((again, [("one", 20.0), ("two", 7.0)]), (once, [("one", 10.0)])):
        for protocol, fid in scores:
            run.append_row(MetricsRow(step=12, protocol=protocol, more={"fid": fid}))
        set_status(run, state="done", step=12, scores={"protocol": scores[-1][0], "fid": scores[-1][1]})
    assert call("status") == 0
    lines = capsys.readouterr().out.splitlines()
    head = next(line for line in lines if "lowest FID" in line)
    assert head.split("lowest FID, ")[1:] == ["one  ", "two"]
    assert [next(x for x in lines if " wgan " in f" {x} ").split()[-2:]] == [["10", "-"]]
    assert [next(x for x in lines if " ns " in f" {x} ").split()[-2:]] == [["20", "7"]]
    assert call("status", "--json") == 0
    cells = json.loads(capsys.readouterr().out)["cells"]
    assert [cell["lowest"] for cell in cells] == [{"one": 20.0, "two": 7.0}, {"one": 10.0}]
