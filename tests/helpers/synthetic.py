"""Stores made up for tests: runs with believable scores, written through `landscape.store` and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from analysis.figures.style import CellStyle, cell_styles
from landscape.config.axes import axes_of
from landscape.config.identity import run_id
from landscape.scores import distance_key
from landscape.store import DIVERGED, DONE, FAILED, RUNNING, STOPPED, RunFolder, RunStatus, Store
from landscape.store.atomic_io import to_yaml
from landscape.store.metrics_row import MetricsRow
from landscape.store.protocols import EvalProtocol
from landscape.store.run_meta import RunMeta

CELLS = (
    ("ns", "gp", "none"),
    ("ns", "none", "sn"),
    ("wgan", "gp", "none"),
    ("wgan", "none", "sn"),
    ("ls", "gp", "none"),
    ("ls", "none", "sn"),
)

PROTOCOL = EvalProtocol(
    version=1,
    extractor="classifier",
    extractor_seed=0,
    weights="5f" * 32,
    accuracy=0.968,
    real="test",
    n_real=899,
    n_fake=899,
    quantise="uint8",
    seed=42,
    generator="ema",
    data="ab" * 32,
    is_splits=1,
    ms_ssim={"weights": [1.0], "pairs": 1200},
    floor={"n": 898, "fd_classifier": 0.25, "is": 9.12, "ms_ssim": 0.21},
    floor_noisy={"n": 898, "deviation": 10.0, "ms_ssim": 0.195},
)


def config(loss: str = "ns", penalty: str = "gp", norm: str = "none", seed: int = 0, **changes: Any) -> dict[str, Any]:
    """A frozen config; `changes` are dotted keys with "__" for the dot (`optim__lr_d=1e-3`)."""
    gp = penalty != "none"
    made: dict[str, Any] = {
        "loss": {"kind": loss},
        "reg": {
            "penalty": penalty,
            "strength": 1.0 if gp else None,
            "target": 1.0 if gp else None,
            "epsilon": None,
            "norm": None,
        },
        "norm": {"kind": norm, "epsilon": 1e-12 if norm == "sn" else None},
        "arch": {"kind": "sndcgan", "width": 0.125, "init_std": 0.02},
        "latent": {"dim": 128, "dist": "uniform"},
        "optim": {
            **{"kind": "adam", "lr": 1e-3, "lr_d": 1e-3, "lr_g": 1e-3},
            **{"beta1": 0.5, "beta2": 0.999, "epsilon": 1e-8, "n_dis": 1},
        },
        "data": {"kind": "digits", "size": 8, "content": "ab" * 32},
        "train": {"steps": 1000, "batch_size": 64, "precision": "fp32", "ema": 0.99},
        "metrics": {"scores": ["fid", "is", "ms_ssim"], "every": 250},
        "seed": seed,
        "repeat": 0,
        "device": "cpu",
        "threads": 1,
    }
    for key, value in changes.items():
        *groups, last = key.split("__")
        at = made
        for group in groups:
            at = at[group]
        at[last] = value
    return made


def add_run(
    store: Store,
    fids: list[float | None],
    frozen: dict[str, Any],
    status: str = DONE,
    reason: str | None = None,
    protocol: EvalProtocol = PROTOCOL,
    picture: bool = False,
) -> RunFolder:
    """A run whose evaluations, `metrics.every` apart, gave `fids` (None: not finite); other scores follow."""
    run = store.run(run_id(frozen))
    every = frozen["metrics"]["every"]
    step = max(0, (len(fids) - 1) * every)
    state = RunStatus(state=status, beat=1, step=step, steps=frozen["train"]["steps"], reason=reason)
    state = replace(state, axes=axes_of(frozen), train_s=0.05 * step, eval_s=0.4 * len(fids))
    run.create(frozen, RunMeta.from_json(META | {"overrides": overrides(frozen)}, "meta"), state)
    for number, fid in enumerate(fids):
        add_row(run, number * every, fid, protocol)
    if picture:
        draw_digits(run, step, fids)
    return run


def add_row(
    run: RunFolder,
    step: int,
    fid: float | None,
    protocol: EvalProtocol = PROTOCOL,
    given: Mapping[str, float] | None = None,
) -> None:
    """One evaluation, and the protocol beside it; `given` scores do not follow from the distance."""
    name = protocol.id
    run.protocol_file(name).write_text(json.dumps(protocol.to_json()))
    similar = None if fid is None else min(0.95, 0.2 + fid / 300)
    scores = {
        distance_key(protocol.extractor): fid,
        "is": None if fid is None else 1 + 8 * float(np.exp(-fid / 40)),
        "is_std": 0.1,
        "ms_ssim": similar,
        **(given or {}),
    }
    why = {key: "the features are not finite" for key, value in scores.items() if value is None}
    row = MetricsRow(step=step, g_step=step, protocol=name, images=64 * step, train_s=0.05 * step, eval_s=0.4, why=why)
    run.append_row(replace(row, more={**scores, "ms_ssim_pairs": 1200, "loss_d": 1.0, "loss_g": 0.7}))


def change_meta(run: RunFolder, **values: Any) -> None:
    """Write other values into meta.json, legal or not."""
    run.meta_file.write_text(json.dumps(json.loads(run.meta_file.read_text()) | values))


META: dict[str, Any] = {
    "command": ["-m", "loss=ns,wgan,ls", "reg=gp,sn"],
    "planned": {"version": "0.1.0", "commit": "0123456789abcdef", "dirty": False},
    "machines": [
        {
            **{"host": "box", "cpu": "Some CPU", "gpu": None, "device": "cpu", "threads": 1, "precision": "fp32"},
            "packages": {"torch": "2.9.0", "numpy": "2.4.0"},
        }
    ],
}


def cell(label: str) -> dict[str, Any]:
    """What a cell is on its axes, by its label: "NS GP+SN 5", "resnet19 LS W/O"."""
    words = label.partition(" (")[0].split()
    n_dis = int(words.pop()) if words[-1].isdigit() else 1
    parts = words.pop().lower().split("+")
    norm = [part for part in parts if part in ("sn", "ln", "bn")]
    penalty = [part for part in parts if part not in ("w/o", *norm)]
    made = {"loss": words.pop().lower() if words else "", "n_dis": n_dis}
    made |= {"penalty": penalty[0] if penalty else "none", "norm": norm[0] if norm else "none"}
    return made | {"arch": words[0]} if words else made


def looks_of(labels: Iterable[str]) -> dict[str, CellStyle]:
    return cell_styles({label: cell(label) for label in labels})


def overrides(frozen: dict[str, Any]) -> list[str]:
    regularization = frozen["reg"]["penalty"] if frozen["reg"]["penalty"] != "none" else frozen["norm"]["kind"]
    return [f"loss={frozen['loss']['kind']}", f"reg={regularization}", f"seed={frozen['seed']}"]


def grid(root: Path, seeds: int = 3, settings: int = 1, pictures: bool = False, failures: bool = True) -> Store:
    """The user's six cells with `seeds` runs of each of `settings` learning rates.

    With `failures`, one WGAN SN seed a setting diverged, and there are a failed and a running run.
    """
    store, rng = Store(root), np.random.default_rng(7)
    for place, (loss, penalty, norm) in enumerate(CELLS):
        for setting in range(settings):
            for seed in range(seeds):
                frozen = config(loss, penalty, norm, seed, optim__lr_d=1e-3 * 2**-setting)
                end = float(np.exp(rng.normal(np.log(9 * 1.5**place), 0.25)))
                fids: list[float | None] = [118 + seed, *(end + (118 - end) * np.exp(-np.array([1, 2, 3, 5])))]
                if failures and (loss, norm, seed) == ("wgan", "sn", seeds - 1):
                    add_run(store, [*fids[:3], None], frozen, DIVERGED, "loss_d is not finite at step 612")
                else:
                    add_run(store, fids, frozen, picture=pictures)
    if failures:
        failed = add_run(store, [121.0, 80.0], config("ns", seed=97), FAILED, "RuntimeError: out of memory")
        failed.log_file.write_text(
            "step 250\nTraceback (most recent call last):\n  ...\nRuntimeError: out of <memory>\n"
        )
        add_run(store, [119.0, 60.0, 40.0], config("ls", seed=98), RUNNING)
    return store


def searched(root: Path, sampler: str = "gp", settings: int = 12) -> Store:
    """Two cells with a grid of three settings by two seeds, a search with a diverged and a stopped run, and five that
    confirm."""
    store, rng = Store(root), np.random.default_rng(3)
    trials = []
    for loss, level in (("ns", 9.0), ("wgan", 14.0)):
        made: list[tuple[str, str | None, int, int | None, RunFolder]] = []

        def run(rate: float, seed: int, status: str = DONE, level: float = level, loss: str = loss) -> RunFolder:
            end = level * float(np.exp(rng.normal(0, 0.3) + 0.3 * abs(np.log10(rate) + 3)))
            fids: list[float | None] = [118.0 + seed, end * 2, None if status == DIVERGED else end]
            return add_run(store, fids, config(loss, "gp", "none", seed, optim__lr_d=rate, optim__lr_g=rate), status)

        for rate in (1e-4, 1e-3, 1e-2):
            made += [("grid", None, 0, None, run(rate, seed)) for seed in range(2)]
        for order in range(settings):
            rate = float(10 ** rng.uniform(-5, -2))
            status = DIVERGED if order == 4 else STOPPED if order == 7 else DONE
            made.append(("search", sampler, order, order // 3, run(rate, 0, status)))
        made += [("confirm", None, 0, None, run(1e-3, seed)) for seed in range(10, 15)]
        for stage, by, order, place, folder in made:
            trial = {"run": folder.id, "stage": stage, "sampler": by, "order": order, "round": place}
            trials.append(trial | {"cell": {"loss": loss}, "value": None, "diverged": False})
    file = store.trials_file("first")
    file.parent.mkdir(parents=True)
    file.write_text("".join(json.dumps(trial) + "\n" for trial in trials))
    return store


def draw_digits(run: RunFolder, step: int, fids: list[float | None]) -> None:
    """A grid of 8 by 8 pictures of scikit-learn's digits, the noisier the higher the last distance."""
    from PIL import Image
    from sklearn.datasets import load_digits

    rng = np.random.default_rng(len(run.id))
    noise = min(1.0, (fids[-1] or 100.0) / 150)
    images = load_digits().images[rng.integers(0, 1797, 64)] / 16
    images = np.clip(images * (1 - noise) + noise * rng.random(images.shape), 0, 1).reshape(8, 8, 8, 8)
    pixels = (images.transpose(0, 2, 1, 3).reshape(64, 64) * 255).astype(np.uint8)
    Image.fromarray(pixels).save(run.sample_grid(step))


