"""What `make bench` times: a training step, an evaluation, planning, submitting.

No part of `make test`; nothing fails on time.
"""

from __future__ import annotations

import functools
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import synthetic
import torch
from slurm import Cluster, why_not
from torch.nn.functional import softplus
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

from landscape.config.schema import typed
from landscape.data import Dataset, load_data
from landscape.losses.adversarial import LOSSES
from landscape.metrics.evaluator import Scorer
from landscape.metrics.frechet import Moments, distance_of_features, reference_moments
from landscape.metrics.networks_under_test import NetworksUnderTest
from landscape.networks.build import build
from landscape.store import RunStatus, Store
from landscape.store.protocols import EvalRequest
from landscape.training.loop import train
from landscape.training.state import new_state
from sweeps.cli.sweep import main
from sweeps.planning.freeze import freeze
from sweeps.planning.plan import make_plan

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
    asked = EvalRequest.of(frozen)
    assert asked is not None
    with tempfile.TemporaryDirectory() as folder:
        scorer = Scorer(asked, data, cfg.latent, Store(folder), CPU)
        g = new_state(cfg, data, CPU).modules["g"]
        benchmark(scorer.score, g)


# The Frechet step on Inception's 2,048 features, from those of the fakes to the number, against torch-fidelity's. The
# reference's root is made before: it is kept with its statistics, once for all runs. 5,000 images give full rank, 1,000
# do not; there torch-fidelity's form is the less exact.

D = 2048
COUNTS = [5000, 1000]


@functools.cache
def pool3(n: int, seed: int) -> np.ndarray:
    """Features like those of a rectified layer, correlated, with a long tail of small directions."""
    rng = np.random.Generator(np.random.PCG64(seed))
    mix, _ = np.linalg.qr(np.random.Generator(np.random.PCG64(9)).standard_normal((D, D)))
    turned, _ = np.linalg.qr(np.eye(D) + 0.02 * rng.standard_normal((D, D)))
    x = rng.standard_normal((n, D)) * np.arange(1, D + 1) ** -0.75
    return np.maximum(x @ mix @ turned + 0.3, 0)


@functools.cache
def real_moments() -> Moments:
    return reference_moments(pool3(6000, 0))


@functools.cache
def by_singular_values(n: int) -> float:
    """The distance, exact to rounding, by the singular values of X R', X the centred fakes, R the reference's root."""
    q, p = real_moments(), pool3(n, 1)
    x = (p - p.mean(0)) / np.sqrt(n - 1)
    values = np.linalg.svd(x @ np.asarray(q.root).T, compute_uv=False)
    return float(np.square(p.mean(0) - q.mean).sum() + np.square(x).sum() + np.trace(q.cov) - 2 * values.sum())


@pytest.mark.parametrize("n", COUNTS)
def test_our_frechet_step(benchmark: Any, n: int) -> None:
    benchmark.group = f"Frechet step, {n} x {D}"
    fake, real = pool3(n, 1), real_moments()
    found = benchmark.pedantic(lambda: distance_of_features(fake, real), rounds=2, warmup_rounds=0)
    assert found == pytest.approx(by_singular_values(n), rel=1e-9 if n > D else 1e-7)
    benchmark.extra_info["off by"] = found / by_singular_values(n) - 1


@pytest.mark.parametrize("n", COUNTS)
def test_torch_fidelitys_frechet_step(benchmark: Any, n: int) -> None:
    benchmark.group = f"Frechet step, {n} x {D}"
    fake, (mean, cov, _) = torch.from_numpy(pool3(n, 1)), real_moments()

    def theirs() -> float:
        found = fid_statistics_to_metric(fid_features_to_statistics(fake), {"mu": mean, "sigma": cov}, verbose=False)
        return float(found["frechet_inception_distance"])

    found = benchmark.pedantic(theirs, rounds=1, warmup_rounds=0)
    assert found == pytest.approx(by_singular_values(n), rel=1e-9 if n > D else 1e-5)
    benchmark.extra_info["off by"] = found / by_singular_values(n) - 1


@pytest.mark.parametrize("score", ["prd", "d_accuracy", "conditioning", "geometry", "birthday", "neighbours"])
def test_a_diagnostic_of_500_digits(benchmark: Any, score: str) -> None:
    """One evaluation with one score, on one thread; making 500 samples and their features is in each."""
    torch.set_num_threads(1)
    frozen = config(f"metrics.scores=[{score}]")
    asked = EvalRequest.of(frozen)
    assert asked is not None
    cfg, data = typed(frozen), load_data(typed(frozen).data)
    state = new_state(cfg, data, CPU)
    with tempfile.TemporaryDirectory() as folder:
        scorer = Scorer(asked, data, cfg.latent, Store(folder), CPU)
        networks = NetworksUnderTest(
            state.scored, state.modules["d"], LOSSES["ns"], scorer.latents, lambda name, samples: None
        )
        benchmark.group = "diagnostics"
        row = benchmark.pedantic(lambda: scorer.score(state.scored, networks), rounds=2, warmup_rounds=1)
        benchmark.extra_info["its own seconds"] = row["cost"][score]


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


