"""What tests of resumption share: the same run twice, and whether two runs ended with the same rows and bits."""

from __future__ import annotations

import os
import re
import signal
from typing import Any

import pytest
import torch
from support import TINY, frozen_runs

from landscape.runtime.train_run import Training
from landscape.runtime.worker import work
from landscape.store import DONE, PREEMPTED, RunFolder, Store
from landscape.training import checkpoint

CLOCKS = {"train_s", "eval_s", "train_busy_s", "eval_busy_s", "cost"}


def resumed_at(run: RunFolder) -> list[int]:
    """The steps of the checkpoints from which workers have gone on, oldest first, as its log has them."""
    return [int(step) for step in re.findall(r"resuming at step (\d+)", run.log_file.read_text())]


def rows(run: RunFolder) -> list[dict[str, Any]]:
    return [{k: v for k, v in row.to_json().items() if k not in CLOCKS} for row in run.rows()]


def kept(run: RunFolder) -> dict[str, torch.Tensor]:
    saved = checkpoint.load(run.weights)
    networks = {net: weights for net, weights in saved.items() if isinstance(weights, dict)}
    return {f"{net}.{k}": v for net, weights in networks.items() for k, v in weights.items()}


def same(a: RunFolder, b: RunFolder) -> None:
    assert rows(a) == rows(b)
    left, right = kept(a), kept(b)
    assert left.keys() == right.keys()
    different = [k for k in left if not torch.equal(left[k], right[k])]
    assert not different


def two(store: Store, *overrides: str) -> tuple[RunFolder, RunFolder]:
    """The same training twice (`repeat` feeds no random stream): one to disturb, one to compare with."""
    a, b = frozen_runs(store, *TINY, *overrides, "repeat=0,1")
    return a, b


def resumed(disturbed: RunFolder, quiet: RunFolder, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Train one run at one go, stop its twin at step 5 and resume it: the same rows and bits."""
    assert work(store, quiet.id, lambda text: None) == DONE
    real = Training.after_step

    def after_step(self: Any, state: Any) -> None:
        if state.step == 5 and self.run.id == disturbed.id:
            os.kill(os.getpid(), signal.SIGTERM)
        real(self, state)

    with monkeypatch.context() as m:
        m.setattr(Training, "after_step", after_step)
        assert work(store, disturbed.id, lambda text: None) == PREEMPTED
    said: list[str] = []
    assert work(store, disturbed.id, said.append) == DONE and "resuming at step 5" in said
    same(disturbed, quiet)
