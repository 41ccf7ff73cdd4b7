"""Several processes a run: the gradient of one, the same state in all, exact resumes, and no orphans."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import started
import torch
from resuming import resumed, two
from support import PATIENCE_S, ROOT, TINY, frozen_runs, kinds, wait_for
from two_ranks import outcome

from landscape.config.errors import ExitCode, UserError
from landscape.losses.adversarial import LOSSES
from landscape.losses.dragan_noise import NOISES
from landscape.losses.penalties import REGULARIZERS
from landscape.store import Store
from landscape.store.processes import process_start
from sweeps.launchers.devices import slots
from sweeps.planning.plan import make_plan

Outcome = dict[str, torch.Tensor]
# No batch statistics, and steps of Adam that are in proportion to gradients (else a rounding may turn a sign).
PLAIN = (*TINY, "train.steps=3", "arch.g_norm=none", "optim.epsilon=1", "train.ema=null")
FILES = kinds("reg", "penalty")
CASES: dict[str, tuple[str, ...]] = {
    **{f"loss={loss}": (f"loss={loss}",) for loss in LOSSES},
    **{f"reg={name}": (f"reg={name}",) for name in REGULARIZERS if name != "none"},
    **{f"noise={noise}": ("reg=dragan", f"reg.noise={noise}") for noise in NOISES},
    "norm=ln": ("norm=ln", "reg=gp"),
    "norm=sn": ("norm=sn", "reg=gp", "optim.n_dis=2"),
    "g_spectral": ("arch.g_spectral=true",),
    "instance noise": ("train.noise_std=0.2", "loss=rpgan"),
    "differences": ("reg=r1", "reg.difference=0.1"),  # a smaller step would divide the rounding by it
    "lens": ("lens=tempered", "lens.steps=4", "reg=gp", "loss=rpgan"),
    "lens, mixed": ("lens=tempered", "lens.steps=4", "loss=bgan", "arch.symmetric=true"),
    "mixed": ("loss=mbgan", "arch.symmetric=true", "norm=sn"),
    "discrimination": ("arch.minibatch=discrimination", "reg=r1"),
    "stddev": ("arch.minibatch=stddev", "reg=gp"),
    "symmetric": ("arch.symmetric=true", "reg=gp"),
    "pack": ("arch.pack=2", "reg=gp"),
    "clamp": ("reg_g=clamp", "reg_g.low=3"),
    "clamp, one quotient": ("reg_g=clamp", "reg_g.low=3", "reg_g.per=batch"),
    "conditional": ("arch.conditional=true", "arch.g_norm=bn", "train.sync_bn=true", "reg=gp", "norm=sn"),
    "conditional, mixed": (
        *("arch.conditional=true", "arch.g_norm=bn", "train.sync_bn=true"),
        *("loss=mbgan", "reg_g=clamp", "arch.symmetric=true"),
    ),
    "normal latents": ("latent.dist=normal", "optim.decay=linear"),
}
SYNC = ("arch.g_norm=bn", "norm=bn", "train.sync_bn=true", "reg=gp")
OWN = ("arch.g_norm=bn", "norm=bn")


def frozen(*overrides: str) -> dict[str, Any]:
    return make_plan([*PLAIN, *overrides], multirun=False).runs[0].config


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[dict[str, Any], Outcome, Outcome]]:
    """Each case's configuration, and what ranks 0 and 1 of two came to: all of them in one pair of processes."""
    folder = tmp_path_factory.mktemp("ranks")
    names = [*CASES, "sync", "own"]
    configs = [frozen(*o, "train.world_size=2") for o in (*CASES.values(), SYNC, OWN)]
    (folder / "configs.json").write_text(json.dumps(configs))
    script = str(ROOT / "tests" / "helpers" / "two_ranks.py")
    with started.marked() as processes:
        both = [subprocess.Popen([sys.executable, script, str(rank), str(folder)]) for rank in (0, 1)]
        try:
            assert [process.wait(PATIENCE_S) for process in both] == [0, 0]
        finally:
            processes.end()
    first, second = (torch.load(folder / f"{rank}.pt") for rank in (0, 1))
    return {name: triple for name, *triple in zip(names, configs, first, second, strict=True)}  # type: ignore[misc]


def alone(config: dict[str, Any]) -> Outcome:
    """The same training by one rank with the whole batch."""
    return outcome({**config, "train": {**config["train"], "world_size": 1}})


def differences(a: Outcome, b: Outcome) -> list[str]:
    """Names of tensors that differ by more than a few roundings of their largest value.

    A gradient may be rounding alone (of a bias before a batch norm): that is allowed in proportion to the network's.
    """
    assert a.keys() == b.keys()
    found = []
    for k in a:
        largest = b[k].double().abs().max()
        rounding = 1e-6
        if k.endswith(".grad"):
            rounding *= max(v.abs().max().item() for name, v in b.items() if name[0] == k[0] and name.endswith(".grad"))
        worst = (a[k].double() - b[k].double()).abs().max()
        if not worst <= 2e-5 * largest + rounding:
            found.append(f"{k}: {worst:.2g} of {largest:.2g}")
    return found


