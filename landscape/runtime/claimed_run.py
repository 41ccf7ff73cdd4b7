"""A run in the hands of one worker: its folder, its configuration, and how its networks are scored."""

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
from landscape.metrics.networks_under_test import Subject
from landscape.scores import columns_of
from landscape.signals import StopFlag
from landscape.store import RunFolder, Store
from landscape.store.atomic_io import to_json, write_whole
from landscape.store.early_stopping import Watch
from landscape.store.metrics_row import MetricsRow
from landscape.store.protocols import EvalRequest
from landscape.store.provenance import machine_entry
from landscape.store.run_writer import Journal
from landscape.training.devices import pick_device
from landscape.training.image_grid import save_samples
from landscape.training.meter import Meter
from landscape.training.state import Clocks, State

EXECUTION = ("device", "threads", "checkpoint", "stop", "logger")  # keys that say how and where, and not what

Say = Callable[[str], None]


@dataclass
class ClaimedRun:
    """What the steps of one worker share."""

    store: Store
    run: RunFolder
    cfg: Config
    frozen: dict[str, Any]  # `cfg` as it stands in the run's folder, but for its execution
    journal: Journal
    stop: StopFlag
    say: Say
    watch: Watch | None
    check_mirror: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        self.device = pick_device(self.cfg.device)
        self.own = EvalRequest.of(self.frozen)
        self.world = self.cfg.train.world_size or 1

    def record_machine(self, training: bool) -> None:
        """Add this machine where it differs from the run's last; how it is shared says something of training alone."""
        gpu = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else None
        train = self.cfg.train
        entry = machine_entry(str(self.device), gpu, self.cfg.threads, train.precision, self.world, train.batch_size)
        meta = self.run.meta()
        self.journal.check()
        last = meta.machines[-1] if meta.machines else None
        if last is not None and not training:
            last = replace(last, sharing=entry.sharing)
        if last != entry:
            self.run.write_meta(replace(meta, machines=(*meta.machines, entry)))

    def warn(self, text: str) -> None:
        """Say something once a worker, and keep it in the status."""
        before = self.journal.status.warnings
        self.say(f"warning: {text}")
        if text not in before:
            self.journal.note(warnings=[*before, text])

    def scorer(self, asked: EvalRequest, data: Dataset) -> Scorer:
        """A scorer for a request, its protocol's text in the run's folder."""
        scorer = Scorer(asked, data, self.cfg.latent, self.store, self.device)
        self.run.protocols.mkdir(exist_ok=True)
        write_whole(self.run.protocol_file(scorer.id), to_json(scorer.text().to_json()))
        for text in scorer.warnings:
            self.warn(text)
        return scorer

    def score(self, scorer: Scorer, state: State, step: int, clocks: Clocks) -> dict[str, Any]:
        """The scores of the state's networks; their seconds are added to `clocks`."""

        def show(name: str, samples: Tensor) -> None:
            save_samples(samples, self.run.picture(name, step, scorer.id))

        d = state.modules.get("d")
        loss = None if d is None else get_loss(self.cfg.loss.kind)
        start, meter = time.perf_counter(), Meter(self.device)
        meter.start()
        scores = scorer.score(state.scored, Subject(state.scored, d, loss, scorer.latents, show))
        clocks.add_busy(eval_s=meter.stop() + meter.rest())
        clocks.eval_s += time.perf_counter() - start
        return scores

    def put_row(
        self, scorer: Scorer, step: int, g_step: int, clocks: Clocks, scores: dict[str, Any], more: dict[str, Any]
    ) -> None:
        """Write a row of `metrics.jsonl`, and its scores into the status."""
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
        self.journal.row(MetricsRow.from_json(row, "a row of scores"))
        newest = {key: scores[key] for key in scorer.asked.newest if key in scores}
        self.journal.write(scores={"step": step, "protocol": scorer.id, **newest}, **vars(clocks))
        values = ((head, column, column.of(scores)) for head, column in columns_of([scores]))
        shown = ", ".join(f"{head} {column.text(value)}" for head, column, value in values if value is not None)
        self.say(f"step {step}: {shown or 'no finite score'}")
        self.check_mirror()

    def mark_scored(self, asked: EvalRequest) -> None:
        """Keep in the status that a request is met."""
        scored, key = self.journal.status.scored, asked.id
        self.journal.write(scored={**scored, key: sorted({*scored.get(key, ()), *asked.scores})})
