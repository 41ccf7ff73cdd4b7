"""Jobs that the scheduler will never start, or does not speak of, are no jobs that wait for their turn."""

from __future__ import annotations

import json

import pytest
from fake_slurm import FakeSlurm
from support import TINY

from landscape.store import Store
from sweeps import monitor
from sweeps.__main__ import VERBS
from sweeps.cli import wait
from sweeps.cli.sweep import main
from sweeps.launchers.slurm.client import obstacle

GRID = ("-m", "seed=range(0,6)", *TINY, "launcher=slurm")


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wait, "pause_s", lambda took_s: 0.02)
    monkeypatch.setattr(wait, "IDLE_S", 0.1)
    monkeypatch.setattr(monitor, "QUERY_S", 0.0)


def said(store: Store, capsys: pytest.CaptureFixture[str], verb: str, code: int) -> str:
    capsys.readouterr()
    (folder,) = store.sweep_folders()
    assert VERBS[verb]([folder.name, f"store={store.root}"]) == code
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("reason", "remedy"),
    [
        ("JobHeldUser", "scontrol release 1,2"),
        ("launch failed requeued held", "scontrol release 1,2"),
        ("PartitionConfig", "python -m sweeps cancel"),
        ("QOSMaxCpuPerJobLimit", "python -m sweeps cancel"),
    ],
)
def test_jobs_that_cannot_start_are_told_with_the_reason_and_not_waited_for(
    reason: str, remedy: str, store: Store, site: FakeSlurm, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*GRID, f"store={store.root}"]) == 0
    for job in ("1", "2"):
        site.pend(job, reason)
    for out in (said(store, capsys, "status", 0), said(store, capsys, "wait", 1)):
        assert f"6 queued runs cannot start ({reason}, job 1,2)" in out and remedy in out
        assert "idle" not in out  # they are in the queue: it would submit nothing
    capsys.readouterr()
    VERBS["status"]([f"store={store.root}", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert {(seen["state"], seen["reason"]) for seen in told["runs"]} == {("queued", reason)} and not told["alive"]


def test_one_job_that_can_start_is_waited_for(
    store: Store, site: FakeSlurm, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A partition that is down may come up; a job that is held leaves the others alone."""
    assert main([*GRID, f"store={store.root}"]) == 0
    site.pend("1", "JobHeldAdmin")
    site.pend("2", "PartitionDown")
    rests, rest = [0], wait.time.sleep

    def released(seconds: float) -> None:
        rests[0] += 1
        if rests[0] == 20:  # far longer than a sweep is waited for that nobody works on
            site.pend("2", "JobHeldAdmin")
        rest(seconds)

    monkeypatch.setattr(wait.time, "sleep", released)
    out = said(store, capsys, "status", 0)
    assert "4 queued runs cannot start (JobHeldAdmin, job 1)" in out
    assert "2 queued runs cannot start yet (PartitionDown, job 2); their partition is down" in out
    assert "6 queued runs cannot start (JobHeldAdmin, job 1,2)" in said(store, capsys, "wait", 1) and rests[0] >= 20


def test_a_searchs_workers_that_cannot_start_are_told_of(
    store: Store, site: FakeSlurm, capsys: pytest.CaptureFixture[str]
) -> None:
    search = ("search=random", "search.trials=3", "search.storage=journal", "stage=search")
    assert main([*TINY, *search, "launcher=slurm", f"store={store.root}"]) == 0
    assert list(site.queue()) == ["1"]
    site.pend("1", "BadConstraints")
    for out in (said(store, capsys, "status", 0), said(store, capsys, "wait", 1)):
        assert "the workers of its searches cannot start (BadConstraints, job 1)" in out


def test_which_reasons_never_end() -> None:
    def stuck(reason: str, state: str = "PENDING") -> bool:
        found = obstacle(state, reason)
        return found is not None and found.lasting

    never = ("PartitionNodeLimit", "PartitionTimeLimit", "InvalidAccount", "InvalidQOS", "DependencyNeverSatisfied")
    assert all(map(stuck, never))
    assert not any(
        map(stuck, ("None", "Priority", "Resources", "PartitionDown", "QOSMaxJobsPerUserLimit", "BeginTime"))
    )
    assert not stuck("JobHeldUser", "RUNNING")


def test_a_scheduler_that_is_silent_is_waited_for_longer_and_then_told(
    store: Store, site: FakeSlurm, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main([*GRID, f"store={store.root}"]) == 0
    site.set(down=True)
    monkeypatch.setattr(wait, "IDLE_S", 0.0)  # in which a sweep that is left alone would have ended
    rests, rest = [0], wait.time.sleep

    def answers(seconds: float) -> None:
        rests[0] += 1
        if rests[0] in (5, 10):
            site.set(down=rests[0] == 10)
        if rests[0] == 15:
            monkeypatch.setattr(wait, "SILENT_S", 0.0)
        rest(seconds)

    monkeypatch.setattr(wait.time, "sleep", answers)
    out = said(store, capsys, "wait", 1)
    assert rests[0] >= 15  # not before; another thread may have slept too
    assert "the scheduler has not answered for" in out and "wait again when it answers" in out
    assert "idle" not in out
