"""Draw samples from a run's kept generator: `python -m landscape.sample RUN [--n N] ...`."""

from __future__ import annotations

import sys
import tempfile
from argparse import ArgumentTypeError, Namespace
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from landscape.config.cli import Old, Parser, run_cli
from landscape.config.errors import UserError

if TYPE_CHECKING:  # torch is loaded once it is clear what is asked for
    from torch import Tensor, nn

    from landscape.config.schema import Config
    from landscape.store import RunFolder


ABOUT = """Draw samples from a run's kept generator.

It writes 00000.png, 00001.png, ..., grid.png of the first 64 (of points one map, grid.png, alone), small images
enlarged without smoothing, and samples.pt, which torch.load(..., weights_only=True) reads: {"images": (n, channels,
side, side), "latents": (n, dim) float32, "run", "step", "seed", "generator": "ema" or "raw"}.

KEY=VALUE is store=FOLDER, where the run is (default: outputs), or device=auto, cpu, cuda or cuda:N (default: cpu)."""


@dataclass
class Request:
    """What a command line asks for; None where the run decides."""

    run: str
    n: int = 64
    seed: int = 0
    out: str | None = None
    store: str = "outputs"
    ema: bool | None = None
    quantise: str | None = None
    device: str = "cpu"


def parser() -> Parser:
    """Of this command."""
    old = [Old(f"{name}=", f"--{name}") for name in ("n", "seed", "out", "ema", "quantise")]
    made = Parser("python -m landscape.sample", ABOUT, ("store", "device"), [Old("run=", ""), *old])
    made.word("run", "the run; the beginning of its id will do where it is unique", "?", run_ids)
    made.add_argument("--n", type=_whole(1), default=64, help="how many samples (default: 64)")
    made.add_argument(
        "--seed", type=_whole(0), default=0, help="of the latents; equal seeds give equal latents, whatever the run"
    )
    made.add_argument(
        "--out", metavar="FOLDER", help="where to write (default: samples-ID); not there yet, or an empty folder"
    )
    made.add_argument(
        "--ema",
        choices=("true", "false"),
        help="the average of the generator's weights, or the generator itself (default: what the run was scored by)",
    )
    made.add_argument(
        "--quantise", choices=("uint8", "float"), help="values of samples.pt: 0..255, or in [0, 1] (default: uint8)"
    )
    return made


def run_ids(begun: str, given: Namespace) -> list[str]:
    """The runs of the store."""
    from landscape.store import Store

    return [run.id for run in Store(given.store).run_folders()]


def read_request(argv: Sequence[str]) -> Request:
    """The command line; raises `UserError` for a key that is none and a value that is not legal."""
    given = parser().parse(argv)
    if given.run is None:
        raise UserError("which run? give its id; python -m sweeps status and runs.csv of the report list them")
    device = [text.partition("=")[2] for text in given.overrides if text.startswith("device=")]
    ema = None if given.ema is None else given.ema == "true"
    return Request(given.run, given.n, given.seed, given.out, given.store, ema, given.quantise, *device[-1:])


def _whole(least: int) -> Callable[[str], int]:
    """A reader of whole numbers from `least` on."""

    def whole(text: str) -> int:
        try:
            if int(text) >= least:
                return int(text)
        except ValueError:
            pass
        raise ArgumentTypeError(f"{text} is out of range; legal: {least} or more")

    return whole


def kept_generator(run: RunFolder, cfg: Config, channels: int, ema: bool | None) -> tuple[nn.Module, str, int]:
    """A finished run's generator on the CPU, "ema" or "raw", and the step that it was kept at.

    Raises `UserError` for a run that keeps no weights, or no average where one is asked for.
    """
    from landscape.algorithms.registry import algorithm_of
    from landscape.training import checkpoint

    try:
        kept = checkpoint.load(run.weights)
    except FileNotFoundError as e:
        state = run.status().state
        raise UserError(f"run {run.id} is {state} and keeps no weights: only a finished run does") from e
    if ema and kept.get("average") is None:
        raise UserError(f"run {run.id} kept no average of its generator (train.ema=null); legal: --ema false")
    averaged = kept.get("average") is not None if ema is None else ema
    algorithm = algorithm_of(cfg)
    g = algorithm.networks(cfg, channels)[algorithm.sampler]
    try:
        g.load_state_dict(kept["average"] if averaged else kept[algorithm.sampler])
        return g, "ema" if averaged else "raw", int(kept["step"])
    except (RuntimeError, KeyError, TypeError, AttributeError) as e:
        raise UserError(f"{run.weights} holds no weights of run {run.id}'s networks") from e


def draw_samples(request: Request) -> str:
    """Write what the request asks for; returns a sentence that says what there is. Raises `UserError`."""
    import torch

    from landscape.config.identity import check_current
    from landscape.config.schema import typed
    from landscape.data import load_data
    from landscape.metrics.evaluator import generate, quantise
    from landscape.metrics.extractors import BATCH
    from landscape.networks.latents import draw
    from landscape.rng import stream
    from landscape.store import Store
    from landscape.store.lookup import find_run
    from landscape.training.devices import pick_device
    from landscape.training.image_grid import readable, save_image, save_samples

    store = Store(request.store)
    run = find_run(store, request.run)
    frozen = run.config()
    check_current(run.id, frozen)
    cfg = typed(frozen)
    out = Path(request.out or f"samples-{run.id}").expanduser()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"--out {out} is there already; give another folder with --out FOLDER")
    device = pick_device(request.device)
    data = load_data(cfg.data, store)
    g, kind, step = kept_generator(run, cfg, data.channels, request.ema)
    g.to(device)
    latents = draw(cfg.latent, request.n, stream(request.seed, "samples"))
    how = request.quantise or ("float" if data.size == 1 else "uint8")
    parts: list[Tensor] = []
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as made:
            folder = Path(made) / "samples"
            folder.mkdir()
            for z in latents.split(BATCH):
                images = generate(g, z.to(device)).cpu()
                if not images.isfinite().all():
                    raise UserError(f"the output of run {run.id}'s generator is not finite, so that it has no pictures")
                if data.size > 1:
                    for i, image in enumerate(images, sum(len(part) for part in parts)):
                        save_image(readable(image), folder / f"{i:05d}.png")
                parts.append(quantise(images, how).byte() if how == "uint8" else images)
            samples = torch.cat(parts)
            shown = samples / 255 if how == "uint8" else samples
            save_samples(readable(shown), folder / "grid.png")
            content = {"images": samples, "latents": latents, "run": run.id, "step": step, "seed": request.seed}
            torch.save({**content, "generator": kind}, folder / "samples.pt")
            folder.rename(out)
    except OSError as e:
        raise UserError(
            f"--out {out} cannot be written ({e.strerror or e}); give another folder with --out FOLDER"
        ) from e
    files = "grid.png, samples.pt" + ("" if data.size == 1 else " and each as a picture")
    which = "the average of its generator's weights" if kind == "ema" else "its generator"
    return f"{out}: {files}; {len(samples)} samples of run {run.id} ({run.status().state} at step {step}), {which}"


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0, 2 for what cannot be meant, 130 interrupted."""
    given = sys.argv[1:] if argv is None else argv
    return run_cli(lambda: print(draw_samples(read_request(given))), interrupted="stopped; nothing half made is left")


if __name__ == "__main__":
    sys.exit(main())
