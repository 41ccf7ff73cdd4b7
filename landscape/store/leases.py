"""Leases on runs: numbered files in `claims/`, of which the highest number is valid.

A lease is acquired by creating the next number exclusively, so only one process succeeds and a late one cannot undo a
newer lease (with renaming or deleting stale locks it could). A holder checks before each row and checkpoint that its
number is still the highest, and stops otherwise.

Whether a holder is lost is decided without comparing clocks: on the same boot of the same machine by its process,
elsewhere by a heartbeat counter that has not changed for a while on the observer's own clock.
"""

from __future__ import annotations

import json
import math
import os
import re
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from landscape.config.errors import CorruptFile
from landscape.store.atomic_io import create_exclusively, write_whole
from landscape.store.process_record import ClaimRecord, ProcessRecord
from landscape.store.run_folder import RunFolder

_CLAIM = re.compile(r"[0-9]{1,15}\.json")  # not "1 (conflicted copy).json" of a synchronized folder
MOST_AT_ONCE = 10**6  # largest gap between consecutive numbers
LOST_AFTER_S = 120.0  # a remote holder without a heartbeat for this long is lost; heartbeats come every few seconds
LOOK_S = 0.5  # polling interval while waiting for a heartbeat
PROCESS = ("host", "boot", "pids", "pid", "started")  # identifies a process

Mark = list[Any]  # the holder's `PROCESS` values and its last heartbeat; JSON-serializable


class LeaseLost(Exception):
    """Another process has taken the run over. The former holder must stop without writing."""


def _numbers(run: RunFolder) -> list[int]:
    try:
        names = os.listdir(run.claims)
    except (FileNotFoundError, NotADirectoryError):
        return []
    found = sorted({int(name.removesuffix(".json")) for name in names if _CLAIM.fullmatch(name)})
    while found and found[-1] - ([0, *found])[-2] > MOST_AT_ONCE:  # forged numbers, which would leave no next one
        found.pop()
    return found


def newest_claim(run: RunFolder) -> tuple[int, ClaimRecord | None]:
    """The highest number (0 if there is none) and its lease; None if the run is free.

    A lease file that cannot be read counts as valid.
    """
    number = (_numbers(run) or [0])[-1]
    if number == 0:
        return 0, None
    try:
        claim = replace(run.claim(number), number=number)
    except CorruptFile as e:
        claim = ClaimRecord(host="?", pid=0, started="", number=number, unreadable=str(e))
    return number, None if claim.released else claim


def claim_in_force(run: RunFolder) -> ClaimRecord | None:
    """The valid lease of a run, whether its holder lives or not; None if the run is free."""
    return newest_claim(run)[1]


@dataclass
class LeaseMonitor:
    """Decides whether holders of leases are lost. Keeps what it observed, so use one for as long as you watch."""

    lost_after_s: float = field(default_factory=lambda: LOST_AFTER_S)
    seen: dict[str, tuple[Mark, float]] = field(default_factory=dict)  # by run: last observation and its time
    moved: set[str] = field(default_factory=set)

    def still_s(self, run: RunFolder, claim: ProcessRecord) -> float:
        """Seconds since the holder's heartbeat last changed; 0 at the first observation."""
        try:
            beat: int | None = run.status().beat
        except (CorruptFile, FileNotFoundError):
            beat = None
        mark = [*(getattr(claim, key) for key in PROCESS), beat]
        before, since = self.seen.get(run.id, (None, 0.0))
        now = time.monotonic()
        if mark == before:
            return now - since
        self.seen[run.id] = (mark, now)
        if before is not None and mark[:-1] == before[:-1]:
            self.moved.add(run.id)
        else:
            self.moved.discard(run.id)
        return 0.0

    def is_lost(self, run: RunFolder, claim: ProcessRecord) -> bool:
        """Whether the holder of `claim` is gone.

        On another boot or machine only the heartbeat can tell, because hosts that share a disk may have the same name.
        """
        if claim.is_here:
            return not claim.lives
        return self.still_s(run, claim) > self.lost_after_s

    def is_known_alive(self, run: RunFolder, claim: ProcessRecord) -> bool:
        """Whether a holder for which `is_lost` is False is known to be alive: it is local, or its heartbeat changed."""
        return claim.is_here or run.id in self.moved

    def wait_until_free(self, run: RunFolder, tell: Callable[[str], None]) -> bool:
        """Wait until it is certain whether a run is free, and return that. `tell` gets a message if it takes a
        while."""
        told = False
        while (claim := claim_in_force(run)) is not None and not self.is_lost(run, claim):
            if self.is_known_alive(run, claim):
                return False
            if not told:
                told = True
                tell(
                    f"its last worker ({claim}) is not on this machine; "
                    f"waiting up to {self.lost_after_s:.0f} s for a heartbeat"
                )
            time.sleep(LOOK_S)
        return True

    def verdict(self, run: RunFolder) -> Mark | None:
        """The observation that another process needs to reach the same verdict."""
        return self.seen[run.id][0] if run.id in self.seen else None

    def adopt(self, run: RunFolder, verdict: Mark) -> None:
        """Adopt another process's verdict: the holder is lost unless its heartbeat has changed since."""
        self.seen[run.id] = (verdict, -math.inf)


class Lease:
    """A lease that this process holds."""

    def __init__(self, run: RunFolder, number: int, content: ClaimRecord, lost: ClaimRecord | None = None) -> None:
        self.run, self.number, self.content = run, number, content
        self.lost = lost  # the lease of the dead worker that it replaced

    def check(self) -> None:
        """Raise `LeaseLost` if a newer lease exists."""
        if _numbers(self.run)[-1:] != [self.number]:
            raise LeaseLost(f"run {self.run.id} was taken over by another worker")

    def release(self) -> None:
        """Mark the run as free."""
        path = self.run.claims / f"{self.number}.json"
        write_whole(path, json.dumps(replace(self.content, released=True).to_json()) + "\n")


def acquire(run: RunFolder, observer: LeaseMonitor) -> Lease | None:
    """Acquire the lease of a run that is free or whose holder is lost. None if it is held or another process was
    faster."""
    newest, current = newest_claim(run)
    if current is not None and not observer.is_lost(run, current):
        return None
    number = newest + 1  # exactly the next number, so it fails if another process was faster
    content = replace(ClaimRecord.of_this(), token=uuid.uuid4().hex)
    run.claims.mkdir(exist_ok=True)
    if not create_exclusively(run.claims / f"{number}.json", json.dumps(content.to_json()) + "\n"):
        return None
    return Lease(run, number, content, lost=current)
