"""The processes of a run on several devices: its worker is rank 0, starts the others and takes them along.

The others have no state of their own to lose, so that they need no care: they are told nothing of stops (signals to
the group are blocked in them), and are killed when rank 0 leaves. If rank 0 dies, the end of their standard input ends
them. If one of them dies, the run fails with that reason, and the next worker goes on from the checkpoint.
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

GRACE_S = 30.0  # for rank 0 to notice by itself that another is gone; in a long evaluation it cannot
BLOCKED = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2)


class RankLost(Exception):
    """Another rank of this run ended before its time."""


class Team:
    """The other ranks of this process's run, rank 1 to size - 1."""

    def __init__(self, size: int, command: list[str], orders: list[dict[str, Any]], folder: Path) -> None:
        self.meeting, self.size = folder / "meeting", size
        before = signal.pthread_sigmask(signal.SIG_BLOCK, BLOCKED)  # inherited: no signal finds them unprepared
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

    def meet(self, step: int, device: torch.device) -> None:
        """Go on together: returns when every rank has loaded the newest checkpoint and stands at `step` too."""
        if self.processes:
            distributed.join(0, self.size, self.meeting, device)
            distributed.check_same(step)

    def lost(self, within_s: float = 0.0) -> str | None:
        """Which rank ended badly, and how, if one does within so many seconds."""
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

    def watch(self, abandon: Callable[[str], None]) -> None:
        """Where this process is too deep in something to notice a lost rank, let `abandon` end it."""
        while not self.over.wait(0.5):
            reason = self.lost()
            if reason is not None and not self.over.wait(GRACE_S):
                abandon(reason)
                return

    def end(self) -> None:
        """Leave the process group, kill the other ranks and wait until they are gone."""
        self.over.set()
        distributed.leave()
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.wait()
            assert process.stdin is not None
            process.stdin.close()


@contextmanager
def team(
    size: int, device: torch.device, command: list[str], order: dict[str, Any], abandon: Callable[[str], None]
) -> Iterator[Team]:
    """Ranks 1 to size - 1 as processes, started now and gone afterwards; none for a size of 1.

    `command` starts one, `order` is how and where the run is executed; on CUDA rank r has GPU number r. Raises
    `UserError` for too few GPUs, and `RankLost` in the place of the error that a lost rank causes here.
    """
    if device.type == "cuda" and torch.cuda.device_count() < size:
        raise UserError(
            f"train.world_size={size} needs as many GPUs, and {torch.cuda.device_count()} can be seen here; "
            "device=cpu trains on cores"
        )
    if size == 1:
        yield Team(1, command, [], Path())
        return
    orders = [{**order, "device": "cpu" if device.type == "cpu" else f"cuda:{rank}"} for rank in range(1, size)]
    with tempfile.TemporaryDirectory(prefix="landscape-ranks-") as folder:
        others = Team(size, command, orders, Path(folder))
        watcher = threading.Thread(target=others.watch, args=(abandon,), daemon=True)
        watcher.start()
        try:
            yield others
        except RuntimeError as e:
            reason = others.lost(within_s=5.0)
            if reason is None:
                raise
            raise RankLost(reason) from e
        finally:
            others.end()
            watcher.join()


def teammate(store: Path, run_id: str) -> list[str]:
    """The command that starts another rank of a run."""
    return [sys.executable, "-m", "landscape.runtime.rank_process", "--store", str(store), "--run", run_id]
