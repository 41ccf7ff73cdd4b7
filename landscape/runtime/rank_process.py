"""A further rank of a run on several devices: trains like rank 0, writes nothing, and exits with rank 0.

Started by `landscape.runtime.rank_launcher` only.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from contextlib import suppress
from pathlib import Path

import torch

from landscape import distributed
from landscape.config.cli import Parser, run_cli
from landscape.config.errors import ExitCode
from landscape.config.schema import typed
from landscape.data import load_data
from landscape.store import Store
from landscape.training import checkpoint
from landscape.training.devices import pick_device
from landscape.training.loop import Diverged, train
from landscape.training.state import new_state


def end_with_rank_0() -> None:
    """Exit when rank 0 closes the pipe to standard input."""
    while os.read(0, 4096):
        pass
    os._exit(0)


def main(argv: list[str] | None = None) -> int:
    """Run the process. Returns the exit code."""
    return run_cli(lambda: train_beside(sys.argv[1:] if argv is None else argv), interrupted="")


def train_beside(argv: list[str]) -> int:
    """Train as the rank on the command line, until rank 0 exits or the last step is done."""
    parser = Parser("python -m landscape.runtime.rank_process", __doc__ or "")
    for name in ("--store", "--run", "--rank", "--meeting"):
        parser.add_argument(name, required=True)
    parser.add_argument("--execution", type=json.loads, required=True, help="JSON: device, threads, checkpoint")
    arguments = parser.parse(argv)
    threading.Thread(target=end_with_rank_0, daemon=True).start()
    store = Store(arguments.store)
    run = store.run(arguments.run)
    cfg = typed(run.config() | arguments.execution)
    assert cfg.train.world_size is not None
    torch.set_num_threads(cfg.threads)
    device = pick_device(cfg.device)
    state = new_state(cfg, load_data(cfg.data, store), device)
    distributed.join(int(arguments.rank), cfg.train.world_size, Path(arguments.meeting), device)
    saved, _ = checkpoint.load_newest(run, device)  # rank 0 has set damaged checkpoints aside before the barrier
    if saved is not None:
        state.load_state_dict(saved)
    distributed.check_same(state.step)
    with suppress(Diverged):  # rank 0 reports it
        train(state, cfg, lambda _: None)
    distributed.leave()
    return ExitCode.DONE


if __name__ == "__main__":
    sys.exit(main())
