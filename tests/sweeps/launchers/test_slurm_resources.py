"""What a job on a cluster is given: by the launcher's keys, and by the rules of launcher.classes."""

from __future__ import annotations

from typing import Any

import pytest
from fake_slurm import FakeSlurm
from support import TINY

from landscape.config.errors import UserError
from landscape.store import Store
from sweeps.__main__ import VERBS
from sweeps.cli.sweep import main
from sweeps.launchers.slurm.client import expand_indices
from sweeps.launchers.slurm.resources import ResourceRules
from sweeps.planning.plan import make_plan

GRID = ("-m", "seed=range(0,10)", *TINY, "launcher=slurm")


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
    ("{memory:4G}", "is not a rule; write {when: {KEY: VALUE}, memory: 32G}"),
    ("{when:{data.sice:128},gpus:1}", "data.sice is not a configuration key (did you mean data.size?)"),
    ("{when:{data.size:128},mem:4G}", "mem is not a resource (did you mean memory?); legal: partition, account"),
    ("{when:{data.size:128},memory:lots}", "launcher.memory=lots is out of range; legal: a size such as 4G or 500M"),
    ("{when:{data.size:128},gpus:two}", "gpus=two is not a whole number"),
    ("{when:{data.size:128},extra:['--array=3']}", "--array is set by this program"),
    ("{when:{data.size:128},extra:[exclusive]}", "exclusive is not an option of sbatch; write --NAME=VALUE or --NAME"),
]


@pytest.mark.parametrize(("rule", "sentence"), WRONG)
def test_a_wrong_rule_is_one_sentence(
    store: Store, site: FakeSlurm, capsys: pytest.CaptureFixture[str], rule: str, sentence: str
) -> None:
    assert main(["-q", *GRID, f"launcher.classes=[{rule}]", f"store={store.root}"]) == 2
    error = capsys.readouterr().err
    assert sentence in error and error.count("\n") == 1 and not store.runs.exists()


def resources(*overrides: str) -> Any:
    config = make_plan(["launcher=slurm", *overrides], multirun=False).runs[0].config
    return ResourceRules(config["launcher"]).of(config)


def test_what_a_job_gets_follows_from_what_its_runs_need() -> None:
    assert (resources().cores, resources().gpus, resources().time) == (1, 0, 240)
    packed = resources("threads=2", "launcher.at_once=3", "launcher.gpus=1", "launcher.time=1-00:30:00")
    assert (packed.cores, packed.gpus, packed.runs_per_job, packed.time) == (6, 1, 3, 1470)
    assert resources("device=cuda").gpus == 1
    assert resources("launcher.time=1").notice_s == 30  # half of a short job at the most
    with pytest.raises(UserError, match="names a GPU of one machine"):
        resources("device=cuda:1")


def test_indices_of_an_array_as_squeue_writes_them() -> None:
    assert (
        expand_indices("0-3,7%2") == [0, 1, 2, 3, 7]
        and expand_indices("5") == [5]
        and expand_indices("0-6:3") == [0, 3, 6]
    )
    assert expand_indices("N/A") == []


TOO_MUCH: list[tuple[tuple[str, ...], str]] = [
    (("launcher.cores=60000",), "launcher.cores=60000 is more than a node of partition main has (4 cores)"),
    (("launcher.memory=64G",), "launcher.memory=64G is more than a node of partition main has (62.5 GB)"),
    (("launcher.partition=shut", "launcher.time=2-00:00:00"), "launcher.time=2880 is more than partition shut allows"),
    (("launcher.partition='main,main'", "launcher.cores=9"), "partition main has (4 cores)"),
]


@pytest.mark.parametrize(("asked", "sentence"), TOO_MUCH)
def test_what_no_node_has_is_refused_before_anything_is_written(
    asked: tuple[str, ...], sentence: str, store: Store, site: FakeSlurm, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["-q", *GRID, *asked, f"store={store.root}"]) == 2
    error = capsys.readouterr().err
    assert sentence in error and error.count("\n") == 1
    assert not store.runs.exists() and not store.sweeps.exists() and site.calls("sbatch") == []
    assert len(site.calls("sinfo")) == 1


def test_cores_and_memory_are_looked_for_on_one_node(
    store: Store, site: FakeSlurm, capsys: pytest.CaptureFixture[str]
) -> None:
    site.set(nodes=["main*|64|16000|infinite", "main*|4|256000|infinite"])
    assert main([*GRID, "launcher.cores=32", "launcher.memory=64G", f"store={store.root}"]) == 2
    sentence = "no node of partition main has both launcher.cores=32 and launcher.memory=64G; it has nodes of 64 cores"
    assert sentence in capsys.readouterr().err
    assert main([*GRID, "launcher.cores=32", f"store={store.root}"]) == 0


@pytest.mark.parametrize(
    ("asked", "nodes"),
    [
        (("launcher.qos=long", "launcher.time=2-00:00:00", "launcher.partition=main"), ["main*|4|16000|1-00:00:00"]),
        (("launcher.extra=['--partition=big']", "launcher.cores=9"), None),
        (("launcher.extra=['--clusters=other']", "launcher.cores=9"), None),
        (("launcher.cores=9",), []),
        (("launcher.cores=9",), ["what|is|this", "shut|4|16000|n/a"]),
        (("launcher.partition='shut,main'", "launcher.cores=9"), None),
    ],
)
def test_what_may_be_allowed_elsewhere_is_left_to_sbatch(
    asked: tuple[str, ...], nodes: list[str] | None, store: Store, site: FakeSlurm
) -> None:
    if nodes is not None:
        site.set(nodes=nodes)
    main(["-q", *GRID, *asked, f"store={store.root}"])
    assert site.calls("sbatch")


def test_the_batch_script_is_pinned(store: Store, site: FakeSlurm) -> None:
    """submitit writes it by a function that it does not promise: another version may write another text."""
    more = (
        "launcher.partition=main",
        "launcher.time=600",
        "launcher.extra=[--exclusive]",
        "launcher.setup=[module load x]",
    )
    assert main(["-m", "seed=0,1", *TINY, "launcher=slurm", *more, f"store={store.root}"]) == 0
    (job,), (folder,) = site.queue(), store.sweep_folders()
    lines = site.script(job).splitlines()
    options = {line.removeprefix("#SBATCH --") for line in lines if line.startswith("#SBATCH")}
    token = next(option for option in options if option.startswith("comment="))
    assert options - {token} == {
        "array=0-1",
        "cpus-per-task=1",
        "exclusive",
        f"job-name={folder.name}",
        "mem=4096M",
        "nodes=1",
        "open-mode=append",
        f"output={folder.logs}/%A_%a.log",
        "partition=main",
        "requeue",
        "signal=B:USR2@180",
        "time=600",
    }
    assert lines[0] == "#!/bin/bash" and "module load x" in lines
    assert [line.split()[0] for line in lines if line and not line.startswith("#")] == [
        "module",
        "export",
        "export",
        "exec",
    ]
