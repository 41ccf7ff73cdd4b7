"""Detection of stalled runs: a worker compares steps, evaluations and checkpoints with earlier ones on its own clock.

The first of each kind, and loading and decoding of data, may take any time.
"""

from __future__ import annotations

import time

from landscape.store.run_status import Stalled

FLOOR_S = 120.0  # never stalled below this: disks and swapping machines may pause this long
FACTOR = 20  # stalled above this multiple of the mean of its kind


class Pace:
    """What the main thread is doing, and how long it usually takes."""

    def __init__(self) -> None:
        self.now: tuple[str | None, float] = (
            None,
            time.monotonic(),
        )  # replaced atomically: another thread reads it
        self.means: dict[str, tuple[int, float]] = {}  # by kind: count and mean seconds

    def begin(self, kind: str | None) -> None:
        """The previous activity has ended and `kind` begins; None for an activity without a limit."""
        before, since = self.now
        now = time.monotonic()
        if before is not None:
            count, mean = self.means.get(before, (0, 0.0))
            self.means[before] = (count + 1, mean + (now - since - mean) / (count + 1))
        self.now = (kind, now)

    def stalled(self) -> Stalled | None:
        """The activity that takes too long, or None."""
        kind, since = self.now
        if kind not in self.means:
            return None
        usual, taken = self.means[kind][1], time.monotonic() - since
        if taken <= max(FLOOR_S, FACTOR * usual):
            return None
        return Stalled(doing=kind, for_s=round(taken), usual_s=round(usual, 3))
