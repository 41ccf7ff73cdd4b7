"""Runs that idle workers may begin: in idle slots alone, stopped when the plan's own have ended, no part of it."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from support import TINY

from landscape.store import DONE, Store
from sweeps.launchers.devices import Slots
from sweeps.launchers.local_pool import Pool
from sweeps.planning.freeze import freeze
from sweeps.planning.plan import Plan, make_plan


class Worker:
    """A process that ends when a test says so."""

    def __init__(self, pid: int, run: str) -> None:
        self.pid, self.run, self.code = pid, run, None

    def poll(self) -> int | None:
        return self.code


class Workers:
    def __init__(self) -> None:
        self.started: list[Worker] = []

    def start(self, arguments, environment, log) -> Worker:
        self.started.append(Worker(10**7 + len(self.started), arguments[arguments.index("--run") + 1]))
        return self.started[-1]


class Silent:
    def tick(self) -> None: ...

    def event(self, text: str) -> None: ...

    def ended(self, planned, run) -> None: ...


@pytest.fixture
def planned(tmp_path: Path) -> Plan:
    """Three runs of a plan, and two of later."""
    store = Store(tmp_path / "store")
    plan = make_plan(["seed=range(0,5)", "metrics=none", *TINY[:3], f"store={store.root}"], True)
    plan.runs, plan.early = plan.runs[:3], plan.runs[3:]
    freeze(plan)
    return plan


def ends(pool: Pool, run: str) -> None:
    (child,) = [child for child in pool.children if child.work.id == run]
    pool.children.remove(child)
    folder = pool.plan.store.run(run)
    folder.write_status(replace(folder.status(), state=DONE))
    pool.ended(child, 0)
    pool.fill()


def test_idle_slots_begin_later_runs_and_leave_them_when_the_plan_is_met(planned: Plan, monkeypatch) -> None:
    told: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "killpg", lambda pid, number: told.append((pid, number)))
    workers = Workers()
    pool = Pool(planned, Slots(2, (), ""), workers, Silent())  # type: ignore[arg-type]
    first, second, third = (one.id for one in planned.runs)
    early = [one.id for one in planned.early]

    def begun() -> list[str]:
        return [worker.run for worker in workers.started]

    pool.fill()
    assert begun() == [first, second] and not planned.store.run(early[0]).exists(), "no slot is idle"
    ends(pool, first)
    assert begun() == [first, second, third]
    ends(pool, second)
    assert begun()[3:] == early[:1] and planned.store.run(early[0]).exists() and told == []
    ends(pool, early[0])
    assert begun()[4:] == early[1:]
    ends(pool, third)
    assert told == [(workers.started[-1].pid, signal.SIGTERM)] and pool.waits() is False
    pool.fill()
    assert len(told) == 1, "told once"
    assert planned.store.sweep(planned.name).plan().runs == [first, second, third], "they are no part of the plan"
