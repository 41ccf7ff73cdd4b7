"""Whether a run goes on at its own pace, judged by its worker on its own clock: its heart asks with every beat.

Steps, evaluations and checkpoints are each held against those before them in the same process. What has no before (the
first of each, loading and decoding data) may take any time.
"""

from __future__ import annotations

import time

from landscape.store.run_status import Stalled

FLOOR_S = 120.0  # what is quicker is never called stalled: a disk or a swapping machine may pause so long
FACTOR = 20  # times the mean of its kind


class Pace:
    """What the main thread does now, and how long that took before."""

    def __init__(self) -> None:
        self.now: tuple[str | None, float] = (None, time.monotonic())  # replaced whole: another thread reads it
        self.means: dict[str, tuple[int, float]] = {}  # by kind: how many, and their mean seconds

    def begin(self, kind: str | None) -> None:
        """What was done is over and `kind` begins; None for what has no pace."""
        before, since = self.now
        now = time.monotonic()
        if before is not None:
            count, mean = self.means.get(before, (0, 0.0))
            self.means[before] = (count + 1, mean + (now - since - mean) / (count + 1))
        self.now = (kind, now)

    def stalled(self) -> Stalled | None:
        """What takes too long: its kind, for how long, and the seconds usual; None where all is well."""
        kind, since = self.now
        if kind not in self.means:
            return None
        usual, taken = self.means[kind][1], time.monotonic() - since
        if taken <= max(FLOOR_S, FACTOR * usual):
            return None
        return Stalled(doing=kind, for_s=round(taken), usual_s=round(usual, 3))
