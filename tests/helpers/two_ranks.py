"""One rank of two, started by test_ranks.py: trains every configuration of a list and keeps what came out."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch

from landscape import distributed
from landscape.config.schema import typed
from landscape.data import load_data
from landscape.training.loop import train
from landscape.training.state import State, new_state

CPU = torch.device("cpu")


def outcome(frozen: dict[str, Any]) -> dict[str, torch.Tensor]:
    """Gradients of the last D and G step, losses, and all that is kept between steps."""
    cfg = typed(frozen)
    state = new_state(cfg, load_data(cfg.data), CPU)
    train(state, cfg, lambda s: None)
    return {**gradients(state), **tensors(state)}


def gradients(state: State) -> dict[str, torch.Tensor]:
    named = [(f"{n}.{k}", p) for n, net in state.modules.items() for k, p in net.named_parameters()]
    return {f"{name}.grad": p.grad for name, p in named if p.grad is not None}


def tensors(state: State) -> dict[str, torch.Tensor]:
    kept = {f"{n}.{k}": v for n, net in state.modules.items() for k, v in net.state_dict().items()}
    streams = {**state.streams, "data": state.batches.rng}
    return kept | state.losses | state.watched | {name: rng.get_state() for name, rng in streams.items()}


if __name__ == "__main__":
    rank, folder = int(sys.argv[1]), Path(sys.argv[2])
    torch.set_num_threads(1)
    distributed.join(rank, 2, folder / "meeting", CPU)
    configs = json.loads((folder / "configs.json").read_text())
    torch.save([outcome(frozen) for frozen in configs], folder / f"{rank}.pt")
    distributed.leave()
