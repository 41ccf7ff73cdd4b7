"""What `make bench` times: a training step, an evaluation, planning. No part of `make test`; nothing fails on time."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import softplus

from landscape.config import typed
from landscape.data import Dataset, load_data
from landscape.metrics.scorer import Scorer
from landscape.networks import build
from landscape.protocol import request
from landscape.state import new_state
from landscape.store import Store
from landscape.training import train
from sweeps.plan import freeze, make_plan

CPU = torch.device("cpu")


def config(*overrides: str) -> Any:
    return make_plan(list(overrides), multirun=False).runs[0].config


def steps(benchmark: Any, frozen: dict[str, Any], data: Dataset, rounds: int, each: int) -> None:
    """Time `each` D and G steps at a time, on one thread."""
    torch.set_num_threads(1)
    cfg = typed(frozen)
    state = new_state(cfg, data, CPU)

    def some() -> None:
        cfg.train.steps = state.step + each
        train(state, cfg, lambda s: None)

    benchmark.extra_info["steps a round"] = each
    benchmark.pedantic(some, rounds=rounds, warmup_rounds=1)


@pytest.mark.parametrize("reg", ["none", "sn", "gp"])
def test_20_steps_at_the_demos_size(benchmark: Any, reg: str) -> None:
    frozen = config(f"reg={reg}")
    steps(benchmark, frozen, load_data(typed(frozen).data), rounds=8, each=20)


@pytest.mark.parametrize("reg", ["none", "gp"])
def test_1_step_at_32x32x3_width_1(benchmark: Any, reg: str) -> None:
    frozen = config(f"reg={reg}", "data.size=32", "arch.width=1", "arch.init_std=0.02")
    steps(benchmark, frozen, noise_images(), rounds=3, each=1)


# Our D + G step against a plain loop that runs D on real and fake apart, keeps D's gradients in the G step and draws
# fresh fakes with a graph for each; the relative column of a group is the ratio.

COMPARED = [("resnet_cifar", "fp32", 1.0), ("resnet_cifar", "bf16", 1.0), ("sndcgan", "fp32", 1.0)]


def noise_images() -> Dataset:
    rng = np.random.Generator(np.random.PCG64(0))
    images = rng.integers(0, 256, (256, 3, 32, 32), dtype=np.uint8)
    return Dataset("noise", images, None, np.arange(256), np.arange(0))


def at_32(arch: str, width: float, *more: str) -> Any:
    options = ["arch.shortcut=identity"] if arch.startswith("resnet") else []
    return config(f"arch={arch}", "data.size=32", f"arch.width={width}", "train.ema=null", *options, *more)


@pytest.mark.parametrize(("arch", "precision", "width"), COMPARED)
def test_our_step(benchmark: Any, arch: str, precision: str, width: float) -> None:
    benchmark.group = f"{arch}, batch 64, {precision} against a plain fp32 loop"
    steps(benchmark, at_32(arch, width, f"train.precision={precision}"), noise_images(), rounds=3, each=1)


@pytest.mark.parametrize(("arch", "precision", "width"), COMPARED)
def test_plain_step(benchmark: Any, arch: str, precision: str, width: float) -> None:
    benchmark.group = f"{arch}, batch 64, {precision} against a plain fp32 loop"
    torch.set_num_threads(1)
    cfg = typed(at_32(arch, width))
    g, d = build(cfg, 3)
    opt_g, opt_d = (torch.optim.Adam(net.parameters(), 2e-4, (0.5, 0.999)) for net in (g, d))
    images = torch.from_numpy(noise_images().images)

    def step() -> None:
        real = images[torch.randint(256, (64,))].float() / 255
        fake = g(torch.rand(64, 128) * 2 - 1)
        loss_d = softplus(-d(real)).mean() + softplus(d(fake.detach())).mean()
        opt_d.zero_grad()
        loss_d.backward()
        opt_d.step()
        loss_g = softplus(-d(g(torch.rand(64, 128) * 2 - 1))).mean()
        opt_g.zero_grad()
        loss_g.backward()
        opt_g.step()

    benchmark.pedantic(step, rounds=3, warmup_rounds=1)


def test_one_evaluation_of_the_demo(benchmark: Any) -> None:
    torch.set_num_threads(1)
    frozen = config()
    cfg = typed(frozen)
    data = load_data(cfg.data)
    asked = request(frozen)
    assert asked is not None
    with tempfile.TemporaryDirectory() as folder:
        scorer = Scorer(asked, data, cfg.latent, Store(folder), CPU)
        g = new_state(cfg, data, CPU).g
        benchmark(scorer.score, g)


GRID = ["loss=ns,wgan,ls", "reg=gp,sn", "seed=range(0,1667)"]


def test_planning_10000_runs(benchmark: Any) -> None:
    plan = benchmark.pedantic(lambda: make_plan(GRID, multirun=True), rounds=3, warmup_rounds=0)
    assert len(plan.runs) == 10002


WIDE = [
    "loss=glob(*)",
    "reg=none,gp,gp0,dragan,r1,r2,r1r2,l2,clip",
    "norm=none,bn,ln,sn",
    "arch=sndcgan,dcgan,resnet19",
]
WIDE += ["optim=adam,rmsprop", "data.size=32", "seed=range(0,6)"]


def test_planning_10000_runs_over_1700_combinations_of_choices(benchmark: Any) -> None:
    plan = benchmark.pedantic(lambda: make_plan(WIDE, multirun=True), rounds=3, warmup_rounds=0)
    assert len(plan.runs) == 10368


def test_freezing_10000_planned_runs(benchmark: Any, tmp_path: Path) -> None:
    plan = make_plan([*GRID, f"store={tmp_path}"], multirun=True)
    benchmark.pedantic(freeze, (plan,), rounds=1)