def draw_scores(run: RunFolder, step: int) -> None:
    """The pictures of the birthday test and of the nearest training images, by an older evaluation too."""
    import io

    from PIL import Image

    for score, high in (("birthday", 44), ("neighbours", 71)):
        for at in (0, step):
            held, shade = io.BytesIO(), np.full((high, 71), 40 if at else 200, np.uint8)
            Image.fromarray(shade).save(held, "PNG")
            run.picture(score, at, PROTOCOL.id).write_bytes(held.getvalue())


def add_sweep(store: Store, name: str, command: list[str], runs: list[str]) -> None:
    """A sweep's plan, as freezing one leaves it."""
    file = store.sweep(name).plan_file
    file.parent.mkdir(parents=True)
    code = {"version": "0.1.0", "commit": "fedcba9876543210", "dirty": True}
    file.write_text(json.dumps({"command": command, "made": "2026-01-02T03:04:05Z", "code": code, "runs": runs}))


def many(root: Path, runs: int = 10_000, evaluations: int = 20, first: int = 0) -> Store:
    """A study's size: eight cells on each of two data sets, settings of five seeds, one run in 20 diverged, one in 100
    failed. Files are written without fsync. `first` numbers the first run, so that a second call adds further ones.
    """
    store, cells = Store(root), (*CELLS, ("ns", "none", "none"), ("ns", "gp", "sn"))
    name = PROTOCOL.id
    text, meta, picture = json.dumps(PROTOCOL), json.dumps(META), _picture()
    for number in range(first, first + runs):
        rng = np.random.default_rng(number)
        unit, seed = divmod(number, 5)
        setting, place = divmod(unit, 2 * len(cells))
        data, (loss, penalty, norm) = ("digits", "other")[place % 2], cells[place // 2]
        rate = float(f"{10 ** np.random.default_rng(setting).uniform(-5, -2):.6g}")
        changes = {"data__kind": data, "data__content": data * 8, "optim__lr_d": rate, "optim__lr_g": rate}
        changes["train__steps"] = 250 * (evaluations - 1)
        frozen = config(loss, penalty, norm, seed, **changes)
        state = FAILED if number % 100 == 7 else DIVERGED if number % 20 == 3 else DONE
        end = float(np.exp(rng.normal(np.log(9 + 3 * (place // 2)), 0.3) + 0.3 * abs(np.log10(rate) + 3)))
        count = evaluations if state == DONE else evaluations // 2
        fids = end + (118 - end) * np.exp(-np.arange(count) / 3) * rng.uniform(0.9, 1.1, count)
        clocks = {"train_s": 12.5 * (count - 1), "eval_s": 0.4 * count, "wasted_s": 0.0}
        status: dict[str, Any] = {"status": state, "beat": 1, "step": 250 * (count - 1), "axes": {}, "scores": {}}
        status |= clocks
        if state != DONE:
            status["reason"] = (
                "loss_d is not finite at step 612" if state == DIVERGED else "RuntimeError: out of memory"
            )
        rows = [
            {
                **{"step": 250 * i, "g_step": 250 * i, "protocol": name, "images": 16000 * i, "train_s": 12.5 * i},
                **{
                    "eval_s": 0.4,
                    "fd_classifier": fid,
                    "is": 1 + 8 * np.exp(-fid / 40),
                    "is_std": 0.1,
                    "ms_ssim": 0.2 + fid / 300,
                },
                **{"loss_d": 1.0, "loss_g": 0.7, "ms_ssim_pairs": 1200, "why": {}},
            }
            for i, fid in enumerate(fids.tolist())
        ]
        run = store.run(run_id(frozen))
        for folder in (run.path, run.samples, run.protocols):
            folder.mkdir(parents=True)
        run.config_file.write_text(to_yaml(frozen))
        run.meta_file.write_text(meta)
        run.status_file.write_text(json.dumps(status))
        run.metrics_file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        run.protocol_file(name).write_text(text)
        run.log_file.write_text("step 250\n" + status.get("reason", "done") + "\n")
        run.sample_grid(status["step"]).write_bytes(picture)
    return store


def _picture() -> bytes:
    from io import BytesIO

    from PIL import Image

    held = BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8)).save(held, "PNG")
    return held.getvalue()
