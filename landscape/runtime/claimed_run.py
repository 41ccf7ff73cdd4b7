"""A run that this worker holds the lease of: folder, configuration and scoring."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from landscape.config.schema import Config
from landscape.data import Dataset
from landscape.losses.adversarial import get_loss
from landscape.metrics.evaluator import Scorer
from landscape.metrics.networks_under_test import NetworksUnderTest
from landscape.networks.normalizers import couples_samples
from landscape.scores import columns_of
from landscape.signals import StopFlag
from landscape.store import RunFolder, Store
from landscape.store.atomic_io import to_json, write_whole
from landscape.store.early_stopping import StopCheck
from landscape.store.metrics_row import MetricsRow
from landscape.store.protocols import EvalRequest
from landscape.store.provenance import machine_entry
from landscape.store.run_writer import RunWriter
from landscape.training.devices import pick_device
from landscape.training.image_grid import save_samples
from landscape.training.meter import Meter
from landscape.training.state import Clocks, State

EXECUTION = (
    "device",
    "threads",
    "checkpoint",
    "stop",
    "logger",
)  # keys of how and where a run is executed

Say = Callable[[str], None]


@dataclass
class ClaimedRun:
    """State shared by the steps of a worker."""

    store: Store
    run: RunFolder
    cfg: Config
    frozen: dict[str, Any]  # `cfg` as a nested dictionary
    writer: RunWriter
    stop: StopFlag
    say: Say
    watch: StopCheck | None
    check_mirror: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        self.device = pick_device(self.cfg.device)
        self.own = EvalRequest.of(self.frozen)
        self.world = self.cfg.train.world_size or 1

    def record_machine(self, training: bool) -> None:
        """Add this machine to `meta.json` if it differs from the last one.

        Without training, a difference in the number of runs that share the machine does not count.
        """
        gpu = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else None
        train = self.cfg.train
        entry = machine_entry(str(self.device), gpu, self.cfg.threads, train.precision, self.world, train.batch_size)
        meta = self.run.meta()
        self.writer.check()
        last = meta.machines[-1] if meta.machines else None
        if last is not None and not training:
            last = replace(last, sharing=entry.sharing)
        if last != entry:
            self.run.write_meta(replace(meta, machines=(*meta.machines, entry)))

    def warn(self, text: str) -> None:
        """Log a warning and add it to the status, once."""
        before = self.writer.status.warnings
        self.say(f"warning: {text}")
        if text not in before:
            self.writer.note(warnings=[*before, text])

    def scorer(self, asked: EvalRequest, data: Dataset) -> Scorer:
        """A scorer for a request. Writes its protocol to the run's folder."""
        conditional = bool(self.cfg.arch.conditional)
        scorer = Scorer(asked, data, self.cfg.latent, self.store, self.device, conditional)
        self.run.protocols.mkdir(exist_ok=True)
        write_whole(self.run.protocol_file(scorer.id), to_json(scorer.text().to_json()))
        for text in scorer.warnings:
            self.warn(text)
        return scorer

    def score(self, scorer: Scorer, state: State, step: int, clocks: Clocks) -> dict[str, Any]:
        """Scores of the state's networks. Their seconds are added to `clocks`."""

        def show(name: str, samples: Tensor) -> None:
            save_samples(samples, self.run.picture(name, step, scorer.id))

        d = state.modules.get("d")
        loss = None if d is None else get_loss(self.cfg.loss)
        start, meter = time.perf_counter(), Meter(self.device)
        meter.start()
        together = d is not None and couples_samples(d, training=False)
        batch = self.cfg.train.batch_size if together else None
        networks = NetworksUnderTest(state.scored, d, loss, scorer.latents, show, scorer.labels, batch)
        scores = scorer.score(state.scored, networks)
        clocks.add_busy(eval_s=meter.stop() + meter.rest())
        clocks.eval_s += time.perf_counter() - start
        return scores

    def put_row(
        self, scorer: Scorer, step: int, g_step: int, clocks: Clocks, scores: dict[str, Any], more: dict[str, Any]
    ) -> None:
        """Append a row to `metrics.jsonl` and update the status."""
        images = step * self.cfg.train.batch_size
        row = {
            "step": step,
            "protocol": scorer.id,
            "g_step": g_step,
            "images": images,
            **vars(clocks),
            **scores,
            **more,
        }
        self.writer.row(MetricsRow.from_json(row, "a row of scores"))
        newest = {key: scores[key] for key in scorer.asked.newest if key in scores}
        self.writer.write(scores={"step": step, "protocol": scorer.id, **newest}, **vars(clocks))
        values = ((head, column, column.of(scores)) for head, column in columns_of([scores]))
        shown = ", ".join(f"{head} {column.text(value)}" for head, column, value in values if value is not None)
        self.say(f"step {step}: {shown or 'no finite score'}")
        self.check_mirror()

    def mark_scored(self, asked: EvalRequest) -> None:
        """Record in the status that a request is complete."""
        scored, key = self.writer.status.scored, asked.id
        self.writer.write(scored={**scored, key: sorted({*scored.get(key, ()), *asked.scores})})
