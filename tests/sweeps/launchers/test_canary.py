"""A sweep is tried in small before it spends: what is broken costs one try, and memory says how many runs fit."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from fake_slurm import FakeSlurm
from pictures import fill
from slurm import Cluster, why_not
from support import TINY, frozen_runs, sweep

from landscape.config.errors import ExitCode, UserError, fault_of
from landscape.config.shapes import shape_of
from landscape.runtime.canary import try_run
from landscape.runtime.worker import work
from landscape.store import FAILED, Store, SweepFolder
from landscape.store.canary import CanaryResult
from sweeps.__main__ import VERBS
from sweeps.cli.sweep import main
from sweeps.console import tell
from sweeps.launchers.canary import Canary, fitted, report, tries
from sweeps.launchers.devices import Slots, slots
from sweeps.launchers.local_pool import Pool
from sweeps.launchers.progress import Lines
from sweeps.launchers.registry import launcher_of
from sweeps.launchers.slurm.submissions import submissions
from sweeps.planning.freeze import freeze
from sweeps.planning.needs import survey
from sweeps.planning.plan import Plan, make_plan


def planned(store: Store, *overrides: str) -> Plan:
    plan = make_plan([*overrides, f"store={store.root}"], multirun=True)
    survey(plan)
    return plan


@pytest.fixture
def pets(tmp_path: Path) -> tuple[str, ...]:
    """A folder of images, which is decoded into the store when a sweep is planned."""
    folder = fill(tmp_path / "pets", *(f"{i}.png" for i in range(20)))
    return ("data=folder", f"data.path={folder}", "data.size=8", "metrics=none", *TINY[:3])


def lose_data(store: Store) -> None:
    shutil.rmtree(store.cache / "datasets")


def states(store: Store) -> Counter[str]:
    return Counter(run.status().state for run in store.run_folders())


# What is tried


def test_a_shape_class_is_what_builds_the_same_tensors(store: Store) -> None:
    plan = planned(store, *TINY, "loss=ns,ls", "optim.lr=1e-3,1e-2", "seed=0,1", "arch.width=0.04,0.08")
    shapes = [shape_of(run.config) for run in plan.runs]
    assert len(shapes) == 16 and len(set(shapes)) == 4  # loss and width
    more = [shape_of(planned(store, *TINY, key).runs[0].config) for key in ("metrics.n_fake=32", "train.batch_size=8")]
    assert len({*shapes, *more}) == 6


def test_a_sweep_is_tried_where_that_is_little_beside_it(store: Store) -> None:
    short, long = (*TINY, "loss=ns,ls", "seed=range(0,5)"), ("train.steps=20000", "loss=ns,ls", "seed=0,1")
    assert tries(planned(store, *short)) == []
    assert [run.label for run in tries(planned(store, *long))] == ["loss=ns seed=0", "loss=ls seed=0"]
    assert tries(planned(store, "train.steps=1000000")) == []  # it would try the one run that there is
    assert len(tries(planned(store, *short, "canary=on"))) == 2
    assert tries(planned(store, *long, "canary=off")) == []
    assert len(tries(planned(store, *short, "launcher.jobs=auto"))) == 2  # which only a try can tell
    searched = planned(store, *TINY, "loss=ns,ls", "search=random", "search.trials=100")
    assert tries(searched) == [] and len(tries(searched, searching=True)) == 2


def test_memory_without_a_canary_is_refused(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-q", "-m", "seed=0,1", *TINY, "launcher.jobs=auto", "canary=off", f"store={store.root}"]) == 2
    assert "launcher.jobs=auto needs the canary" in capsys.readouterr().err
    assert main(["-q", *TINY, "canary=maybe", f"store={store.root}"]) == 2
    assert "legal: auto, on, off" in capsys.readouterr().err


# One try


def test_a_try_measures_and_leaves_nothing_behind(store: Store) -> None:
    (run,) = frozen_runs(store, *TINY)
    before = {file: file.read_bytes() for file in run.path.rglob("*") if file.is_file()}
    folder = store.sweep_folders()[0]
    folder.canary.mkdir()
    file = folder.canary_file("shape")
    said: list[str] = []
    assert try_run(store, run.id, {}, file, said.append), said
    found = folder.canary_of("shape")
    assert found is not None and found.run == run.id and found.fault is None and found.gpu_memory is None
    assert 50 < found.memory < 50_000 and said[-1].startswith("passed: ")
    assert {file: file.read_bytes() for file in run.path.rglob("*") if file.is_file()} == before
    assert [entry.name for entry in store.runs.iterdir()] == [run.id]
    assert work(store, run.id, lambda text: None) == "done"


def test_a_try_finds_what_is_broken(
    store: Store, pets: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (run,) = frozen_runs(store, *pets)
    folder = store.sweep_folders()[0]
    folder.canary.mkdir()

    def fault() -> str | None:
        assert not try_run(store, run.id, {}, folder.canary_file("x"), lambda text: None)
        found = folder.canary_of("x")
        assert found is not None and found.reason
        return found.fault

    def torn(path: Path, content: object) -> None:
        path.write_bytes(b"torn")

    with monkeypatch.context() as broken:
        broken.setattr("landscape.training.checkpoint.save", torn)
        assert fault() == "CorruptFile in _try"
    lose_data(store)
    assert fault() == "UserError in load_data"
    assert work(store, run.id, lambda text: None) == FAILED and run.status().fault == "UserError in load_data"


# On this machine


@pytest.mark.slow
def test_a_broken_data_path_costs_one_try_and_no_run(
    store: Store, pets: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    plan = planned(store, *pets, "seed=range(0,6)", "loss=ns,ls", "canary=on", "launcher.jobs=1")
    lose_data(store)
    assert launcher_of(plan.runs[0].config["launcher"]).launch(plan) == ExitCode.UNFINISHED
    err = capsys.readouterr().err
    assert "canary: 2 of 2 shapes tried failed before training" in err and "and 1 other shape" in err
    assert "cannot be read from the store" in err and "12 runs not started; canary=off" in err
    assert states(store) == {"planned": 12}
    assert VERBS["status"]([f"store={store.root}"]) == 0
    assert "12 runs not started, because the canary failed: the decoded images" in capsys.readouterr().out
    assert not any(run.log_file.exists() and run.log_file.read_text() for run in store.run_folders())


@pytest.mark.slow
def test_shapes_that_pass_are_trained_and_memory_says_how_many_at_once(store: Store) -> None:
    done = sweep("-m", *TINY, "loss=ns,ls", "seed=0,1", "canary=on", "launcher.jobs=auto", f"store={store.root}")
    assert done.returncode == 0, done.stderr
    assert "canary: 2 shapes tried, all passed; a run takes up to" in done.stderr and states(store) == {"done": 4}


class Tries:
    """A starter of tries that end at once, with these causes by loss, or pass."""

    def __init__(self, folder: SweepFolder, store: Store, faults: dict[str, str]) -> None:
        self.folder, self.store, self.faults = folder, store, faults

    def start(self, arguments: list[str], own: dict[str, str], log: Path) -> Tries:
        run = self.store.run(arguments[arguments.index("--run") + 1])
        fault = self.faults.get(run.config()["loss"]["kind"])
        text = json.dumps(CanaryResult(run=run.id, fault=fault, reason=fault, memory=100).to_json())
        Path(arguments[arguments.index("--canary") + 1]).write_text(text)
        return self

    pid = 0

    def poll(self) -> int:
        return 0


@pytest.mark.parametrize(
    ("faults", "tried", "barred"),
    [
        ({}, 5, 0),
        ({"ls": "OutOfMemoryError in step"}, 5, 2),
        (dict.fromkeys(("ns", "ls", "wgan", "hinge", "rpgan"), "UserError in load_data"), 3, 10),  # the rest is known
        ({"ns": "UserError in a", "ls": "UserError in b", "wgan": "UserError in a"}, 5, 6),
    ],
)
def test_a_shape_that_fails_keeps_its_own_runs_from_starting(
    faults: dict[str, str],
    tried: int,
    barred: int,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sweeps.launchers.supervisor.POLL_S", 0.0)
    plan = planned(store, *TINY, "loss=ns,ls,wgan,hinge,rpgan", "seed=0,1", "canary=on")
    freeze(plan)
    folder = store.sweep(plan.name)
    starter = Tries(folder, store, faults)
    canary = Canary(plan, tries(plan), folder, Slots(1, (), ""), starter, tell)  # type: ignore[arg-type]
    canary.supervise()
    assert len(canary.results) == tried and len(report(canary, tell)) == barred
    said = capsys.readouterr().err
    assert all(fault in said for fault in faults.values()) and ("all passed" in said) == (not faults)


def test_the_first_try_goes_alone(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sweeps.launchers.supervisor.POLL_S", 0.0)
    plan = planned(store, *TINY, "loss=ns,ls,wgan", "canary=on")
    freeze(plan)
    starter = Tries(store.sweep(plan.name), store, {})
    canary = Canary(plan, tries(plan), starter.folder, Slots(4, (), ""), starter, tell)  # type: ignore[arg-type]
    canary.fill()
    assert len(canary.children) == 1
    canary.fill()
    assert len(canary.children) == 1 and not canary.results
    canary.supervise()
    assert len(canary.results) == 3


class Fails:
    """A starter of workers that fail with these causes, in turn, at a step."""

    def __init__(self, store: Store, faults: list[str], step: int = 0) -> None:
        self.store, self.faults, self.step, self.started = store, faults, step, list[str]()

    def start(self, arguments: list[str], own: dict[str, str], log: Path) -> Fails:
        run = self.store.run(arguments[arguments.index("--run") + 1])
        fault = self.faults[len(self.started) % len(self.faults)]
        state = "done" if fault == "none" else FAILED
        run.write_status(replace(run.status(), state=state, reason="x", fault=fault, step=self.step))
        self.started.append(run.id)
        return self

    pid = 0

    def poll(self) -> int:
        return 77


def left_of(store: Store, faults: list[str], *overrides: str) -> int:
    """How many of eight runs are never started where workers fail with these causes."""
    plan = planned(store, *TINY, "metrics=none", "seed=range(0,8)", *overrides)
    freeze(plan)
    starter = Fails(store, faults)
    pool = Pool(plan, Slots(2, (), ""), starter, Lines(plan))  # type: ignore[arg-type]
    pool.supervise()
    return 8 - len(starter.started)


@pytest.mark.parametrize(
    ("faults", "overrides", "left"),
    [
        (["UserError in load_data"], (), 4),  # two at once: the fourth has begun when the third fails
        (["UserError in load_data"], ("canary=off",), 0),
        (["UserError in load_data", "KeyError in step"], (), 0),
        (["none", "UserError in load_data"], (), 0),  # others get further
    ],
)
def test_first_failures_of_one_cause_halt_a_sweep(
    faults: list[str],
    overrides: tuple[str, ...],
    left: int,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sweeps.launchers.supervisor.POLL_S", 0.0)
    assert left_of(store, faults, *overrides) == left
    said = f"the first 3 runs failed for one cause (UserError in load_data): {left} runs not started"
    assert (said in capsys.readouterr().err) == bool(left)


# How many fit


def test_how_many_runs_fit() -> None:
    on_gpu = CanaryResult(run="a", memory=3000, gpu_memory=20_000, gpu_total=80_000)
    assert on_gpu.fit(None, 1) == 3 and on_gpu.fit(None, 2) == 6 and on_gpu.fit(8000, 2) == 2
    assert CanaryResult(run="a", memory=3000).fit(100, 0) == 1  # it is tried all the same
    assert CanaryResult(run="a").fit(None, 0) is None


def test_slots_follow_the_largest_shape(store: Store) -> None:
    plan = planned(store, *TINY, "loss=ns,ls", "seed=0,1")
    freeze(plan)
    folder = store.sweep(plan.name)
    folder.canary.mkdir()
    places = replace(slots("auto", 1, "cpu"), count=16)
    assert fitted(places, folder, plan.runs).count == 1  # nothing is known yet
    for run, memory in zip(plan.runs[::2], (500, 2000), strict=True):
        text = json.dumps(CanaryResult(run=run.id, memory=memory).to_json())
        folder.canary_file(shape_of(run.config)).write_text(text)
    assert fitted(places, folder, plan.runs, memory=8000.0).count == 3
    assert fitted(places, folder, plan.runs[:2], memory=8000.0).count == 14
    assert fitted(replace(places, auto=False), folder, plan.runs, memory=8000.0).count == 16


# On a cluster

SLURM = ("launcher=slurm", "canary=on")


def test_a_canary_is_submitted_first_and_everything_waits_for_it(store: Store, site: FakeSlurm) -> None:
    search = ("search=random", "search.trials=3", "search.storage=journal")
    assert main(["-m", "seed=range(0,6)", "loss=ns,ls", *TINY, *SLURM, *search, f"store={store.root}"]) == 0
    arrays = submissions(store.sweep_folders()[0])
    assert [one.canary for one in arrays] == [True, False, False, False, False] and arrays[-1].search
    assert len(arrays[0].tasks) == 1 and len(arrays[0].tasks[0]) == 2
    for one in arrays[1:]:
        script = site.script(str(one.job))
        assert "#SBATCH --dependency=afterok:1\n" in script and "#SBATCH --kill-on-invalid-dep=yes\n" in script
    assert "dependency" not in site.script("1")
    calls = len(site.calls("sbatch"))
    assert main(["-m", "seed=range(0,6)", "loss=ns,ls", *TINY, *SLURM, *search, f"store={store.root}"]) == 0
    assert len(site.calls("sbatch")) == calls  # given again it submits nothing


def test_packing_by_memory_needs_cores_and_a_number(
    store: Store, site: FakeSlurm, capsys: pytest.CaptureFixture[str]
) -> None:
    auto = ("-q", "-m", "seed=range(0,6)", *TINY, "launcher=slurm", "launcher.at_once=auto")
    assert main([*auto, f"store={store.root}"]) == 2
    assert "launcher.at_once=auto needs launcher.cores and launcher.runs_per_job" in capsys.readouterr().err
    assert main([*auto, "launcher.cores=4", "launcher.runs_per_job=3", f"store={store.root}"]) == 0
    one = submissions(store.sweep_folders()[0])[1].resources
    assert one.auto and one.at_once == 3 and one.runs_per_job == 3


@pytest.mark.slow
def test_a_broken_data_path_costs_one_job(store: Store, site: FakeSlurm, pets: tuple[str, ...]) -> None:
    assert main(["-m", "seed=range(0,4)", *pets, *SLURM, f"store={store.root}"]) == 0
    lose_data(store)
    job = site.start("1", 0)
    out, _ = job.communicate(timeout=300)
    assert job.returncode == ExitCode.UNFINISHED, out
    assert "canary: 1 of 1 shape tried failed" in out and "4 runs not started: once the cause is mended" in out
    assert states(store) == {"planned": 4}
    assert all("the canary failed" in str(run.status().reason) for run in store.run_folders())
    site.drop()  # SLURM takes out what waits for a job that failed
    (folder,) = store.sweep_folders()
    assert VERBS["submit"]([folder.name, f"store={store.root}"]) == 0
    again = submissions(folder)[-2:]
    assert again[0].canary and again[1].gated  # once more


real = [pytest.mark.slow, pytest.mark.xdist_group("slurm"), pytest.mark.skipif(bool(why_not()), reason=str(why_not()))]


@pytest.mark.parametrize("broken", [pytest.param(flag, marks=real) for flag in (True, False)])
def test_a_real_scheduler_keeps_the_rest_waiting(
    cluster: Cluster, store: Store, pets: tuple[str, ...], broken: bool
) -> None:
    more = ("launcher.memory=500M", "launcher.time=10", "launcher.extra=[--hold]")
    done = sweep("-m", "seed=range(0,3)", *pets, *SLURM, *more, f"store={store.root}")
    assert done.returncode == 0, done.stderr
    if broken:
        lose_data(store)
    cluster.tool("scontrol", "release", *sorted({job for job, _, _ in cluster.jobs()}))
    cluster.wait_until_empty()
    assert states(store) == ({"planned": 3} if broken else {"done": 3})
    assert len(list(store.sweeps.glob("*/logs/*"))) == (1 if broken else 4)


def test_a_fault_is_the_type_and_the_place() -> None:
    try:
        raise UserError("x")
    except UserError as e:
        assert fault_of(e) == "UserError in test_a_fault_is_the_type_and_the_place"
