"""The processes of a run on several devices: the worker is rank 0 and starts the others.

Ranks above 0 are stateless: stop signals are blocked in them, and rank 0 kills them when it leaves. If rank 0 dies,
they exit because their standard input ends. If one of them dies, the run fails, and the next worker resumes from the
checkpoint.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from landscape import distributed
from landscape.config.errors import UserError
from landscape.config.subprocess_env import subprocess_env

GRACE_S = 30.0  # time for rank 0 to notice a failed rank itself; during a long evaluation it cannot
BLOCKED = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2)


class RankLost(Exception):
    """Another rank of this run ended unexpectedly."""


class RankGroup:
    """Ranks 1 to size - 1 of this process's run."""

    def __init__(self, size: int, command: list[str], orders: list[dict[str, Any]], folder: Path) -> None:
        self.meeting, self.size = folder / "meeting", size
        before = signal.pthread_sigmask(signal.SIG_BLOCK, BLOCKED)  # inherited by the new processes
        try:
            self.processes = [
                subprocess.Popen(
                    [*command, "--execution", json.dumps(order), "--rank", str(rank), "--meeting", str(self.meeting)],
                    stdin=subprocess.PIPE,
                    env=subprocess_env(),
                )
                for rank, order in enumerate(orders, 1)
            ]
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self.over = threading.Event()

    def barrier_at(self, step: int, device: torch.device) -> None:
        """Wait until every rank has loaded the newest checkpoint. Raises `RuntimeError` unless all are at `step`."""
        if self.processes:
            distributed.join(0, self.size, self.meeting, device)
            distributed.check_same(step)

    def failed_rank(self, within_s: float = 0.0) -> str | None:
        """Description of a rank that failed, waiting up to `within_s` seconds; None if there is none."""
        deadline = time.monotonic() + within_s
        while True:
            for rank, process in enumerate(self.processes, 1):
                code = process.poll()
                if code:
                    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
                    return f"rank {rank} of {self.size} {how}"
            if time.monotonic() >= deadline:
                return None
            time.sleep(0.05)

    def watch(self, on_rank_failure: Callable[[str], None]) -> None:
        """Call `on_rank_failure` if a rank failed and this process has not noticed in time."""
        while not self.over.wait(0.5):
            reason = self.failed_rank()
            if reason is not None and not self.over.wait(GRACE_S):
                on_rank_failure(reason)
                return

    def end(self) -> None:
        """Leave the process group, kill the other ranks and wait for them."""
        self.over.set()
        distributed.leave()
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.wait()
            assert process.stdin is not None
            process.stdin.close()


@contextmanager
def rank_group(
    size: int, device: torch.device, command: list[str], order: dict[str, Any], on_rank_failure: Callable[[str], None]
) -> Iterator[RankGroup]:
    """Context manager: starts ranks 1 to size - 1 and ends them on exit. No processes for size 1.

    `command` starts a rank, `order` is its device, threads and checkpoint settings; on CUDA rank r uses GPU r. Raises
    `UserError` for too few GPUs, and `RankLost` instead of the error that a failed rank causes here.
    """
    if device.type == "cuda" and torch.cuda.device_count() < size:
        raise UserError(
            f"train.world_size={size} needs {size} GPUs, but {torch.cuda.device_count()} are visible; use "
            "device=cpu to train on CPU cores"
        )
    if size == 1:
        yield RankGroup(1, command, [], Path())
        return
    orders = [{**order, "device": "cpu" if device.type == "cpu" else f"cuda:{rank}"} for rank in range(1, size)]
    with tempfile.TemporaryDirectory(prefix="landscape-ranks-") as folder:
        others = RankGroup(size, command, orders, Path(folder))
        watcher = threading.Thread(target=others.watch, args=(on_rank_failure,), daemon=True)
        watcher.start()
        try:
            yield others
        except RuntimeError as e:
            reason = others.failed_rank(within_s=5.0)
            if reason is None:
                raise
            raise RankLost(reason) from e
        finally:
            others.end()
            watcher.join()


def rank_command(store: Path, run_id: str) -> list[str]:
    """The command that starts another rank of a run."""
    return [sys.executable, "-m", "landscape.runtime.rank_process", "--store", str(store), "--run", run_id]
