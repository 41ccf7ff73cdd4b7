"""The weights that short runs end with, and the ids of the shipped studies, as before the packages were split.

Bits are promised for one kind of machine and one version of torch. Where this machine's kind is on record the digest
must be equal; elsewhere the mean magnitudes of the weights must be near.

    LANDSCAPE_PIN=1 pytest tests/landscape/training/test_pinned_bits.py    # adds this machine's digests to the record

A digest that is on record is never written over: where a mended defect changes what a choice trains, a row of
`landscape.config.versions` says so, and the digest is changed by hand (study=sn_generator, by its first row).
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from support import ROOT, frozen_runs

from landscape.runtime.worker import work
from landscape.store import Store
from landscape.training import checkpoint
from sweeps.planning.plan import make_plan

RECORD = ROOT / "tests" / "fixtures" / "pinned.json"
TOLERANCE = 0.02  # of a mean magnitude, between kinds of machines: measured fp32 differences stay under 1e-3

LOSSES = ("ns", "minimax", "ml", "wgan", "ls", "ls_sigmoid", "hinge", "rpgan")
PENALTIES = ("gp", "gp0", "dragan", "r1", "r2", "r1r2", "l2", "clip")
SHORT = ("train.steps=12", "train.batch_size=16", "arch.width=0.04", "metrics=none")
CASES: dict[str, tuple[str, ...]] = {
    **{f"loss={name}": (f"loss={name}",) for name in LOSSES},
    **{f"reg={name}": (f"reg={name}",) for name in PENALTIES},
    **{f"norm={name}": (f"norm={name}",) for name in ("sn", "bn", "ln")},
    "reg=clip norm=bn loss=wgan": ("reg=clip", "norm=bn", "loss=wgan"),
    "reg=gp norm=bn": ("reg=gp", "norm=bn"),
    "no ema": ("train.ema=null",),
    "bf16": ("train.precision=bf16", "reg=gp"),
    "burn-in": ("optim.burn_in=true", "train.steps=110", "loss=wgan"),
    "n_dis=2": ("optim.n_dis=2", "reg=dragan"),
    "noise, decay, rmsprop": ("train.noise_std=0.1", "optim.decay=linear", "optim=rmsprop"),
    "resnet_cifar": ("arch=resnet_cifar", "data.size=32", "norm=sn", "train.steps=4"),
    "resnet19": ("arch=resnet19", "data.size=16", "reg=gp", "train.steps=4"),
    "dcgan": ("arch=dcgan", "data.size=16", "train.steps=4"),
    "lens": ("lens=tempered", "reg=r1"),
    "loss=bgan": ("loss=bgan", "arch.symmetric=true"),
    "loss=mbgan": ("loss=mbgan", "norm=sn"),
    "discrimination": ("arch.minibatch=discrimination",),
    "stddev, pack": ("arch.minibatch=stddev", "arch.pack=2"),
    "reg_g=clamp": ("reg_g=clamp",),
    "ring": ("data=ring", "train.steps=12"),
}
STUDIES = sorted(file.stem for file in (ROOT / "conf" / "study").glob("*.yaml"))


def machine() -> str:
    """What decides the last bits on a CPU: torch's version and the instructions that its libraries choose from."""
    flags = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    units = [name for name in ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16") if f" {name} " in flags]
    return " ".join([f"torch {torch.__version__.partition('+')[0]}", torch.backends.cpu.get_cpu_capability(), *units])


def weights(saved: Any, prefix: str = "") -> dict[str, torch.Tensor]:
    """Every tensor of kept weights by its dotted name."""
    if isinstance(saved, torch.Tensor):
        return {prefix: saved}
    if not isinstance(saved, dict):
        return {}
    return {k: v for key, value in saved.items() for k, v in weights(value, f"{prefix}.{key}").items()}


def digest(tensors: dict[str, torch.Tensor]) -> str:
    found = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        found.update(name.encode() + tensor.contiguous().numpy().tobytes())
    return found.hexdigest()[:16]


def magnitudes(tensors: dict[str, torch.Tensor]) -> dict[str, float]:
    """Mean magnitude of all weights of each network."""
    nets: dict[str, list[torch.Tensor]] = {}
    for name, tensor in tensors.items():
        if tensor.is_floating_point():
            nets.setdefault(name.split(".")[1], []).append(tensor.flatten().abs())
    return {net: round(float(torch.cat(parts).mean()), 6) for net, parts in sorted(nets.items())}


def record() -> dict[str, Any]:
    return dict(json.loads(RECORD.read_text())) if RECORD.exists() else {"runs": {}, "studies": {}}


def pin(kind: str, name: str, found: dict[str, Any]) -> dict[str, Any]:
    """What stands on record; with LANDSCAPE_PIN=1 what was found is added where nothing stands yet."""
    kept = record()
    if os.environ.get("LANDSCAPE_PIN"):
        there = kept[kind].setdefault(name, found)
        if "digests" in found:
            there["digests"] = found["digests"] | there["digests"]
        RECORD.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")
    return dict(kept[kind][name])


USUAL = ("loss=ns", "reg=gp", "norm=sn", "ring")  # the others are for `make test-all`


@pytest.mark.parametrize("name", [pytest.param(n, marks=() if n in USUAL else pytest.mark.slow) for n in CASES])
def test_a_run_ends_with_the_weights_that_it_always_ended_with(store: Store, name: str) -> None:
    (run,) = frozen_runs(store, *SHORT, *CASES[name])
    assert work(store, run.id, lambda text: None) == "done"
    tensors = weights(checkpoint.load(run.weights))
    found = {"id": run.id, "magnitudes": magnitudes(tensors), "digests": {machine(): digest(tensors)}}
    kept = pin("runs", name, found)
    assert run.id == kept["id"]
    if machine() in kept["digests"]:
        assert digest(tensors) == kept["digests"][machine()]
    assert found["magnitudes"] == pytest.approx(kept["magnitudes"], rel=TOLERANCE)


@pytest.mark.parametrize("study", STUDIES)
def test_a_shipped_study_means_the_runs_that_it_always_meant(study: str) -> None:
    plan = make_plan([f"study={study}", *(() if study in ("demo", "small") else ("data=digits",))], multirun=True)
    ids = sorted(run.id for run in plan.runs)
    found = {"runs": len(ids), "digest": hashlib.sha256(" ".join(ids).encode()).hexdigest()[:16]}
    assert found == pin("studies", study, found)
