"""Generate images from a run's saved generator: `python -m landscape.sample RUN [--n N] ...`."""

from __future__ import annotations

import sys
import tempfile
from argparse import ArgumentTypeError, Namespace
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from landscape.config.cli import Deprecated, Parser, run_cli
from landscape.config.errors import UserError

if TYPE_CHECKING:  # torch is imported only after the command line is checked
    from torch import Tensor, nn

    from landscape.config.schema import Config
    from landscape.data import Dataset
    from landscape.store import RunFolder


ABOUT = """Generate images from a run's saved generator.

Writes 00000.png, 00001.png, ..., grid.png with the first 64 images, and samples.pt. For 2-D point data only grid.png
(a scatter plot) and samples.pt are written. Small images are enlarged without smoothing.

torch.load("samples.pt", weights_only=True) gives {"images": (n, channels, side, side), "latents": (n, dim) float32,
"run", "step", "seed", "generator": "ema" or "raw"}, and of a conditional run (arch.conditional=true) "labels": (n,).
Its grid.png has a row per class, with the same latents in each, unless --class is given.

KEY=VALUE: store=FOLDER is the store of the run (default: outputs); device=auto, cpu, cuda or cuda:N (default: cpu)."""


@dataclass
class Request:
    """A parsed command line. None: take the run's own value."""

    run: str
    n: int = 64
    seed: int = 0
    out: str | None = None
    store: str = "outputs"
    ema: bool | None = None
    quantise: str | None = None
    device: str = "cpu"
    label: int | None = None


def parser() -> Parser:
    """The argument parser of this command."""
    old = [Deprecated(f"{name}=", f"--{name}") for name in ("n", "seed", "out", "ema", "quantise")]
    made = Parser("python -m landscape.sample", ABOUT, ("store", "device"), [Deprecated("run=", ""), *old])
    made.positional("run", "the run's id, or a unique prefix of it", "?", run_ids)
    made.add_argument("--n", type=_whole(1), default=64, help="number of samples (default: 64)")
    made.add_argument(
        "--seed", type=_whole(0), default=0, help="seed of the latents; equal seeds give equal latents for every run"
    )
    made.add_argument("--out", metavar="FOLDER", help="output folder (default: samples-ID); must be new or empty")
    made.add_argument(
        "--ema",
        choices=("true", "false"),
        help="true: EMA weights; false: raw weights (default: the ones that were scored)",
    )
    made.add_argument(
        "--class",
        dest="label",
        metavar="K",
        type=_whole(0),
        help="class of all samples of a conditional run (default: classes as frequent as in its data)",
    )
    made.add_argument(
        "--quantise",
        choices=("uint8", "float"),
        help="values of samples.pt: 0..255 or floats in [0, 1] (default: uint8)",
    )
    return made


def run_ids(begun: str, given: Namespace) -> list[str]:
    """Ids of all runs in the store, for shell completion."""
    from landscape.store import Store

    return [run.id for run in Store(given.store).run_folders()]


def read_request(argv: Sequence[str]) -> Request:
    """Parse the command line. Raises `UserError` for an unknown key or an illegal value."""
    given = parser().parse(argv)
    if given.run is None:
        raise UserError("no run given; run ids are listed by python -m sweeps status and in the report's runs.csv")
    device = ["cpu", *(text.partition("=")[2] for text in given.overrides if text.startswith("device="))][-1]
    ema = None if given.ema is None else given.ema == "true"
    return Request(given.run, given.n, given.seed, given.out, given.store, ema, given.quantise, device, given.label)


def _whole(least: int) -> Callable[[str], int]:
    """Returns an argparse type: an integer of at least `least`."""

    def whole(text: str) -> int:
        try:
            if int(text) >= least:
                return int(text)
        except ValueError:
            pass
        raise ArgumentTypeError(f"{text} is out of range; legal: {least} or more")

    return whole


def kept_generator(run: RunFolder, cfg: Config, channels: int, ema: bool | None) -> tuple[nn.Module, str, int]:
    """Load a finished run's generator on the CPU.

    Returns the generator, "ema" or "raw", and the step of the weights. `ema=None` takes the EMA where the run kept one.

    Raises `UserError` if the run kept no weights, or no EMA although `ema=True`.
    """
    from landscape.algorithms.registry import algorithm_of
    from landscape.training import checkpoint

    try:
        kept = checkpoint.load(run.weights)
    except FileNotFoundError as e:
        state = run.status().state
        raise UserError(f"run {run.id} is {state} and has no saved weights; only finished runs have") from e
    if ema and kept.get("average") is None:
        raise UserError(f"run {run.id} has no EMA weights (train.ema=null); legal: --ema false")
    averaged = kept.get("average") is not None if ema is None else ema
    algorithm = algorithm_of(cfg)
    g = algorithm.networks(cfg, channels)[algorithm.sampler]
    try:
        g.load_state_dict(kept["average"] if averaged else kept[algorithm.sampler])
        return g, "ema" if averaged else "raw", int(kept["step"])
    except (RuntimeError, KeyError, TypeError, AttributeError) as e:
        raise UserError(f"{run.weights} does not match the networks of run {run.id}") from e


