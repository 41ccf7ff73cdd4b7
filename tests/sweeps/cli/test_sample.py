"""Samples from a kept generator: the files are what the generator makes, and what cannot be meant is refused."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from support import TINY, frozen_runs

from landscape.config.schema import typed
from landscape.metrics.extractors import BATCH
from landscape.networks.build import build
from landscape.networks.latents import sample_latents
from landscape.rng import stream
from landscape.runtime.worker import work
from landscape.sample import draw_samples, main, read_request
from landscape.store import RunFolder, Store
from landscape.training import checkpoint


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, warm_cache: Path) -> RunFolder:
    store = Store(tmp_path_factory.mktemp("sample") / "store")
    shutil.copytree(warm_cache, store.cache)
    (run,) = frozen_runs(store, *TINY, "metrics=none", "train.steps=3")
    assert work(store, run.id, lambda text: None) == "done"
    return run


def sample(run: RunFolder, out: Path, *more: str) -> dict[str, object]:
    """What samples.pt holds, read without running code from it."""
    arguments = [run.id[:8], f"store={run.path.parent.parent}", f"--out={out}", *more]
    draw_samples(read_request(arguments))
    return dict(torch.load(out / "samples.pt", weights_only=True))


def test_files_are_what_the_average_makes_of_the_seeds_latents(run: RunFolder, tmp_path: Path) -> None:
    n = BATCH + 3  # more than one batch
    made = sample(run, tmp_path / "out", f"--n={n}", "--seed=5")
    cfg = typed(run.config())
    g, _ = build(cfg, 1)
    g.load_state_dict(checkpoint.load(run.weights)["average"])
    latents = sample_latents(cfg.latent, n, stream(5, "samples"))
    with torch.inference_mode():
        expected = (g.eval()(latents) * 255).round().byte()
    assert torch.equal(made["latents"], latents)  # type: ignore[arg-type]
    # Another batch size may round another way, by one level.
    assert (made["images"].int() - expected.int()).abs().max() <= 1  # type: ignore[attr-defined]
    assert (made["run"], made["step"], made["seed"], made["generator"]) == (run.id, 3, 5, "ema")
    files = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert files == [*(f"{i:05d}.png" for i in range(n)), "grid.png", "samples.pt"]
    for i in (0, n - 1):
        picture = np.asarray(Image.open(tmp_path / "out" / f"{i:05d}.png"))
        assert picture.shape == (64, 64) and len(np.unique(picture[:8, :8])) == 1  # enlarged without smoothing
        assert np.array_equal(picture[::8, ::8], made["images"][i, 0].numpy())  # type: ignore[index]
    grid = np.asarray(Image.open(tmp_path / "out" / "grid.png"))
    assert grid.shape == (519, 519)
    assert np.array_equal(grid[65:129:8, 130:194:8], made["images"][10, 0].numpy())  # type: ignore[index]


def test_equal_seeds_give_equal_samples_and_other_seeds_others(run: RunFolder, tmp_path: Path) -> None:
    a, b, c = (sample(run, tmp_path / str(i), "--n=4", f"--seed={seed}")["images"] for i, seed in enumerate((0, 0, 1)))
    assert torch.equal(a, b) and not torch.equal(a, c)  # type: ignore[arg-type]
    first = sample(run, tmp_path / "more", "--n=2")["images"]
    assert first.shape == (2, 1, 8, 8)  # type: ignore[attr-defined]


def test_the_generator_itself_and_values_that_are_not_rounded(run: RunFolder, tmp_path: Path) -> None:
    raw = sample(run, tmp_path / "raw", "--n=4", "--ema=false", "--quantise=float")
    average = sample(run, tmp_path / "average", "--n=4", "--ema=true", "--quantise=float")
    assert (raw["generator"], average["generator"]) == ("raw", "ema")
    for made in (raw, average):
        images = made["images"]
        assert (
            isinstance(images, torch.Tensor)
            and images.dtype == torch.float32
            and 0 <= images.min() <= images.max() <= 1
        )
    assert not torch.equal(raw["images"], average["images"])  # type: ignore[arg-type]


def test_points_are_kept_as_they_are_and_drawn_as_one_map(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    (run,) = frozen_runs(store, "data=ring", "train.steps=2", "metrics=none")
    work(store, run.id, lambda text: None)
    made = sample(run, tmp_path / "out", "--n=300")
    assert made["images"].shape == (300, 2, 1, 1) and made["images"].dtype == torch.float32  # type: ignore[attr-defined]
    assert made["generator"] == "raw" and {p.name for p in (tmp_path / "out").iterdir()} == {"grid.png", "samples.pt"}


def test_help_loads_no_torch() -> None:
    code = "import sys; sys.argv[1:] = ['--help']; from landscape.sample import main; main(); "
    code += "assert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


def refused(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str) -> str:
    monkeypatch.setattr("sys.argv", ["sample", *arguments])
    assert main() == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1
    return err


def test_what_cannot_be_meant_is_refused_in_one_sentence(
    run: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = f"store={run.path.parent.parent}"
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("")
    for arguments, said in [
        ([f"{run.id[:4]}zz"], f"similar: {run.id}"),
        (["--n=3"], "no run given; run ids"),
        ([run.id, "--n=0"], "--n: 0 is out of range; legal: 1 or more"),
        ([run.id, "--n=many"], "--n: many is out of range; legal: 1 or more"),
        ([run.id, "--ema=maybe"], "--ema: invalid choice: 'maybe'; legal: ('true', 'false')"),
        ([run.id, "sed=1"], "sed=1 is not an argument of this program; see --help"),
        ([run.id, "device=tpu"], "device=tpu is not available here"),
        ([run.id, f"--out={tmp_path / 'full'}"], "already exists and is not empty; give another folder"),
        ([run.id, f"--out={tmp_path / 'full' / 'mine' / 'below'}"], "cannot be written"),
    ]:
        assert said in refused(capsys, monkeypatch, store, *arguments)
    (waiting,) = frozen_runs(Store(tmp_path / "new"), *TINY)
    said = refused(capsys, monkeypatch, f"store={tmp_path / 'new'}", waiting.id)
    assert f"run {waiting.id} is planned and has no saved weights" in said
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["mine"]
