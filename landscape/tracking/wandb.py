"""Experiment trackers: functions that receive the events of a run and upload them. No torch.

A new one needs a function here, a file in conf/logger and a row in tests/landscape/tracking/test_mirror.py. It may
raise, hang or crash, because it runs in a separate process (`landscape.tracking.process`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from landscape.store import RunFolder, Store


class Event(NamedTuple):
    """New results of a run at a step."""

    step: int  # D updates
    values: dict[str, float]  # finite values
    picture: Path | None  # sample grid
    late: bool = False  # scores computed after the run, under another protocol


Logger = Callable[[Store, RunFolder, dict[str, Any], Iterator[Event]], None]


def to_wandb(store: Store, run: RunFolder, logger: dict[str, Any], events: Iterator[Event]) -> None:
    """Weights & Biases: run id as id, grouped by the sweep that first planned the run, steps are D updates.

    Offline, wandb 0.31 makes one folder per worker of a resumed run; `wandb sync` merges them by id, oldest first.
    """
    import wandb

    store.wandb.mkdir(exist_ok=True)
    tempfile.TemporaryFile(dir=store.wandb).close()  # fail now, because wandb would silently use another folder
    meta = run.meta()
    mirror = wandb.init(
        project=logger.get("project"),
        entity=logger.get("entity"),
        mode=logger.get("mode"),
        dir=str(store.wandb.parent),
        id=run.id,
        name=" ".join(meta.overrides)[:120] or run.id,
        group=meta.sweep,
        resume="allow",
        config=run.config(),
        settings=wandb.Settings(console="off", disable_git=True, save_code=False, x_disable_stats=True, quiet=True),
    )
    for event in events:
        row: dict[str, Any] = dict(event.values)
        if event.picture is not None:
            row["samples"] = wandb.Image(str(event.picture))
        if event.late:
            mirror.summary.update(row)  # the run's history is closed
        else:
            mirror.log(row, step=event.step)
    status = run.status()
    summary = {"status": status.state, "reason": status.reason, "train_s": status.train_s, "eval_s": status.eval_s}
    mirror.summary.update({key: value for key, value in summary.items() if value is not None})
    mirror.finish()


LOGGERS: dict[str, Logger] = {"wandb": to_wandb}