def _labels(request: Request, cfg: Config, data: Dataset) -> Tensor | None:
    """The classes of the samples of a conditional run; None of another. Raises `UserError` for an illegal --class."""
    import torch

    from landscape.networks.conditional import draw_labels
    from landscape.rng import stream

    if not cfg.arch.conditional:
        if request.label is not None:
            raise UserError(f"--class {request.label} needs a conditional run, and this one has arch.conditional=false")
        return None
    if request.label is not None:
        if request.label >= data.classes:
            raise UserError(f"--class {request.label} is out of range; legal: 0 to {data.classes - 1}")
        return torch.full((request.n,), request.label)
    assert data.labels is not None, "checked at planning"
    return draw_labels(torch.from_numpy(data.labels[data.train]), request.n, stream(request.seed, "samples/labels"))


def draw_samples(request: Request) -> str:
    """Generate and write the samples. Returns a summary line. Raises `UserError`."""
    import torch

    from landscape.config.identity import check_current
    from landscape.config.schema import typed
    from landscape.data import load_data
    from landscape.metrics.evaluator import generate, quantize
    from landscape.metrics.extractors import BATCH
    from landscape.networks.latents import sample_latents
    from landscape.rng import stream
    from landscape.store import Store
    from landscape.store.lookup import find_run
    from landscape.training.devices import pick_device
    from landscape.training.image_grid import enlarge, samples_of_picture, save_image, save_samples

    store = Store(request.store)
    run = find_run(store, request.run)
    frozen = run.config()
    check_current(run.id, frozen)
    cfg = typed(frozen)
    out = Path(request.out or f"samples-{run.id}").expanduser()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"--out {out} already exists and is not empty; give another folder with --out FOLDER")
    device = pick_device(request.device)
    data = load_data(cfg.data, store)
    g, kind, step = kept_generator(run, cfg, data.channels, request.ema)
    g.to(device)
    latents = sample_latents(cfg.latent, request.n, stream(request.seed, "samples"))
    labels = _labels(request, cfg, data)
    how = request.quantise or ("float" if data.size == 1 else "uint8")
    parts: list[Tensor] = []
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as made:
            folder = Path(made) / "samples"
            folder.mkdir()
            for rows in torch.arange(request.n).split(BATCH):
                y = None if labels is None else labels[rows].to(device)
                images = generate(g, latents[rows].to(device), y).cpu()
                if not images.isfinite().all():
                    raise UserError(f"the generator of run {run.id} returns values that are not finite")
                if data.size > 1:
                    for i, image in enumerate(images, sum(len(part) for part in parts)):
                        save_image(enlarge(image), folder / f"{i:05d}.png")
                parts.append(quantize(images, how).byte() if how == "uint8" else images)
            samples = torch.cat(parts)
            shown = samples / 255 if how == "uint8" else samples
            if labels is not None and request.label is None:
                shown = generate(g, *(part.to(device) for part in samples_of_picture(cfg, request.seed))).cpu()
                save_samples(enlarge(shown), folder / "grid.png", len(shown))
            else:
                save_samples(enlarge(shown), folder / "grid.png")
            content = {"images": samples, "latents": latents, "run": run.id, "step": step, "seed": request.seed}
            content |= {"generator": kind} if labels is None else {"generator": kind, "labels": labels}
            torch.save(content, folder / "samples.pt")
            folder.rename(out)
    except OSError as e:
        raise UserError(
            f"--out {out} cannot be written ({e.strerror or e}); give another folder with --out FOLDER"
        ) from e
    files = "grid.png, samples.pt" + ("" if data.size == 1 else " and one PNG per sample")
    which = "EMA weights" if kind == "ema" else "raw weights"
    return f"{out}: {files}; {len(samples)} samples of run {run.id} ({run.status().state} at step {step}), {which}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command. Returns the exit code: 0, 2 for invalid usage, 130 when interrupted."""
    given = sys.argv[1:] if argv is None else argv
    return run_cli(lambda: print(draw_samples(read_request(given))), interrupted="interrupted; nothing was written")


if __name__ == "__main__":
    sys.exit(main())