def test_submitting_10000_runs_to_a_real_slurm(benchmark: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planned, frozen and submitted; to a partition that starts nothing."""
    if why_not() is not None:
        pytest.skip(str(why_not()))
    with tempfile.TemporaryDirectory(prefix="slurm.") as folder:
        cluster = Cluster(Path(folder), max_array=1001)
        cluster.start()
        try:
            monkeypatch.setenv("SLURM_CONF", str(cluster.conf))
            command = ["-m", *GRID, "launcher=slurm", "launcher.partition=shut", f"store={tmp_path}"]
            assert benchmark.pedantic(main, (command,), rounds=1) == 0
            assert len(cluster.jobs()) == 10002
        finally:
            cluster.stop()


def many_runs(store: Store, count: int) -> None:
    """Run folders as a half-finished sweep of another machine leaves them: all that a status reads."""
    rng = np.random.Generator(np.random.PCG64(0))
    states = rng.choice(["done", "running", "queued", "failed", "planned", "diverged"], count, p=(0.6, *[0.08] * 5))
    far = {"host": "node7", "boot": "b", "pids": "p", "pid": 1, "started": "1"}
    for i, state in enumerate(states):
        run = store.run(f"{rng.integers(2**63):016x}")
        run.claims.mkdir(parents=True)
        axes: dict[str, Any] = {"data": "digits", "arch": ("sndcgan", "resnet19")[i % 2], "n_dis": 1}
        axes |= {
            "loss": ("ns", "wgan", "ls")[i % 3],
            "penalty": "none",
            "norm": ("none", "sn")[i // 3 % 2],
            "lr_d": 2e-4,
            "lr_g": 2e-4,
        }
        axes |= {"seed": i % 5, "repeat": 0, "steps": 1000}
        scores = {"step": 300, "protocol": "8e9e62fcc3baeb9d", "fd_classifier": float(rng.uniform(10, 100)), "is": 5.0}
        run.write_status(RunStatus(state=str(state), axes=axes, step=300, beat=7, scores=scores), durable=False)
        if state not in ("planned", "queued"):
            claim = far if state == "running" else {**far, "released": True}
            (run.claims / "1.json").write_text(json.dumps(claim))


def test_status_of_10000_runs(benchmark: Any, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    many_runs(store, 10_000)
    code = "import sys; from sweeps.__main__ import main; main(); sys.stderr.write(open('/proc/self/status').read())"
    command = [sys.executable, "-c", code, "status", f"store={store.root}"]
    shown = benchmark.pedantic(
        lambda: subprocess.run(command, capture_output=True, text=True, check=True), rounds=3, warmup_rounds=1
    )
    assert "10000 runs:" in shown.stdout
    (most,) = [line.split()[1] for line in shown.stderr.splitlines() if line.startswith("VmHWM:")]
    benchmark.extra_info["most memory in MiB"] = int(most) // 1024


# The report as `make report` calls it, in a process of its own on two cores. Memory is that of its largest process.


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synthetic.many(tmp_path_factory.mktemp("big") / "store").root


def write_report(store: Path) -> None:
    cores = sorted(os.sched_getaffinity(0))[:2]
    command = [sys.executable, "-m", "analysis.report", f"store={store}", "--out", str(store.parent / "out")]
    subprocess.run(command, check=True, preexec_fn=lambda: os.sched_setaffinity(0, cores))


def largest() -> str:
    return f"{resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6:.2f} GB"


def test_the_first_report_of_10000_runs_of_20_evaluations(benchmark: Any, big: Path) -> None:
    benchmark.pedantic(write_report, (big,), rounds=1)
    benchmark.extra_info["memory"] = largest()


@pytest.mark.parametrize("kind", ["nothing new", "10 new runs"])
def test_a_second_report_of_10000_runs(benchmark: Any, big: Path, kind: str) -> None:
    if not (big.parent / "out").exists():
        write_report(big)
    if kind != "nothing new":
        synthetic.many(big, 10, first=10_000)
    benchmark.pedantic(write_report, (big,), rounds=1)
    benchmark.extra_info["memory"] = largest()
