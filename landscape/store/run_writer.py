"""Writes of a worker to its run's folder: status, heartbeat and rows, until its lease is lost."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

from landscape.store.leases import Lease, LeaseLost
from landscape.store.metrics_row import MetricsRow
from landscape.store.pace import Pace
from landscape.store.run_folder import RunFolder

HEART_S = 2.0  # heartbeat interval


class RunWriter:
    """Writes status and rows. A thread updates the heartbeat and reports stalls.

    Use it as a context manager: exit stops the heartbeat. It writes nothing after its lease is lost.
    """

    def __init__(self, run: RunFolder, claim: Lease) -> None:
        self.run, self.claim = run, claim
        self.status = replace(run.status(), stalled=None)  # left by an earlier worker
        self.pace = Pace()
        self.lock = threading.Lock()
        self.stopped = threading.Event()
        self.lost = False
        self.heart = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> RunWriter:
        self.heart.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        self.heart.join()

    def _beat(self) -> None:
        while not self.stopped.wait(HEART_S):
            try:
                with self.lock:
                    self.check()
                    self.status = replace(self.status, beat=self.status.beat + 1)
                    self.run.write_status(replace(self.status, stalled=self.pace.stalled()), durable=False)
            except (LeaseLost, OSError):
                continue  # the main thread sees it at its next row or checkpoint

    def check(self) -> None:
        """Raise `LeaseLost` if the run was taken over. Then this object writes nothing more."""
        if self.lost:
            raise LeaseLost(f"run {self.run.id} was taken over by another worker")
        try:
            self.claim.check()
        except LeaseLost:
            self.lost = True
            raise

    def note(self, **values: Any) -> None:
        """Change the status in memory; the next heartbeat writes it."""
        with self.lock:
            self.status = replace(self.status, **values)

    def write(self, **values: Any) -> None:
        """Change the status and write it now. Raises `LeaseLost`."""
        with self.lock:
            self.check()
            self.status = replace(self.status, **values)
            self.run.write_status(self.status)

    def row(self, row: MetricsRow) -> None:
        """Append a row of scores. Raises `LeaseLost`."""
        with self.lock:
            self.check()
            self.run.append_row(row)