def test_every_regularizer_can_be_asked_for_by_its_name() -> None:
    assert set(REGULARIZERS) <= set(FILES)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_two_ranks_take_the_steps_of_one_with_the_whole_batch(trained: Any, case: str) -> None:
    config, first, _ = trained[case]
    assert differences(first, alone(config)) == []


@pytest.mark.slow
def test_synchronised_batch_norm_is_that_of_the_whole_batch(trained: Any) -> None:
    """In both networks, under a penalty that differentiates twice."""
    config, first, _ = trained["sync"]
    assert differences(first, alone(config)) == []


@pytest.mark.slow
def test_without_it_each_rank_normalizes_its_own_half(trained: Any) -> None:
    config, first, _ = trained["own"]
    found = differences(first, alone(config))
    assert any(name.startswith("g.") and ".grad" in name for name in found)


@pytest.mark.slow
@pytest.mark.parametrize("case", [*CASES, "sync", "own"])
def test_all_ranks_end_in_the_same_state(trained: Any, case: str) -> None:
    """Weights, running statistics, power iterations, losses and random streams, to the bit."""
    _, first, second = trained[case]
    assert [k for k in first if not torch.equal(first[k], second[k])] == []


# A run of two ranks in the store


@pytest.mark.slow
def test_a_stopped_run_of_two_ranks_goes_on_to_the_same_bits(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    disturbed, quiet = two(store, "reg=gp", "norm=sn", "optim.n_dis=2", "train.world_size=2")
    resumed(disturbed, quiet, store, monkeypatch)
    (machine,) = quiet.meta().machines
    assert (machine.world_size, machine.device_batch_size) == (2, 8)


def children(pid: int) -> list[int]:
    try:
        return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="reads /proc")
def test_a_lost_rank_fails_its_run_and_a_lost_worker_leaves_no_rank(store: Store) -> None:
    (run,) = frozen_runs(store, *TINY, "train.steps=100000", "metrics=none", "train.world_size=2")

    def start(beyond: int) -> tuple[subprocess.Popen[bytes], int]:
        command = [sys.executable, "-m", "landscape.runtime.worker", "--store", str(store.root), "--run", run.id]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(lambda: run.status().step > beyond or process.poll() is not None)
        (rank,) = children(process.pid)
        return process, rank

    process, rank = start(0)
    os.kill(rank, signal.SIGKILL)
    assert process.wait(timeout=300) == ExitCode.FAILED
    assert run.status().state == "failed" and "rank 1 of 2 was killed by SIGKILL" in (run.status().reason or "")
    process, rank = start(run.status().step)
    process.kill()
    process.wait()
    wait_for(lambda: process_start(rank) is None)


# What cannot be asked for


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (("train.world_size=0",), "1 to 1,024"),
        (("train.world_size=3",), "train.batch_size=64 cannot be split over train.world_size=3 devices"),
        (("train.world_size=4", "train.batch_size=4"), "legal: a multiple of 4, 8 or more"),
        (("train.world_size=2", "device=cuda:1"), "device=cuda:1 is one GPU"),
    ],
)
def test_shares_that_cannot_be_are_refused(given: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        make_plan(list(given), multirun=False)


def test_world_size_and_synchronisation_are_part_of_what_a_run_is() -> None:
    grid = ["train.world_size=1,2", "train.sync_bn=true,false"]
    plan = make_plan(grid, multirun=True)
    assert len(plan.runs) == 3 and "train.sync_bn by train.world_size=1" in plan.unused
    assert make_plan([], multirun=False).runs[0].id in {run.id for run in plan.runs}


def test_a_run_gets_as_many_gpus_or_cores_as_it_has_ranks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,6,7,9")
    places = slots(None, 2, "auto", 2)
    assert places.count == 2
    assert [places.environment(i, 2)["CUDA_VISIBLE_DEVICES"] for i in range(3)] == ["4,5", "6,7", "9,4"]
    with pytest.raises(UserError, match=r"train.world_size=8 needs 8 GPUs, and this machine has 5"):
        slots(None, 1, "auto", 8)
    monkeypatch.setattr("sweeps.launchers.devices.cores", lambda: 12)
    assert slots(None, 2, "cpu", 3).count == 2 and slots(None, 2, "cpu", 3).why == "12 cores, 6 threads per run"


@pytest.mark.parametrize(
    ("jobs", "threads", "device", "ranks", "sharing"),
    [
        *[(None, 1, "cpu", 1, 1), (12, 1, "cpu", 1, 1), (13, 1, "cpu", 1, 2), (12, 2, "cpu", 1, 2)],
        *[(1, 64, "cpu", 1, 1), (None, 1, "auto", 1, 1), (5, 1, "auto", 1, 1), (6, 1, "auto", 1, 2)],
        *[(5, 1, "auto", 2, 2), (2, 1, "cuda:1", 1, 2)],
    ],
)
def test_a_run_is_told_how_many_share_its_gpu_or_core(
    jobs: int | None, threads: int, device: str, ranks: int, sharing: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,6,7,9")
    monkeypatch.setattr("sweeps.launchers.devices.cores", lambda: 12)
    assert slots(jobs, threads, device, ranks).environment(0, threads)["LANDSCAPE_SHARING"] == str(sharing)
