"""Who works on a run: numbered claim files, the highest number in force.

A claim is taken by creating the next number exclusively, so that of several takers one wins and a late one
cannot undo a newer claim (renaming or deleting a stale lock can). An owner asks before each row and
checkpoint whether its number is still the highest, and stops if not.

Whether a claim is lost is judged without comparing clocks: on the same boot of a machine by its process, elsewhere by
a heartbeat counter that has not moved for a while on the observer's own clock.
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

_CLAIM = re.compile(r"[0-9]{1,15}\.json")  # "1 (conflicted copy).json" of a folder that syncs is none
MOST_AT_ONCE = 10**6  # by which the number of a claim is past the one before
LOST_AFTER_S = 120.0  # of no movement, for a claim of another machine; a heart beats every few seconds
LOOK_S = 0.5  # between two looks of whoever waits for a heart to move
PROCESS = ("host", "boot", "pids", "pid", "started")  # what tells one process from all others

Mark = list[Any]  # the `PROCESS` behind a claim, and the beat that was seen of it; goes through JSON


class ClaimLost(Exception):
    """Somebody else has taken the run over; its owner must stop without writing another byte."""


def _numbers(run: RunFolder) -> list[int]:
    try:
        names = os.listdir(run.claims)
    except (FileNotFoundError, NotADirectoryError):
        return []
    found = sorted({int(name.removesuffix(".json")) for name in names if _CLAIM.fullmatch(name)})
    while found and found[-1] - ([0, *found])[-2] > MOST_AT_ONCE:  # forged: the next would be past all bounds
        found.pop()
    return found


def newest_claim(run: RunFolder) -> tuple[int, ClaimRecord | None]:
    """The highest number, 0 where there is none, and its claim, or None where the run is free.

    A claim file that does not read counts as in force.
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
    """The claim of whoever works on a run (or died over it); None where it is free."""
    return newest_claim(run)[1]


@dataclass
class Observer:
    """Judges claims of others; keeps what it saw, so that one lives as long as the judging goes on."""

    lost_after_s: float = field(default_factory=lambda: LOST_AFTER_S)
    seen: dict[str, tuple[Mark, float]] = field(default_factory=dict)  # by run, and since when on this one's clock
    moved: set[str] = field(default_factory=set)

    def still_s(self, run: RunFolder, claim: ProcessRecord) -> float:
        """For how long the heart of the worker behind `claim` has been seen to stand still; 0 at the first look."""
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
        """Whether the worker behind `claim` is gone.

        Another boot of a host of the same name may be another machine on a shared disk: its heart is watched.
        """
        if claim.is_here:
            return not claim.lives
        return self.still_s(run, claim) > self.lost_after_s

    def saw_life(self, run: RunFolder, claim: ProcessRecord) -> bool:
        """Whether the worker behind a claim that `is_lost` denied is known to live: here, or its heart has moved."""
        return claim.is_here or run.id in self.moved

    def settle(self, run: RunFolder, tell: Callable[[str], None]) -> bool:
        """Whether nobody works on a run, waiting until that is sure: `tell` hears of it where it takes a while."""
        told = False
        while (claim := claim_in_force(run)) is not None and not self.is_lost(run, claim):
            if self.saw_life(run, claim):
                return False
            if not told:
                told = True
                tell(
                    f"its last worker ({claim}) cannot be looked up from here; "
                    f"waiting for a heartbeat, {self.lost_after_s:.0f} s at the most"
                )
            time.sleep(LOOK_S)
        return True

    def verdict(self, run: RunFolder) -> Mark | None:
        """What a process needs to hear to judge as this one does: the process and the beat that were watched."""
        return self.seen[run.id][0] if run.id in self.seen else None

    def hear(self, run: RunFolder, verdict: Mark) -> None:
        """Take over the verdict of another: lost, unless the heart has moved since."""
        self.seen[run.id] = (verdict, -math.inf)


class Claim:
    """A claim that this process holds."""

    def __init__(self, run: RunFolder, number: int, content: ClaimRecord, lost: ClaimRecord | None = None) -> None:
        self.run, self.number, self.content = run, number, content
        self.lost = lost  # the claim of the dead worker that it was taken from

    def check(self) -> None:
        """Raise `ClaimLost` if a newer claim exists."""
        if _numbers(self.run)[-1:] != [self.number]:
            raise ClaimLost(f"run {self.run.id} was taken over by another worker")

    def release(self) -> None:
        """Leave the run free for whoever comes next."""
        path = self.run.claims / f"{self.number}.json"
        write_whole(path, json.dumps(replace(self.content, released=True).to_json()) + "\n")


def take(run: RunFolder, observer: Observer) -> Claim | None:
    """Claim a run that is free or whose claim is lost; None where somebody lives on it or was faster."""
    newest, current = newest_claim(run)
    if current is not None and not observer.is_lost(run, current):
        return None
    number = newest + 1  # the very next: a claim that was taken meanwhile has it, and this one fails
    content = replace(ClaimRecord.of_this(), token=uuid.uuid4().hex)
    run.claims.mkdir(exist_ok=True)
    if not create_exclusively(run.claims / f"{number}.json", json.dumps(content.to_json()) + "\n"):
        return None
    return Claim(run, number, content, lost=current)
