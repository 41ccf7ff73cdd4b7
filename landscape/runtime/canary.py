"""A run tried in small, before a sweep of such runs begins: `landscape.runtime.worker --run ID --canary FILE`.

Data, networks, two steps, one evaluation, and a checkpoint written to the store and read again: what would fail in
every run fails here first. Nothing of the run's folder is read but its configuration, and nothing is written there.
"""

from __future__ import annotations

import resource
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from landscape.config.errors import CorruptFile, UserError, fault_of
from landscape.config.identity import check_current
from landscape.config.schema import Config, typed
from landscape.data import load_data
from landscape.losses.adversarial import get_loss
from landscape.metrics.evaluator import Scorer
from landscape.metrics.networks_under_test import NetworksUnderTest
from landscape.runtime.claimed_run import EXECUTION, Say
from landscape.store import Store
from landscape.store.atomic_io import to_json, write_whole
from landscape.store.canary import CanaryResult
from landscape.store.protocols import EvalRequest
from landscape.training import checkpoint
from landscape.training.devices import pick_device
from landscape.training.loop import Diverged, train
from landscape.training.state import State, new_state

STEPS = 2  # the first moves D and G; the second finds optimizers with a state
MB = 1 << 20


class _Enough(Exception):
    """The steps of a try are done."""


def try_run(store: Store, run_id: str, execution: dict[str, Any], file: Path, say: Say) -> bool:
    """Try a frozen run and write the `CanaryResult` to `file`; whether it passed."""
    fault = reason = None
    device = torch.device("cpu")
    try:
        config = store.run(run_id).config()
        frozen = config | {key: value for key, value in execution.items() if key in EXECUTION}
        cfg = typed(frozen)
        check_current(run_id, config)
        device = pick_device(cfg.device)
        _try(store, cfg, EvalRequest.of(frozen), device)
    except Exception as e:
        if not isinstance(e, UserError | CorruptFile):
            say(traceback.format_exc().rstrip())
        fault, reason = fault_of(e), " ".join((str(e) or type(e).__name__).split())[:500]
        say(f"failed: {reason}")
    gpu = device.type == "cuda"
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (MB if sys.platform == "darwin" else 1024)
    found = CanaryResult(
        run=run_id,
        fault=fault,
        reason=reason,
        memory=round(resident, 1),
        gpu_memory=round(torch.cuda.max_memory_reserved(device) / MB, 1) if gpu else None,
        gpu_total=round(torch.cuda.get_device_properties(device).total_memory / MB, 1) if gpu else None,
    )
    write_whole(file, to_json(found.to_json()))
    if fault is None:
        say(f"passed: {found.memory:.0f} MB" + (f", {found.gpu_memory:.0f} MB on the GPU" if gpu else ""))
    return fault is None


def _try(store: Store, cfg: Config, asked: EvalRequest | None, device: torch.device) -> None:
    torch.set_num_threads(cfg.threads)
    data = load_data(cfg.data, store)
    if data.content != cfg.data.content:
        raise UserError(f"the data differ from those that the runs were planned with (digest {data.content[:12]})")
    state = new_state(cfg, data, device)

    def after_step(state: State) -> None:
        if state.step >= STEPS:
            raise _Enough

    with suppress(_Enough, Diverged):  # to diverge is a result
        train(state, cfg, after_step)
    if asked is not None:
        d = state.modules.get("d")
        scorer = Scorer(asked, data, cfg.latent, store, device)
        loss = None if d is None else get_loss(cfg.loss)
        scorer.score(state.scored, NetworksUnderTest(state.scored, d, loss, scorer.latents, lambda *_: None))
    with store.scratch_run() as run:  # on the disk of the checkpoints
        checkpoint.save_generation(run, state.state_dict())
        saved, damaged = checkpoint.load_newest(run, device)
        if saved is None:
            raise CorruptFile("a checkpoint could not be read again: " + "; ".join(damaged))
        new_state(cfg, data, device).load_state_dict(saved)
