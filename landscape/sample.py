"""Draw samples from a run's kept generator: `python -m landscape.sample run=ID [KEY=VALUE ...]`.

    run=ID           the run; the beginning of its id will do where it is unique
    n=64             how many samples
    seed=0           of the latents; equal seeds give equal latents, whatever the run
    out=FOLDER       where to write (default: samples-ID); a folder that is not there yet, or empty
    store=outputs    the store that holds the run
    ema=true         the average of the generator's weights, or (false) the generator itself
                     (default: what the run was scored by: the average where it kept one)
    quantise=uint8   how samples.pt holds values: uint8 in 0..255, or float in [0, 1] (default: uint8; float of points)
    device=cpu       auto, cpu, cuda or cuda:N

It writes 00000.png, 00001.png, ..., grid.png of the first 64 (of points one map, grid.png, alone), small images
enlarged without smoothing, and samples.pt, which torch.load(..., weights_only=True) reads: {"images": (n, channels,
side, side), "latents": (n, dim) float32,
"run", "step", "seed", "generator": "ema" or "raw"}.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from landscape.config.cli import enter
from landscape.config.errors import UserError, nearest

if TYPE_CHECKING:  # torch is loaded once it is clear what is asked for
    from torch import Tensor, nn

    from landscape.config.schema import Config
    from landscape.store import RunFolder


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


def read_request(arguments: list[str]) -> Request:
    """The command line; raises `UserError` for a key that is none and a value that is not legal."""
    legal = {
        "run": (str, "a run's id"),
        "n": (_whole(1), "1 or more"),
        "seed": (_whole(0), "0 or more"),
        "out": (str, "a folder"),
        "store": (str, "a folder"),
        "ema": (lambda text: {"true": True, "false": False}[text.lower()], "true, false"),
        "quantise": (lambda text: {"uint8": text, "float": text}[text], "uint8, float"),
        "device": (str, "auto, cpu, cuda or cuda:N"),
    }
    given: dict[str, Any] = {}
    for argument in arguments:
        key, equals, text = argument.partition("=")
        if not equals or key not in legal:
            raise UserError(
                f"{argument} is no argument of this program{nearest(key, legal)}; legal: {', '.join(legal)}"
            )
        read, words = legal[key]
        try:
            if not text:
                raise ValueError
            given[key] = read(text)
        except (ValueError, KeyError) as e:
            raise UserError(f"{argument} is out of range; legal: {words}") from e
    if "run" not in given:
        raise UserError("which run? run=ID; python -m sweeps status and runs.csv of the report list them")
    return Request(**given)


def _whole(least: int) -> Any:
    def read(text: str) -> int:
        if int(text) < least:
            raise ValueError
        return int(text)

    return read


def kept_generator(run: RunFolder, cfg: Config, channels: int, ema: bool | None) -> tuple[nn.Module, str, int]:
    """A finished run's generator on the CPU, "ema" or "raw", and the step that it was kept at.

    Raises `UserError` for a run that keeps no weights, or no average where one is asked for.
    """
    from landscape.networks.build import build
    from landscape.training import checkpoint

    try:
        kept = checkpoint.load(run.weights)
    except FileNotFoundError as e:
        state = run.status().state
        raise UserError(f"run {run.id} is {state} and keeps no weights: only a finished run does") from e
    if ema and kept.get("average") is None:
        raise UserError(f"run {run.id} kept no average of its generator (train.ema=null); legal: ema=false")
    averaged = kept.get("average") is not None if ema is None else ema
    g, _ = build(cfg, channels)
    try:
        g.load_state_dict(kept["average"] if averaged else kept["g"])
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
        raise UserError(f"out={out} is there already; give another folder with out=FOLDER")
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
        raise UserError(f"out={out} cannot be written ({e.strerror or e}); give another folder with out=FOLDER") from e
    files = "grid.png, samples.pt" + ("" if data.size == 1 else " and each as a picture")
    which = "the average of its generator's weights" if kind == "ema" else "its generator"
    return f"{out}: {files}; {len(samples)} samples of run {run.id} ({run.status().state} at step {step}), {which}"


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0, 2 for what cannot be meant, 130 interrupted."""
    given = list(sys.argv[1:] if argv is None else argv)
    return enter(given, __doc__, lambda arguments: print(draw_samples(read_request(arguments))))


if __name__ == "__main__":
    sys.exit(main())
