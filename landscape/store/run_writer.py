"""A worker's voice in its run's folder: status with a heartbeat, rows, and nothing once its claim is lost."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

from landscape.store.leases import Claim, ClaimLost
from landscape.store.metrics_row import MetricsRow
from landscape.store.pace import Pace
from landscape.store.run_folder import RunFolder

HEART_S = 2.0  # between beats


class Journal:
    """Writes `status.json`; a thread keeps the counter moving while long steps or evaluations run,
    and says so where one takes so much longer than those before that the main thread must be hung.

    Use it as a context: leaving it stops the heart.
    """

    def __init__(self, run: RunFolder, claim: Claim) -> None:
        self.run, self.claim = run, claim
        self.status = replace(run.status(), stalled=None)  # which an earlier worker was
        self.pace = Pace()
        self.lock = threading.Lock()
        self.stopped = threading.Event()
        self.lost = False
        self.heart = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> Journal:
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
            except (ClaimLost, OSError):
                continue  # the main thread meets it at its next row or checkpoint

    def check(self) -> None:
        """Raise `ClaimLost` if the run was taken over; from then on this object writes nothing."""
        if self.lost:
            raise ClaimLost(f"run {self.run.id} was taken over by another worker")
        try:
            self.claim.check()
        except ClaimLost:
            self.lost = True
            raise

    def note(self, **values: Any) -> None:
        """Change the status in memory; the next beat carries it to the disk."""
        with self.lock:
            self.status = replace(self.status, **values)

    def write(self, **values: Any) -> None:
        """Change the status and put it on the disk now; raises `ClaimLost`."""
        with self.lock:
            self.check()
            self.status = replace(self.status, **values)
            self.run.write_status(self.status)

    def row(self, row: MetricsRow) -> None:
        """Append a row of scores; raises `ClaimLost`."""
        with self.lock:
            self.check()
            self.run.append_row(row)
